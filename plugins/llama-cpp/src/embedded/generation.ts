import { setImmediate as breathe } from 'node:timers/promises';
import type {
  LlamaContextSequence,
  LlamaGrammarEvaluationState,
  LlamaModel,
  SequenceEvaluateOptions,
  Token,
} from 'node-llama-cpp';
import type { Template } from '@huggingface/jinja';
import type { ChatTool, EngineEvent, EngineFinishReason, GenerationRequest } from '../engine/engine.js';
import { EngineError } from '../engine/errors.js';
import { seedNumber } from '../engine/request-wire.js';
import { callGrammar, outputGrammar } from './grammar.js';
import { CALL_OPENING, promptTokens, renderChat } from './prompt.js';
import type { EmbeddedRuntime } from './runtime.js';
import { StopScanner } from './stop-scanner.js';
import { TextSplitter, type Segment } from './text-splitter.js';
import { TokenText } from './token-text.js';

export interface Generation {
  request: GenerationRequest;
  runtime: EmbeddedRuntime;
  model: LlamaModel;
  template: Template;
  sequence: LlamaContextSequence;
  contextLength: number;
  reasoning: boolean;
  signal: AbortSignal;
}

/** Tokens of the prompt that are read between two looks at the signal. */
const PROMPT_STEP = 256;
/** As llama-server without a word from the caller, so that both engines sample alike. */
const DEFAULT_SAMPLING = { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05 } as const;

/** Runs one request on one sequence, token by token. */
export async function* generateTokens(
  generation: Generation,
): AsyncGenerator<readonly EngineEvent[], void, void> {
  const { request, runtime, model, sequence, signal, contextLength } = generation;
  const { sampling } = request;
  refuseUnsupported(request);
  const plan = await planPrompt(generation);
  const prompt = promptTokens(plan.prompt, model);
  if (prompt.length >= contextLength) {
    throw new EngineError(
      'context_length',
      `the prompt has ${prompt.length} tokens, the model's context holds ${contextLength}`,
      {
        param: request.input.kind === 'chat' ? 'messages' : 'prompt',
        promptTokens: prompt.length,
        contextLength,
      },
    );
  }
  const { grammar, unenforced } = await outputGrammar(request, runtime);
  if (unenforced.length > 0) {
    const message = `the embedded engine does not enforce ${unenforced.join(', ')}`;
    yield [{ type: 'warning', code: 'schema_narrowed', param: 'response_format', message }];
  }
  const state = (which: typeof grammar): LlamaGrammarEvaluationState | undefined =>
    which === undefined
      ? undefined
      : new runtime.library.LlamaGrammarEvaluationState({ model, grammar: which });
  const whole = state(grammar);
  const tools = plan.tools;
  const forCalls = tools.length === 0 ? undefined : await callGrammar(tools, runtime);
  const splitter = new TextSplitter({
    tools: tools.length > 0,
    reasoning: generation.reasoning,
    begin: plan.begin,
  });
  let inCall = plan.begin === 'tool-call' ? state(forCalls) : undefined;

  const started = performance.now();
  const cached = await readPrompt(generation, prompt);
  const promptRead = performance.now();
  const text = new TokenText(model, prompt);
  const stops = new StopScanner(sampling.stop ?? []);
  const written: Token[] = [];
  const limit = sampling.maxTokens ?? Number.POSITIVE_INFINITY;
  let calls = 0;
  const show = (segments: readonly Segment[]): EngineEvent[] =>
    segments.map((segment) =>
      segment.type === 'tool-call'
        ? { choice: 0, call: calls++, synthesised: true, ...segment }
        : { choice: 0, ...segment },
    );

  let outputTokens = 0;
  let reason: EngineFinishReason | undefined;
  const tokens = sequence.evaluate(prompt.slice(sequence.nextTokenIndex), {
    ...samplingOptions(generation, written),
    yieldEogToken: true,
    grammarEvaluationState: () => inCall ?? whole,
  });
  try {
    if (limit <= 0) reason = 'length';
    while (reason === undefined) {
      signal.throwIfAborted();
      const next = await tokens.next();
      if (next.done === true) {
        reason = 'stop';
        break;
      }
      const token = next.value;
      outputTokens++;
      const ends = model.isEogToken(token);
      if (!ends) written.push(token);
      const events = ends ? [] : show(splitter.push(stops.push(text.push(token))));
      if (ends) reason = 'stop';
      else if (stops.found !== undefined) reason = 'stop_sequence';
      else if (outputTokens >= limit) reason = 'length';
      else if (prompt.length + outputTokens >= contextLength) reason = 'context_length';
      if (splitter.mode !== 'tool-call') inCall = undefined;
      else inCall ??= state(forCalls);
      if (events.length > 0) yield events;
      // Small models never really wait, and cancelling needs the event loop.
      else if (outputTokens % 16 === 0) await breathe();
    }
  } finally {
    await tokens.return();
  }
  const last = show([
    ...splitter.push(reason === 'stop_sequence' ? '' : stops.push(text.end()) + stops.end()),
    ...splitter.end(),
  ]);
  const stopped = reason === 'stop' && calls > 0;
  yield [
    ...last,
    {
      type: 'usage',
      inputTokens: prompt.length,
      outputTokens,
      cachedTokens: cached,
      promptMs: promptRead - started,
      generationMs: performance.now() - promptRead,
    },
    {
      type: 'finish',
      choice: 0,
      reason: stopped ? 'tool_calls' : reason,
      raw: stopped ? 'tool_calls' : reason,
      ...(stops.found === undefined ? {} : { stopSequence: stops.found }),
    },
  ];
}

interface PromptPlan {
  prompt: string;
  tools: readonly ChatTool[];
  begin?: 'tool-call' | 'reasoning';
}

async function planPrompt({ request, template, model, reasoning }: Generation): Promise<PromptPlan> {
  // A turn of the event loop, so that rendering never runs in the caller's own tick.
  await breathe();
  const { input } = request;
  if (input.kind === 'completion') return { prompt: input.prompt, tools: [] };
  const choice = input.toolChoice;
  const offered =
    typeof choice === 'object' ? input.tools.filter(({ name }) => name === choice.name) : input.tools;
  if (typeof choice === 'object' && offered.length === 0) {
    throw new EngineError(
      'invalid_request',
      `tool_choice names ${JSON.stringify(choice.name)}, which tools lacks`,
      {
        param: 'tool_choice',
      },
    );
  }
  const tools = choice === 'none' ? [] : offered;
  const thinking =
    request.reasoning?.effort === undefined ? {} : { thinking: request.reasoning.effort !== 'none' };
  const prompt = renderChat({ ...input, tools }, template, model, thinking);
  const required = tools.length > 0 && (choice === 'required' || typeof choice === 'object');
  if (required) return { prompt: prompt + CALL_OPENING, tools, begin: 'tool-call' };
  // Some templates open the reasoning themselves.
  if (reasoning && prompt.trimEnd().endsWith('<think>')) return { prompt, tools, begin: 'reasoning' };
  return { prompt, tools };
}

/** Reads the prompt but for its last token, reusing what the sequence still holds; returns how much it held. */
async function readPrompt({ sequence, signal }: Generation, prompt: readonly Token[]): Promise<number> {
  await sequence.adaptStateToTokens(prompt.slice(0, -1), false);
  const cached = sequence.nextTokenIndex;
  while (prompt.length - 1 - sequence.nextTokenIndex > PROMPT_STEP) {
    signal.throwIfAborted();
    const from = sequence.nextTokenIndex;
    await sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(from, from + PROMPT_STEP));
  }
  return cached;
}

function samplingOptions({ request, model, runtime }: Generation, written: Token[]): SequenceEvaluateOptions {
  const { sampling: s, extra } = request;
  const bias = s.logitBias;
  const penalized =
    s.repeatPenalty !== undefined || s.frequencyPenalty !== undefined || s.presencePenalty !== undefined;
  const lastN = extra?.['repeat_last_n'];
  return {
    temperature: s.temperature ?? DEFAULT_SAMPLING.temperature,
    topK: s.topK ?? DEFAULT_SAMPLING.topK,
    topP: s.topP ?? DEFAULT_SAMPLING.topP,
    minP: s.minP ?? DEFAULT_SAMPLING.minP,
    ...(s.seed === undefined ? {} : { seed: seedNumber(s.seed) }),
    ...(penalized
      ? {
          repeatPenalty: {
            punishTokens: () => written.slice(-(typeof lastN === 'number' && lastN > 0 ? lastN : 64)),
            ...(s.repeatPenalty === undefined ? {} : { penalty: s.repeatPenalty }),
            ...(s.frequencyPenalty === undefined ? {} : { frequencyPenalty: s.frequencyPenalty }),
            ...(s.presencePenalty === undefined ? {} : { presencePenalty: s.presencePenalty }),
          },
        }
      : {}),
    ...(bias === undefined || bias.size === 0
      ? {}
      : {
          tokenBias: [...bias].reduce(
            (all, [token, logit]) => all.set(token as Token, logit <= -100 ? 'never' : { logit }),
            runtime.library.TokenBias.for(model),
          ),
        }),
  };
}

/** What this engine cannot do is refused, unless the adapter has already left it out with a warning. */
function refuseUnsupported({ sampling }: GenerationRequest): void {
  const refuse = (param: string): never => {
    throw new EngineError('unsupported', `${param}: the embedded engine cannot do this; use llama-server`, {
      param,
    });
  };
  if (sampling.topLogprobs !== undefined) refuse('logprobs');
  if ((sampling.candidates ?? 1) > 1) refuse('n');
  if (sampling.typicalP !== undefined && sampling.typicalP !== 1) refuse('typical_p');
}
