import type { Logger } from '../../../telemetry/logger.js';
import type { McpCall } from '../catalog.js';
import type { Answer, GenerateInput, InferencePort, ModelSummary, PortCall } from '../tools/ports.js';

/** A failure as the host throws it. */
export class FakeFailure extends Error {
  constructor(
    readonly kind: string,
    message: string,
    readonly param?: string,
  ) {
    super(message);
  }
}

/** A host that answers from memory and remembers what it was asked. */
export interface FakePort extends InferencePort {
  readonly asked: { input: GenerateInput; call: PortCall }[];
}

/** The two models of the fake host. */
export const fakeModels: readonly ModelSummary[] = [
  { id: 'demo/alpha', names: ['alpha'], plugin: 'demo', contextLength: 4096, state: 'loaded' },
  { id: 'demo/beta', names: ['beta'], plugin: 'demo', contextLength: 8192, state: 'loaded' },
];

/** `pieces` is the answer, delta by delta. The model `hang` answers only when it is cancelled. */
export function fakePort(pieces: readonly string[] = ['Hello', ', ', 'world']): FakePort {
  const asked: { input: GenerateInput; call: PortCall }[] = [];
  return {
    asked,
    models: () => Promise.resolve(fakeModels),
    model(id) {
      const found = fakeModels.find((model) => model.id === id || model.names?.includes(id) === true);
      if (!found)
        return Promise.reject(
          new FakeFailure('model_not_found', `no model ${id}; did you mean demo/alpha?`, 'model'),
        );
      return Promise.resolve({ ...found, quantization: 'Q4' });
    },
    async generate(input, call, onDelta) {
      asked.push({ input, call });
      if (input.model.startsWith('missing'))
        throw new FakeFailure('model_not_found', `no model ${input.model}`, 'model');
      if (input.model === 'bug') throw new TypeError('secret detail');
      if (input.model === 'hang') {
        onDelta?.('thinking');
        await new Promise<void>((_resolve, reject) => {
          const onAbort = (): void => reject(new FakeFailure('cancelled', 'the caller left'));
          if (call.signal.aborted) onAbort();
          else call.signal.addEventListener('abort', onAbort);
        });
      }
      for (const piece of pieces) {
        onDelta?.(piece);
        await Promise.resolve();
      }
      return answerOf(input, pieces.join(''));
    },
    embed: (input) =>
      Promise.resolve({
        model: 'demo/alpha',
        plugin: 'demo',
        embeddings: input.input.map((text) => [text.length, 1]),
        usage: { inputTokens: input.input.length },
        warnings: [],
        ignoredParams: [],
      }),
    countTokens: (input) => Promise.resolve({ inputTokens: input.messages.length * 7, estimated: false }),
    plugins: () => Promise.resolve([{ name: 'demo', version: '1.0.0', state: 'active', models: 2 }]),
    usage: () => Promise.resolve({ requests: asked.length }),
  };
}

function answerOf(input: GenerateInput, text: string): Answer {
  return {
    text,
    toolCalls: [],
    finishReason: 'stop',
    usage: { inputTokens: 3, outputTokens: 3 },
    model: input.model === '' ? 'demo/alpha' : input.model,
    plugin: 'demo',
    warnings: [],
    ignoredParams: Object.keys(input.parameters).filter((name) => name === 'min_p'),
  };
}

/** A log that keeps what is said. */
export function memoryLogger(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const say = (fields: object, message?: string): void =>
    void lines.push(`${message ?? ''} ${JSON.stringify(fields)}`);
  const logger = { lines, debug: say, info: say, warn: say, error: say, child: () => logger };
  return logger;
}

/** A call as a tool gets it. */
export function fakeCall(overrides: Partial<McpCall> = {}): McpCall {
  return {
    signal: new AbortController().signal,
    requestId: 'test',
    meta: {},
    log: memoryLogger(),
    ...overrides,
  };
}
