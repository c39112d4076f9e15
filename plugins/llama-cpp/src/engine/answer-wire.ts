import { randomUUID } from 'node:crypto';
import type { EngineEvent, EngineFinishReason, TokenLogprob } from './engine.js';
import { EngineError } from './errors.js';

/** Answers in llama-server's words, whole or in chunks. Every field is optional: versions differ. */

interface WireLogprob {
  token?: string;
  bytes?: number[] | null;
  logprob?: number;
  top_logprobs?: WireLogprob[];
}

interface WireToolCall {
  index?: number;
  id?: string | null;
  function?: { name?: string | null; arguments?: string | null };
}

interface WireTurn {
  content?: string | null;
  reasoning_content?: string | null;
  tool_calls?: WireToolCall[] | null;
}

interface WireChoice {
  index?: number;
  delta?: WireTurn;
  message?: WireTurn;
  text?: string | null;
  logprobs?: { content?: WireLogprob[] | null } | null;
  finish_reason?: string | null;
}

/** A chunk or a whole answer. */
export interface WireAnswer {
  choices?: WireChoice[];
  usage?: {
    prompt_tokens?: number;
    completion_tokens?: number;
    prompt_tokens_details?: { cached_tokens?: number };
  };
  timings?: { prompt_ms?: number; predicted_ms?: number };
  error?: WireError;
}

/** llama-server's error object. */
export interface WireError {
  code?: number | string;
  message?: string;
  type?: string;
  n_prompt_tokens?: number;
  n_ctx?: number;
}

function logprob(item: WireLogprob): TokenLogprob {
  const token = item.token ?? '';
  return {
    token,
    bytes: item.bytes == null ? Buffer.from(token, 'utf8') : Uint8Array.from(item.bytes),
    logprob: item.logprob ?? 0,
    top: (item.top_logprobs ?? []).map(logprob),
  };
}

const FINISH_REASONS: ReadonlyMap<string, EngineFinishReason> = new Map([
  ['stop', 'stop'],
  ['length', 'length'],
  ['tool_calls', 'tool_calls'],
]);

/** The server says "length" for two things; a limit that was not reached means that the context is full. */
function finishEvent(
  choice: number,
  raw: string,
  tokens: number | undefined,
  maxTokens: number | undefined,
): EngineEvent {
  let reason = FINISH_REASONS.get(raw) ?? 'other';
  if (reason === 'length' && tokens !== undefined && (maxTokens === undefined || tokens < maxTokens)) {
    reason = 'context_length';
  }
  return { type: 'finish', choice, reason, raw };
}

/** Turns the chunks of one generation into events. */
export class AnswerReader {
  readonly #choices: number;
  readonly #maxTokens: number | undefined;
  readonly #finished = new Set<number>();
  /** Ended candidates whose usage has not come yet: it follows, and tells which limit was reached. */
  readonly #ended: { choice: number; raw: string }[] = [];
  readonly #knownCalls = new Set<string>();
  readonly #usage = { input: 0, output: 0, cached: 0, promptMs: 0, generationMs: 0, reported: 0 };
  /** Text that the server repeats before the continuation of an assistant message. */
  #echo: string;

  constructor(
    options: {
      choices?: number | undefined;
      maxTokens?: number | undefined;
      prefill?: string | undefined;
    } = {},
  ) {
    this.#choices = options.choices ?? 1;
    this.#maxTokens = options.maxTokens;
    this.#echo = options.prefill ?? '';
  }

  /** Whether every candidate has come to its end. */
  get complete(): boolean {
    return this.#finished.size >= this.#choices;
  }

  read(answer: WireAnswer): EngineEvent[] {
    const events: EngineEvent[] = [];
    for (const choice of answer.choices ?? []) this.#choice(choice, events);
    this.#count(answer, events);
    return events;
  }

  #choice(item: WireChoice, events: EngineEvent[]): void {
    const choice = item.index ?? 0;
    const turn = item.delta ?? item.message;
    if (turn?.reasoning_content) events.push({ type: 'reasoning', choice, text: turn.reasoning_content });
    const text = this.#withoutEcho(turn?.content ?? item.text ?? '');
    const logprobs = item.logprobs?.content?.map(logprob) ?? [];
    if (text !== '' || logprobs.length > 0) {
      events.push({ type: 'text', choice, text, ...(logprobs.length === 0 ? {} : { logprobs }) });
    }
    for (const [position, call] of (turn?.tool_calls ?? []).entries())
      this.#call(choice, call, position, events);
    if (item.finish_reason != null && !this.#finished.has(choice)) {
      this.#finished.add(choice);
      this.#ended.push({ choice, raw: item.finish_reason });
    }
  }

  /** The ends that wait for a usage which does not come. Call it when the answer is over. */
  flush(): EngineEvent[] {
    return this.#ended
      .splice(0)
      .map(({ choice, raw }) => finishEvent(choice, raw, undefined, this.#maxTokens));
  }

  #call(choice: number, wire: WireToolCall, position: number, events: EngineEvent[]): void {
    const call = wire.index ?? position;
    const fragment = wire.function?.arguments ?? '';
    const key = `${choice}/${call}`;
    if (this.#knownCalls.has(key)) {
      if (fragment !== '') events.push({ type: 'tool-arguments', choice, call, fragment });
      return;
    }
    this.#knownCalls.add(key);
    const synthesised = wire.id == null || wire.id === '';
    const id = synthesised ? `call_${randomUUID().replaceAll('-', '')}` : String(wire.id);
    events.push({
      type: 'tool-call',
      choice,
      call,
      id,
      synthesised,
      name: wire.function?.name ?? '',
      arguments: fragment,
    });
  }

  #count({ usage, timings }: WireAnswer, events: EngineEvent[]): void {
    if (usage === undefined) return;
    const sum = this.#usage;
    // Each candidate's usage comes by itself; they share one prompt.
    sum.input = Math.max(sum.input, usage.prompt_tokens ?? 0);
    sum.cached = sum.reported === 0 ? (usage.prompt_tokens_details?.cached_tokens ?? 0) : sum.cached;
    sum.output += usage.completion_tokens ?? 0;
    sum.promptMs = Math.max(sum.promptMs, timings?.prompt_ms ?? 0);
    sum.generationMs = Math.max(sum.generationMs, timings?.predicted_ms ?? 0);
    sum.reported++;
    events.push({
      type: 'usage',
      inputTokens: sum.input,
      outputTokens: sum.output,
      cachedTokens: sum.cached,
      ...(timings === undefined ? {} : { promptMs: sum.promptMs, generationMs: sum.generationMs }),
    });
    for (const { choice, raw } of this.#ended.splice(0)) {
      events.push(finishEvent(choice, raw, usage.completion_tokens, this.#maxTokens));
    }
  }

  #withoutEcho(text: string): string {
    if (this.#echo === '' || text === '') return text;
    const echo = this.#echo;
    if (text.startsWith(echo)) {
      this.#echo = '';
      return text.slice(echo.length);
    }
    this.#echo = echo.startsWith(text) ? echo.slice(text.length) : '';
    return this.#echo === '' ? text : '';
  }
}

/** The request field that an error message is about, as far as it tells. */
function fieldOf(message: string): string | undefined {
  const named = /^Field '([^']+)'/.exec(message)?.[1];
  if (named !== undefined) return named;
  if (/JSON schema|json_schema/i.test(message)) return 'response_format';
  if (/grammar/i.test(message)) return 'grammar';
  if (/(image|audio|video) input/i.test(message)) return 'messages';
  return undefined;
}

/** llama-server's error as ours. */
export function wireError(error: WireError, status: number): EngineError {
  const message = (error.message ?? `the engine answered with status ${status}`).slice(0, 500);
  const param = fieldOf(message);
  const details = param === undefined ? {} : { param };
  if (error.type === 'exceed_context_size_error') {
    const contextLength = error.n_ctx;
    const promptTokens = error.n_prompt_tokens;
    const text =
      contextLength === undefined || promptTokens === undefined
        ? message
        : `the prompt has ${promptTokens} tokens, the model's context holds ${contextLength}`;
    return new EngineError('context_length', text, {
      param: 'messages',
      ...(contextLength === undefined ? {} : { contextLength }),
      ...(promptTokens === undefined ? {} : { promptTokens }),
    });
  }
  if (/input is too (large|long)|too large to process/i.test(message)) {
    return new EngineError('context_length', 'the input is longer than the model can embed at once', {
      param: 'input',
    });
  }
  // The server calls these its own faults, but the request asked for what the model cannot do.
  if (/(image|audio|video) input is not supported/i.test(message))
    return new EngineError('unsupported', message, details);
  if (/Failed to initialize samplers/i.test(message))
    return new EngineError('invalid_request', message, details);
  const type = error.type ?? '';
  if (type === 'not_supported_error' || type === 'not_found_error')
    return new EngineError('unsupported', message, details);
  if (type === 'unavailable_error' || status === 503)
    return new EngineError('loading', 'the model is being loaded', details);
  if (
    type === 'invalid_request_error' ||
    (status >= 400 && status < 500 && status !== 401 && status !== 403)
  ) {
    return new EngineError('invalid_request', message, details);
  }
  return new EngineError('engine_error', message, details);
}
