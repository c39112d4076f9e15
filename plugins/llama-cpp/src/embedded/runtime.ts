import type { Llama, LlamaModel } from 'node-llama-cpp';
import type * as NodeLlamaCpp from 'node-llama-cpp';
import type { Template } from '@huggingface/jinja';
import { EngineError } from '../engine/errors.js';

type TemplateClass = new (source: string) => Template;

/** The engine inside this process: llama.cpp through node-llama-cpp, from prebuilt binaries, on the CPU. */
export class EmbeddedRuntime {
  readonly library: typeof NodeLlamaCpp;
  readonly llama: Llama;
  readonly #Template: TemplateClass;

  private constructor(library: typeof NodeLlamaCpp, llama: Llama, TemplateClass: TemplateClass) {
    this.library = library;
    this.llama = llama;
    this.#Template = TemplateClass;
  }

  /**
   * Loads the library, which is an optional dependency: a third of a second and about 100 MB, so only when it is
   * needed. Never builds and never downloads anything.
   */
  static async open(threads: number, onLog: (message: string) => void): Promise<EmbeddedRuntime> {
    try {
      const [library, { Template }] = await Promise.all([
        import('node-llama-cpp'),
        import('@huggingface/jinja'),
      ]);
      const llama = await library.getLlama({
        build: 'never',
        gpu: false,
        skipDownload: true,
        progressLogs: false,
        maxThreads: threads,
        logLevel: library.LlamaLogLevel.warn,
        logger: (_level, message) => onLog(message.trim()),
      });
      return new EmbeddedRuntime(library, llama, Template);
    } catch (cause) {
      throw new EngineError(
        'engine_unusable',
        'the embedded engine is not installed for this machine; install llama-server, or node-llama-cpp with its prebuilt binaries',
        { cause, detail: cause instanceof Error ? cause.message : String(cause) },
      );
    }
  }

  get version(): string {
    return `node-llama-cpp (llama.cpp ${this.llama.llamaCppRelease.release})`;
  }

  /** Parses a chat template; undefined when it cannot be parsed. */
  template(source: string): Template | undefined {
    try {
      return new this.#Template(source);
    } catch {
      return undefined;
    }
  }

  async loadModel(
    path: string,
    signal: AbortSignal,
    onProgress: (fraction: number) => void,
  ): Promise<LlamaModel> {
    try {
      return await this.llama.loadModel({ modelPath: path, loadSignal: signal, onLoadProgress: onProgress });
    } catch (cause) {
      if (signal.aborted) throw new EngineError('stopped', 'loading the model was given up', { cause });
      throw loadFailure(cause);
    }
  }

  async dispose(): Promise<void> {
    await this.llama.dispose();
  }
}

/** Why the library could not load a model or make a context for it. */
export function loadFailure(cause: unknown): EngineError {
  const detail = cause instanceof Error ? cause.message : String(cause);
  if (/insufficient memory|out of memory|too large|allocat/i.test(detail)) {
    return new EngineError(
      'out_of_memory',
      'there is not enough memory for the model and its context; use a smaller contextLength or a smaller model',
      { detail, cause },
    );
  }
  return new EngineError(
    'bad_model',
    'the model file cannot be loaded; it may be damaged, incomplete or of an unknown architecture',
    { detail, cause },
  );
}
