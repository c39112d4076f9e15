import { createRequire } from 'node:module';
import { EngineError } from '../engine/errors.js';
import type { EmbeddedRuntime } from './runtime.js';

/**
 * The embedded engine's library, opened in the background: that takes a second, and neither listing models nor the
 * start of the plugin has to wait for it. A failed attempt is repeated when the library is needed next.
 */
export class LazyRuntime {
  readonly #open: () => Promise<EmbeddedRuntime>;
  #opening: Promise<EmbeddedRuntime> | undefined;
  #opened: EmbeddedRuntime | undefined;

  constructor(open: () => Promise<EmbeddedRuntime>) {
    this.#open = open;
  }

  /** Throws when the library is not installed at all, which can be told at once. */
  static check(): void {
    try {
      createRequire(import.meta.url).resolve('node-llama-cpp');
    } catch (error) {
      // It has no CommonJS entry, so that finding it is an error too, of another kind.
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') return;
      throw new EngineError(
        'engine_unusable',
        'there is no engine: install llama-server and put it on PATH, or install node-llama-cpp',
        { cause: error },
      );
    }
  }

  /** Name and version, for people; the name alone until the library is open. */
  get version(): string {
    return this.#opened?.version ?? 'node-llama-cpp';
  }

  get(): Promise<EmbeddedRuntime> {
    if (this.#opening === undefined) {
      const opening = this.#open();
      this.#opening = opening;
      opening.then(
        (runtime) => (this.#opened = runtime),
        () => (this.#opening = undefined),
      );
    }
    return this.#opening;
  }

  async dispose(): Promise<void> {
    await (await this.#opening?.catch(() => undefined))?.dispose();
  }
}
