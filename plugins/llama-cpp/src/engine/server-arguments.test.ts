import { describe, expect, it } from '@jest/globals';
import { defaultThreads, serverArguments, serverEnvironment } from './server-arguments.js';

const binary = (...flags: string[]) => ({ path: '/x', version: '', flags: new Set(flags) });
const settings = { model: '/m.gguf', contextLength: 1024, slots: 2 };
const unix = { kind: 'unix', path: '/s.sock' } as const;

describe('serverArguments', () => {
  it('names model, address, threads and the context of all slots', () => {
    const args = serverArguments({ ...settings, threads: 3 }, binary(), unix).join(' ');
    expect(args).toBe('--model /m.gguf --host /s.sock --port 0 --threads 3 --parallel 2 --ctx-size 2048');
  });

  it('uses the options that this version knows', () => {
    expect(serverArguments(settings, binary('--no-ui', '--no-webui', '--metrics'), unix)).toEqual(
      expect.arrayContaining(['--no-ui', '--metrics']),
    );
    expect(serverArguments(settings, binary('--no-webui'), unix)).toContain('--no-webui');
    expect(serverArguments(settings, binary('--no-ui', '--no-webui'), unix)).not.toContain('--no-webui');
  });

  it('never starts embeddings without a pooling type', () => {
    expect(serverArguments(settings, binary(), unix)).not.toContain('--embeddings');
    const args = serverArguments({ ...settings, pooling: 'mean' }, binary(), unix);
    expect(args.slice(args.indexOf('--embeddings'))).toEqual([
      ...['--embeddings', '--pooling', 'mean', '--batch-size', '1024', '--ubatch-size', '1024'],
    ]);
  });
});

describe('serverEnvironment', () => {
  it('withholds secrets and what would move the server, and keeps the rest', () => {
    const env = {
      PATH: '/bin',
      LLAMA_ARG_HOST: '0.0.0.0',
      LLAMA_ARG_N_GPU_LAYERS: '9',
      LLAMA_API_KEY: 'theirs',
      HF_TOKEN: 's',
      MY_API_KEY: 's',
    };
    expect(serverEnvironment(env, unix)).toEqual({ PATH: '/bin', LLAMA_ARG_N_GPU_LAYERS: '9' });
    expect(serverEnvironment(env, { kind: 'tcp', origin: '', apiKey: 'ours' })).toMatchObject({
      LLAMA_API_KEY: 'ours',
    });
  });
});

describe('defaultThreads', () => {
  it.each([
    [1, 1],
    [2, 1],
    [3, 1],
    [8, 4],
  ])('takes of %i processors %i', (processors, threads) => {
    expect(defaultThreads(processors)).toBe(threads);
  });
});
