import { describe, expect, it } from '@jest/globals';
import { startFailure } from './start-failure.js';

describe('startFailure', () => {
  it.each([
    [{ code: 1 }, "E srv load_model: failed to load model, '/secret/x.gguf'", 'bad_model'],
    [{ code: 1 }, "couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 80", 'engine_unusable'],
    [{ code: 1 }, 'error: invalid argument: --nonsense', 'engine_unusable'],
    [
      { code: 127 },
      'llama-server: error while loading shared libraries: libllama.so.0: cannot open',
      'engine_unusable',
    ],
    [{ code: 1 }, "/lib/libc.so.6: version `GLIBC_2.43' not found", 'engine_unusable'],
    [{ code: 1 }, 'ggml_backend_alloc: failed to allocate buffer\nfailed to load model', 'out_of_memory'],
    [{ signal: 'SIGKILL' }, 'loading', 'out_of_memory'],
    [{ code: 3 }, 'whatever', 'engine_unusable'],
    [{ failure: new Error('spawn') }, '', 'engine_unusable'],
  ])('classifies %j with %j', (exit, tail, kind) => {
    const error = startFailure(exit, tail.split('\n'));
    expect(error.kind).toBe(kind);
    expect(error.message).not.toMatch(/secret|\.gguf/);
  });

  it('tells library, option and address apart', () => {
    const message = (tail: string) => startFailure({ code: 1 }, [tail]).message;
    const messages = ['cannot open shared object file', 'invalid argument: -x', "couldn't bind"].map(message);
    expect(new Set(messages).size).toBe(3);
  });
});
