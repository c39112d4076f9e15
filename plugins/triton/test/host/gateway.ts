import { startHost, until, type HostProcess } from '../../../../scripts/testing/host-process.mjs';
import { TritonProcess } from '../support/triton-process.js';

export type Json = Record<string, any>;

/** A request to an operation that the three doors share, in the words of the OpenAI door. */
export type Body = Readonly<Record<string, unknown>>;

/** A real Triton behind a real host that has no plugin but ours. */
export class Gateway {
  readonly triton: TritonProcess;
  readonly host: HostProcess;

  private constructor(triton: TritonProcess, host: HostProcess) {
    this.triton = triton;
    this.host = host;
  }

  /** Starts both and waits until the models are listed. */
  static async start(program: string, loaded: readonly string[]): Promise<Gateway> {
    const triton = new TritonProcess(program);
    try {
      await triton.start(loaded);
      const host = await startHost({
        bundledPlugins: false,
        plugins: {
          triton: {
            config: {
              endpoints: [{ url: triton.url }],
              // What the model says is what the user said, word by word.
              template: { jinja: '{% for m in messages %}{{ m.content }} {% endfor %}' },
              silenceProbeMs: 300,
            },
          },
        },
      });
      const gateway = new Gateway(triton, host);
      try {
        for (const name of loaded) await host.hasModel(`triton/${name}`);
        return gateway;
      } catch (error) {
        await host.stop();
        throw error;
      }
    } catch (error) {
      await triton[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host.stop();
    await this.triton[Symbol.asyncDispose]();
  }

  async get(path: string): Promise<Json> {
    return (await (await fetch(`${this.host.url}${path}`)).json()) as Json;
  }

  /** Posts and reads the answer, whatever its status. */
  async post(path: string, body: unknown): Promise<{ status: number; body: Json }> {
    const response = await this.host.post(path, body);
    return { status: response.status, body: (await response.json()) as Json };
  }

  load(model: string): Promise<{ status: number; body: Json }> {
    return this.post('/mcp/v1/models/load', { model: `triton/${model}` });
  }

  unload(model: string): Promise<{ status: number; body: Json }> {
    return this.post('/mcp/v1/models/unload', { model: `triton/${model}` });
  }

  /** Waits until the host lists a model in this phase; its list is allowed to be some seconds old. */
  listed(model: string, phase: string): Promise<Json> {
    return until(async () => {
      const { models } = await this.get('/mcp/v1/models');
      return (models as Json[]).find(
        (one) => one['id'] === `triton/${model}` && one['state'].phase === phase,
      );
    }, `${model} to be ${phase}`);
  }

  /** What the test model has counted. */
  async report(): Promise<{ started: number; cancelled: number; finished: number; live: number }> {
    const { body } = await this.post('/mcp/v1/chat', {
      ...say('x'),
      sampling_parameters: { report: true },
    });
    return JSON.parse(body['text'] as string) as never;
  }
}

/** A request to repeat these words; further fields by name. */
export function say(words: string, more: Body = {}): Body {
  return { model: 'triton/llm', messages: [{ role: 'user', content: words }], ...more };
}
