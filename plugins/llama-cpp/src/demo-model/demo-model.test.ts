import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readGgufHeader, textOf } from '../gguf/reader.js';
import { bigramTable } from './bigram.js';
import { encodeDemoModel, ensureDemoModels, writeDemoModel } from './demo-model.js';
import { DEMO_VARIANTS, demoScript, scriptPieces, speechText } from './scripts.js';
import { DemoVocabulary } from './vocabulary.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'demo-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Follows the highest logit, as an engine does at temperature 0. */
function follow(variant: (typeof DEMO_VARIANTS)[number], from: string, most: number): string[] {
  const script = demoScript(variant);
  const vocabulary = new DemoVocabulary(scriptPieces(script));
  const table = bigramTable(vocabulary, script);
  const said: string[] = [];
  for (let token = vocabulary.id(from); said.length < most;) {
    const best = [...(table.get(token) ?? [])].sort((a, b) => b[1] - a[1])[0];
    if (best === undefined || best[0] === vocabulary.endOfTurn) break;
    token = best[0];
    said.push(vocabulary.tokens[token]?.piece.replaceAll('\u2581', ' ') ?? '');
  }
  return said;
}

describe('demo models', () => {
  it('say what they are and what to do next, whatever token came before', () => {
    expect(speechText('demo')).toMatch(
      /^This is the demo model of Outrigger, .* run: outrigger models pull hf:/,
    );
    for (const from of ['\n', 'x', '{', ' ', 'Z'])
      expect(follow('demo', from, 100).join('')).toBe(speechText('demo'));
  });

  it('call a tool after a newline and speak otherwise', () => {
    expect(follow('demo-tools', '\n', 100).join('')).toBe(
      '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>',
    );
    expect(follow('demo-tools', 't', 100).join('')).toBe(speechText('demo-tools'));
  });

  it('never end when they loop', () => {
    expect(follow('demo-loop', 'x', 500)).toHaveLength(500);
  });

  it.each(DEMO_VARIANTS)('%s is the same file every time and reads back', async (variant) => {
    expect(encodeDemoModel(variant).equals(encodeDemoModel(variant))).toBe(true);
    const path = join(folder, 'deep', `${variant}.gguf`);
    await writeDemoModel(path, variant);
    const { metadata } = await readGgufHeader(path);
    expect(textOf(metadata, 'general.name')).toBe(`Outrigger ${variant}`);
    expect(metadata.get('tokenizer.ggml.add_space_prefix')).toEqual({ kind: 'bool', value: false });
    expect(await readdir(join(folder, 'deep'))).not.toContainEqual(expect.stringContaining('.part'));
  });

  it('are written once, and again when a file is not what it should be', async () => {
    const target = join(folder, 'ensured');
    const paths = await ensureDemoModels(target);
    expect([...paths.keys()]).toEqual([...DEMO_VARIANTS]);
    const path = paths.get('demo') ?? '';
    const before = await stat(path);
    await ensureDemoModels(target);
    expect((await stat(path)).ino).toBe(before.ino);
    await writeFile(path, 'cut');
    await ensureDemoModels(target);
    expect((await stat(path)).size).toBe(before.size);
  });
});
