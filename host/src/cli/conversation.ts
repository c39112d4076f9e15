import { CliFailure } from './failure.js';
import { messageOf, type HostClient } from './host-client.js';

/** One answer of a model. */
export interface Answer {
  readonly text: string;
  readonly finishReason: string;
  readonly model: string;
  readonly usage?: unknown;
  /** Calls of tools the model asked for, as `name(arguments)`. */
  readonly toolCalls: readonly string[];
}

/** What a conversation is held with. */
export interface ConversationOptions {
  readonly model: string;
  readonly system?: string;
  readonly maxTokens?: number;
  readonly temperature?: number;
}

/** Where pieces of an answer go as they come. */
export interface AnswerListener {
  text(piece: string): void;
  reasoning(piece: string): void;
}

interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

interface Chunk {
  readonly model?: string;
  readonly usage?: unknown;
  readonly error?: unknown;
  readonly choices?: readonly {
    readonly finish_reason?: string | null;
    readonly delta?: {
      readonly content?: string | null;
      readonly reasoning_content?: string | null;
      readonly reasoning?: string | null;
      readonly tool_calls?: readonly {
        readonly index?: number;
        readonly function?: { readonly name?: string; readonly arguments?: string };
      }[];
    };
  }[];
}

/** A conversation through the OpenAI door. Remembers what was said. */
export class Conversation {
  model: string;
  readonly #client: HostClient;
  readonly #options: ConversationOptions;
  #messages: Message[] = [];

  constructor(client: HostClient, options: ConversationOptions) {
    this.#client = client;
    this.#options = options;
    this.model = options.model;
  }

  /** Forgets everything but the instructions. */
  reset(): void {
    this.#messages = [];
  }

  /**
   * Says something and streams the answer. Rejects with CliFailure when the
   * answer is not whole; what was said is then remembered only with the part
   * that came, if any.
   */
  async ask(text: string, listener: AnswerListener, signal: AbortSignal): Promise<Answer> {
    const question: Message = { role: 'user', content: text };
    const { system, maxTokens, temperature } = this.#options;
    const body = {
      model: this.model,
      messages: [
        ...(system === undefined ? [] : [{ role: 'system', content: system }]),
        ...this.#messages,
        question,
      ],
      stream: true,
      stream_options: { include_usage: true },
      ...(maxTokens === undefined ? {} : { max_completion_tokens: maxTokens }),
      ...(temperature === undefined ? {} : { temperature }),
    };
    let said = '';
    let finishReason: string | undefined;
    let model = this.model;
    let usage: unknown;
    let done = false;
    const calls: { name: string; args: string }[] = [];
    try {
      for await (const { data } of this.#client.stream('/v1/chat/completions', body, signal)) {
        if (data === '[DONE]') {
          done = true;
          break;
        }
        const chunk = parseChunk(data);
        model = chunk.model ?? model;
        usage = chunk.usage ?? usage;
        const [choice] = chunk.choices ?? [];
        const {
          content,
          reasoning_content: thought,
          reasoning = thought,
          tool_calls: tools,
        } = choice?.delta ?? {};
        if (typeof reasoning === 'string' && reasoning !== '') listener.reasoning(reasoning);
        if (typeof content === 'string' && content !== '') {
          said += content;
          listener.text(content);
        }
        for (const tool of tools ?? []) {
          const call = (calls[Math.min(tool.index ?? 0, 127)] ??= { name: '', args: '' });
          call.name += tool.function?.name ?? '';
          call.args += tool.function?.arguments ?? '';
        }
        finishReason = choice?.finish_reason ?? finishReason;
      }
    } finally {
      if (said !== '') this.#messages.push(question, { role: 'assistant', content: said });
    }
    if (!done || finishReason === undefined) throw new CliFailure('the answer broke off before it was whole');
    return {
      text: said,
      finishReason,
      model,
      toolCalls: calls.filter(Boolean).map(({ name, args }) => `${name}(${args})`),
      ...(usage === undefined ? {} : { usage }),
    };
  }
}

function parseChunk(data: string): Chunk {
  let chunk: unknown;
  try {
    chunk = JSON.parse(data);
  } catch {
    throw new CliFailure('the host sent a piece of the answer that is not JSON');
  }
  if (typeof chunk !== 'object' || chunk === null)
    throw new CliFailure('the host sent a piece that is no object');
  if ('error' in chunk) throw new CliFailure(messageOf(data, 500));
  return chunk;
}
