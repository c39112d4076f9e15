import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { encodeDemoModel } from '../src/demo-model/demo-model.js';
import { download, type PullProgress } from '../src/pull/download.js';
import { parseSource } from '../src/pull/source.js';
import { FakeHub } from './fake-hub.js';

const content = encodeDemoModel('demo');
const never = new AbortController().signal;
let hub: FakeHub;
let folder: string;

beforeEach(async () => {
  hub = await FakeHub.start();
  folder = await mkdtemp(join(tmpdir(), 'pull-'));
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function pull(source = 'hf:me/models/tiny.gguf', token?: string, signal = never) {
  const steps: PullProgress[] = [];
  const generator = download(parseSource(source, hub.endpoint), folder, token, signal);
  for (;;) {
    const step = await generator.next();
    if (step.done === true) return { path: step.value, steps };
    steps.push(step.value);
  }
}
/** Whether a file is the whole model; comparing buffers through the matcher takes seconds. */
const holdsAll = async (path: string) => (await readFile(path)).equals(content);
const gets = () => hub.requests.filter(({ server, method }) => server === 'storage' && method === 'GET');

describe('download', () => {
  it('fetches a file whole, with progress, and leaves nothing else behind', async () => {
    hub.put('me/models/tiny.gguf', { content });
    const { path, steps } = await pull();
    expect(await holdsAll(path)).toBe(true);
    expect(await readdir(folder)).toEqual(['tiny.gguf']);
    expect(steps.map(({ status }) => status)).toEqual(
      expect.arrayContaining(['asking for the file', 'checking', 'done']),
    );
    expect(steps.at(-1)).toMatchObject({ totalBytes: content.length, completedBytes: content.length });
    expect(hub.requests[0]).toMatchObject({ method: 'HEAD', path: '/me/models/resolve/main/tiny.gguf' });
  });

  it('fetches nothing that is there already', async () => {
    hub.put('me/models/tiny.gguf', { content });
    await pull();
    const before = gets().length;
    expect((await pull()).steps.at(-1)?.status).toBe('already there');
    expect(gets()).toHaveLength(before);
  });

  it('goes on where the connection broke, again and again', async () => {
    hub.put('me/models/tiny.gguf', { content });
    hub.breaks.push(300_000, 200_000, 100_000);
    const { path } = await pull();
    expect(await holdsAll(path)).toBe(true);
    const ranges = gets().map(({ range }) => range);
    expect(ranges[0]).toBeUndefined();
    expect(ranges).toHaveLength(4);
    for (const range of ranges.slice(1)) expect(range).toMatch(/^bytes=\d+-$/);
  });

  it('resumes what an earlier call began, and only the same version', async () => {
    hub.put('me/models/tiny.gguf', { content });
    const part = join(folder, 'tiny.gguf.part');
    const remote = hub.files.get('me/models/tiny.gguf');
    const leave = new AbortController();
    hub.breaks.push(400_000);
    const begun = download(
      parseSource('hf:me/models/tiny.gguf', hub.endpoint),
      folder,
      undefined,
      leave.signal,
    );
    // The first break is told; then the caller goes.
    for (;;) {
      const { done, value } = await begun.next();
      if (done === true || value.status.includes('broke off')) break;
    }
    await begun.return('');
    const kept = await readFile(part);
    expect(kept.length).toBeGreaterThan(0);
    expect(await holdsAll((await pull()).path)).toBe(true);
    expect(gets().at(-1)?.range).toBe(`bytes=${kept.length}-`);

    await rm(join(folder, 'tiny.gguf'));
    await writeFile(part, 'x'.repeat(1000));
    await writeFile(`${part}.json`, JSON.stringify({ version: 'another' }));
    expect(await holdsAll((await pull()).path)).toBe(true);
    expect(gets().at(-1)?.range).toBeUndefined();
    expect(remote).toBeDefined();
  });

  it('begins anew when the server does not resume', async () => {
    hub.put('me/models/tiny.gguf', { content });
    hub.ignoreRanges = true;
    hub.breaks.push(300_000);
    expect(await holdsAll((await pull()).path)).toBe(true);
  });

  it('refuses a file with the wrong checksum and throws it away', async () => {
    hub.put('me/models/tiny.gguf', { content, announced: 'a'.repeat(64) });
    await expect(pull()).rejects.toMatchObject({
      kind: 'checksum',
      message: expect.stringContaining('SHA-256') as unknown,
    });
    expect(await readdir(folder)).toEqual([]);
  });

  it('refuses what is no model', async () => {
    hub.put('me/models/tiny.gguf', { content: Buffer.from('<html>not a model</html>'.padEnd(4_000, ' ')) });
    await expect(pull()).rejects.toMatchObject({
      kind: 'checksum',
      message: expect.stringContaining('not a GGUF') as unknown,
    });
    expect(await readdir(folder)).toEqual([]);
  });

  it('reads small files, whose ETag is not a checksum', async () => {
    hub.put('me/models/tiny.gguf', { content, small: true });
    expect(await holdsAll((await pull()).path)).toBe(true);
  });

  it('shows its token to the hub and to nobody else', async () => {
    hub.put('me/models/tiny.gguf', { content, token: 'hf_secret' });
    await expect(pull()).rejects.toMatchObject({ kind: 'denied' });
    await pull('hf:me/models/tiny.gguf', 'hf_secret');
    const shown = (server: string) =>
      hub.requests.filter((request) => request.server === server).map((r) => r.authorization);
    expect(shown('hub')).toContain('Bearer hf_secret');
    expect(shown('storage').length).toBeGreaterThan(0);
    expect(new Set(shown('storage'))).toEqual(new Set([undefined]));
  });

  it('says what is wrong: no such file, no server, cancelled', async () => {
    await expect(pull('hf:me/models/none.gguf')).rejects.toMatchObject({ kind: 'not_found' });
    await expect(pull('http://127.0.0.1:9/x.gguf')).rejects.toMatchObject({ kind: 'unavailable' });
    const leave = AbortSignal.abort(new Error('left'));
    hub.put('me/models/tiny.gguf', { content });
    await expect(pull('hf:me/models/tiny.gguf', undefined, leave)).rejects.toThrow('left');
  });
});

describe('parseSource', () => {
  const parse = (source: string) => parseSource(source, 'https://hub.example');

  it.each([
    ['hf:o/r/f.gguf', 'https://hub.example/o/r/resolve/main/f.gguf', true],
    ['hf:o/r@v1.0/sub/f.gguf', 'https://hub.example/o/r/resolve/v1.0/sub/f.gguf', true],
    ['https://elsewhere.example/a/f.gguf?download=1', 'https://elsewhere.example/a/f.gguf?download=1', false],
    ['https://hub.example/o/r/resolve/main/f.gguf', 'https://hub.example/o/r/resolve/main/f.gguf', true],
  ])('reads %s', (source, url, isHub) => {
    expect(parse(source)).toMatchObject({ fileName: 'f.gguf', hub: isHub });
    expect(parse(source).url.href).toBe(url);
  });

  it.each([
    'hf:o/r',
    'hf:o/../f.gguf',
    'hf:o/r/../f.gguf',
    'hf:o/r/f.txt',
    'f.gguf',
    'file:///etc/f.gguf',
    'https://x.example/',
    'https://x.example/%2e%2e%2ff.gguf',
    'https://u:p@x.example/f.gguf',
    'https://x.example/.f.gguf',
  ])('refuses %s', (source) => {
    expect(() => parse(source)).toThrow(expect.objectContaining({ kind: 'invalid' }));
  });
});
