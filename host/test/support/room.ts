import { fileURLToPath } from 'node:url';
import { GenerateRequest } from '@outrigger/proto';
import { parseConfig, type ConfigInput } from '../../src/config/schema.js';
import { createEngineRoom, type EngineRoom } from '../../src/engine-room.js';
import { GatewayError } from '../../src/errors/gateway-error.js';
// Imported on demand in the host; the test runner cannot link two at the same time.
import '../../src/reflection/descriptors.js';
import '../../src/reflection/reflected-method.js';
import type { Logger } from '../../src/telemetry/logger.js';

/** A log that keeps nothing. */
export const silentLog: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

/** File of a plugin for tests. */
export const oraclePlugin = fileURLToPath(new URL('../../bench/oracle-plugin.mjs', import.meta.url));
/** File of a server that misbehaves as its argument says. */
export const misbehavingPlugin = fileURLToPath(
  new URL('../fixtures/misbehaving-plugin.mjs', import.meta.url),
);

type PluginInput = NonNullable<ConfigInput['plugins']>[string];

/** Configuration of an oracle; `env` is told in bench/oracle-plugin.mjs. */
export function oracle(
  env: Readonly<Record<string, string>> = {},
  more: Partial<PluginInput> = {},
): PluginInput {
  return {
    command: [process.execPath, oraclePlugin],
    env,
    restart: { minDelayMs: 50, maxDelayMs: 1000 },
    ...more,
  };
}

/** Configuration of a plugin that misbehaves. */
export function misbehaving(mode: string, more: Partial<PluginInput> = {}): PluginInput {
  return {
    command: [process.execPath, misbehavingPlugin, mode],
    restart: { minDelayMs: 50, maxDelayMs: 1000 },
    startTimeoutMs: 15_000,
    ...more,
  };
}

/** An engine room with these plugins, started. */
export async function openRoom(config: ConfigInput): Promise<EngineRoom> {
  const room = await createEngineRoom(parseConfig(config), process.env, silentLog);
  room.start();
  return room;
}

/** Resolves when the condition holds; rejects, saying what did not come, after `ms`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  ms = 20_000,
): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${ms} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Resolves when a plugin is active and its models are known. */
export async function active(room: EngineRoom, plugin: string): Promise<void> {
  await until(() => room.registry.get(plugin)?.active !== undefined, `${plugin} becomes active`);
  await room.models.refresh();
}

/** What came of a generation. */
export interface Answer {
  readonly text: string;
  readonly error: GatewayError | undefined;
  readonly instanceId: string;
}

let requests = 0;

/** Asks a model; never rejects. */
export async function ask(
  room: EngineRoom,
  model: string,
  prompt: string,
  signal = new AbortController().signal,
): Promise<Answer> {
  requests += 1;
  const context = {
    requestId: `test-${requests}`,
    door: 'rest' as const,
    signal,
    strictParams: false,
    traceparent: '',
    receivedAt: performance.now(),
  };
  try {
    const call = {
      model,
      request: GenerateRequest.create({ prompt }),
      parameters: new Map<string, unknown>(),
    };
    const generation = await room.router.generate(call, context);
    return await new Promise((resolve) => {
      let text = '';
      const end = (error?: GatewayError): void => {
        resolve({ text, error, instanceId: generation.served.instanceId });
      };
      generation.attach({
        events: (events) => {
          for (const { event } of events) {
            const kind = event?.$case === 'delta' ? event.value.kind : undefined;
            if (kind?.$case === 'text') text += kind.value;
          }
        },
        complete: () => {
          end();
        },
        fail: end,
      });
      signal.addEventListener('abort', () => {
        generation.cancel();
        end(new GatewayError('cancelled', 'the test left'));
      });
    });
  } catch (thrown) {
    return { text: '', error: GatewayError.from(thrown), instanceId: '' };
  }
}

/** True while a process of the group exists that is not a zombie. */
export function groupLives(group: number): boolean {
  try {
    process.kill(-group, 0);
    return true;
  } catch {
    return false;
  }
}
