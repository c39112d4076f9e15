import { appendFile, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { encodeDemoModel } from './demo-model/demo-model.js';
import { encodeGguf } from './gguf/writer.js';
import { ModelFolders, type FolderContents } from './model-folder.js';

const demo = encodeDemoModel('demo');
let root: string;
const open: ModelFolders[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'models-'));
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((folders) => folders.close()));
  await rm(root, { recursive: true, force: true });
});

function folders(...args: ConstructorParameters<typeof ModelFolders>): ModelFolders {
  const made = new ModelFolders(...args);
  open.push(made);
  return made;
}
const ids = ({ models }: FolderContents): string[] => models.map(({ id }) => id);

describe('ModelFolders', () => {
  it('names models after their files and keeps names apart', async () => {
    await mkdir(join(root, 'b', 'c'), { recursive: true });
    for (const name of ['one.gguf', 'Two.Q4_K_M.GGUF', 'b/one.gguf', 'b/c/one.gguf'])
      await writeFile(join(root, name), demo);
    expect(ids(await folders([root]).refresh())).toEqual(
      expect.arrayContaining(['one', 'Two.Q4_K_M', 'b--one', 'b--c--one'].sort()),
    );
  });

  it('passes over downloads in progress, hidden files, parts but the first, and what is no model', async () => {
    const projector = encodeGguf(new Map([['general.architecture', { type: 'string', value: 'clip' }]]), []);
    await writeFile(join(root, 'mmproj.gguf'), projector);
    for (const name of ['a.gguf.part', '.hidden.gguf', 'a.txt', 'big-00002-of-00002.gguf'])
      await writeFile(join(root, name), demo);
    await writeFile(join(root, 'big-00001-of-00002.gguf'), demo);
    await writeFile(join(root, 'broken.gguf'), 'no');
    await writeFile(join(root, 'half.gguf'), demo.subarray(0, 60_000));
    const contents = await folders([root]).refresh();
    expect(ids(contents)).toEqual(['big']);
    expect(contents.refused.map(({ path, reason }) => [path.slice(root.length + 1), reason])).toEqual([
      ['broken.gguf', 'not a GGUF file'],
      ['half.gguf', expect.stringContaining('incomplete') as unknown],
    ]);
  });

  it('sees files come, grow whole and go while it watches, in a folder that is made later too', async () => {
    const later = join(root, 'later');
    const seen: string[][] = [];
    const waiting = new Map<string, () => void>();
    const until = (wanted: string[]): Promise<void> =>
      new Promise((resolve) => {
        const key = JSON.stringify(wanted);
        if (JSON.stringify(seen.at(-1) ?? []) === key) resolve();
        else waiting.set(key, resolve);
      });
    const watched = folders([later], {
      rescanMs: 50,
      onChange: (contents) => {
        seen.push(ids(contents));
        waiting.get(JSON.stringify(ids(contents)))?.();
      },
    });
    expect(ids(await watched.start())).toEqual([]);
    await mkdir(later);
    await writeFile(join(later, 'a.gguf'), demo);
    await until(['a']);
    await writeFile(join(later, 'b.gguf'), demo.subarray(0, 50_000));
    await appendFile(join(later, 'b.gguf'), demo.subarray(50_000));
    await until(['a', 'b']);
    await rename(join(later, 'a.gguf'), join(later, 'c.gguf'));
    await until(['b', 'c']);
  });

  it('does not read a file again that has not changed', async () => {
    await writeFile(join(root, 'a.gguf'), demo);
    let changes = 0;
    const watched = folders([root], { onChange: () => changes++ });
    const first = await watched.refresh();
    const second = await watched.refresh();
    expect(changes).toBe(1);
    expect(second.models[0]).toBe(first.models[0]);
  });
});
