import type { ProcessExit } from './guarded-process.js';
import { EngineError, type EngineErrorKind } from './errors.js';

/** Told by the engine's last lines, first match wins: every one of these ends with the same exit code. */
const CAUSES: readonly { pattern: RegExp; kind: EngineErrorKind; message: string }[] = [
  {
    pattern:
      /error while loading shared libraries|version `GLIBC|cannot open shared object file|Library not loaded/,
    kind: 'engine_unusable',
    message: 'llama-server lacks libraries that it needs; reinstall it or point llamaServer at another one',
  },
  {
    pattern: /no backends are loaded/,
    kind: 'engine_unusable',
    message:
      'llama-server found none of its compute backends; reinstall it or point llamaServer at another one',
  },
  {
    pattern:
      /invalid argument|unknown argument|error: .*argument|argument has been removed|expected value for argument/i,
    kind: 'engine_unusable',
    message: 'llama-server refused a command line option; check the configured extra arguments',
  },
  {
    pattern: /couldn't bind|address already in use|failed to bind/i,
    kind: 'engine_unusable',
    message: 'llama-server could not listen on its address',
  },
  {
    pattern:
      /out of memory|failed to allocate|unable to allocate|cudaMalloc failed|ErrorOutOfDeviceMemory|cannot allocate|std::bad_alloc|failed to create context/i,
    kind: 'out_of_memory',
    message:
      'there is not enough memory for the model and its context; use a smaller contextLength or a smaller model',
  },
  {
    pattern:
      /failed to load model|error loading model|invalid magic|unknown model architecture|failed to open GGUF/i,
    kind: 'bad_model',
    message: 'the model file cannot be loaded; it may be damaged, incomplete or of an unknown architecture',
  },
];

/** One word on how a process ended, for messages. */
export function describeExit(exit: ProcessExit): string {
  if (exit.failure !== undefined) return 'could not be started';
  if (exit.signal !== undefined) return `was ended by ${exit.signal}`;
  return `ended with code ${exit.code ?? 'unknown'}`;
}

/** Why an engine ended before it was ready. */
export function startFailure(exit: ProcessExit, tail: readonly string[]): EngineError {
  const text = tail.join('\n');
  const detail = tail.slice(-20).join('\n');
  if (exit.failure !== undefined || exit.code === 126 || exit.code === 127) {
    const cause = CAUSES.find(({ pattern }) => pattern.test(text));
    return new EngineError('engine_unusable', cause?.message ?? 'llama-server cannot be started', {
      detail,
      cause: exit.failure,
    });
  }
  const cause = CAUSES.find(({ pattern }) => pattern.test(text));
  if (cause !== undefined) return new EngineError(cause.kind, cause.message, { detail });
  if (exit.signal === 'SIGKILL') {
    return new EngineError(
      'out_of_memory',
      'the engine was killed while it loaded the model, perhaps for lack of memory',
      {
        detail,
      },
    );
  }
  return new EngineError('engine_unusable', `llama-server ${describeExit(exit)} before it was ready`, {
    detail,
  });
}
