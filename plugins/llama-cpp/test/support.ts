import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { writeDemoModel } from '../src/demo-model/demo-model.js';
import type { DemoVariant } from '../src/demo-model/scripts.js';
import type { Engine, EngineEvent, GenerationRequest } from '../src/engine/engine.js';

/** A folder of its own for one test file, with demo models on demand. */
export class TestFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<TestFolder> {
    return new TestFolder(await mkdtemp(join(tmpdir(), 'llama-test-')));
  }

  async model(variant: DemoVariant): Promise<string> {
    const path = join(this.path, `${variant}.gguf`);
    await writeDemoModel(path, variant);
    return path;
  }

  remove(): Promise<void> {
    return rm(this.path, { recursive: true, force: true });
  }
}

/** A deadline for calls that should take milliseconds. */
export const soon = (): AbortSignal => AbortSignal.timeout(20_000);

/** A chat of one user message. */
export function chat(more: Partial<GenerationRequest> = {}, content = 'hi'): GenerationRequest {
  return { input: { kind: 'chat', messages: [{ role: 'user', content }], tools: [] }, sampling: {}, ...more };
}

/** Waits until something is so; fails after a while. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  ms = 15_000,
): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`it did not come to be: ${what}`);
    await delay(10);
  }
}

/** What an engine said, put together. */
export async function answer(engine: Engine, request: GenerationRequest, signal = soon()) {
  const events: EngineEvent[] = [];
  for await (const batch of engine.generate(request, signal)) events.push(...batch);
  return {
    events,
    text: events.map((event) => (event.type === 'text' ? event.text : '')).join(''),
    reasoning: events.map((event) => (event.type === 'reasoning' ? event.text : '')).join(''),
    calls: events.filter((event) => event.type === 'tool-call'),
    finish: events.filter((event) => event.type === 'finish'),
    usage: events.filter((event) => event.type === 'usage').at(-1),
    logprobs: events.flatMap((event) => (event.type === 'text' ? (event.logprobs ?? []) : [])),
  };
}

/** Whether a process runs; a zombie, which nobody has waited for yet, does not. */
export async function isAlive(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return !/^\d+ \(.*\) Z/.test(status);
}
