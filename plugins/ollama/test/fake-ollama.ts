import {
  fakeRuntime,
  startPlugin,
  type FakeRuntime,
  type RuntimeHandler,
  type RuntimeRoutes,
  type TestPlugin,
} from '@outrigger/sdk-plugin/testing';
import { ollamaPlugin } from '../src/adapter.js';

/** A line of /api/chat. */
export function chatLine(content: string, more: object = {}): object {
  return {
    model: 'm',
    created_at: '2026-01-01T00:00:00Z',
    message: { role: 'assistant', content },
    done: false,
    ...more,
  };
}

/** The last line of /api/chat. Durations are nanoseconds. */
export function lastLine(more: object = {}): object {
  return {
    ...chatLine(''),
    done: true,
    done_reason: 'stop',
    total_duration: 5_000_000,
    load_duration: 1_500_000,
    prompt_eval_count: 7,
    prompt_eval_duration: 2_000_000,
    eval_count: 3,
    eval_duration: 4_000_000,
    ...more,
  };
}

/** Answers with these lines of NDJSON. */
export function lines(...values: readonly object[]): RuntimeHandler {
  return (exchange) => {
    for (const value of values) exchange.ndjson(value);
    exchange.end();
  };
}

/** An Ollama that has one model and says hello. */
const routes: RuntimeRoutes = {
  'GET /api/version': (exchange) => exchange.reply(200, { version: '0.34.4' }),
  'GET /api/ps': (exchange) => exchange.reply(200, { models: [] }),
  'GET /api/tags': (exchange) =>
    exchange.reply(200, {
      models: [
        {
          name: 'm:latest',
          model: 'm:latest',
          modified_at: '2026-01-02T03:04:05.123456789Z',
          size: 1000,
          digest: 'abc',
          details: {
            format: 'gguf',
            family: 'llama',
            parameter_size: '1.5B',
            quantization_level: 'Q4_K_M',
            context_length: 8192,
            embedding_length: 64,
          },
          capabilities: ['completion', 'tools'],
        },
      ],
    }),
  'POST /api/chat': (exchange) => {
    const { stream } = exchange.json() as { stream?: boolean };
    if (stream === false)
      exchange.reply(200, { ...lastLine(), message: { role: 'assistant', content: 'Hello there' } });
    else void lines(chatLine('Hello'), chatLine(' there'), lastLine())(exchange);
  },
};

/** A plugin on its socket, and the Ollama behind it. */
export interface Bench extends AsyncDisposable {
  readonly ollama: FakeRuntime;
  readonly plugin: TestPlugin;
}

/** Starts both. */
export async function bench(more: RuntimeRoutes = {}, config: object = {}): Promise<Bench> {
  const ollama = await fakeRuntime({ ...routes, ...more });
  const plugin = await startPlugin(ollamaPlugin({}), { config: { baseUrl: ollama.url, ...config } });
  return {
    ollama,
    plugin,
    async [Symbol.asyncDispose]() {
      await plugin.close();
      await ollama.close();
    },
  };
}
