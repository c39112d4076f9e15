import type { GenerateEvent, TokenLogprob as ContractLogprob } from '@outrigger/proto';
import { finish, reasoning, text, toolArguments, toolCall, usage, warning } from '@outrigger/sdk-plugin';
import type { EngineEvent, TokenLogprob } from '../engine/engine.js';

function logprob({ token, bytes, logprob: value, top }: TokenLogprob): ContractLogprob {
  return { token, bytes: Buffer.from(bytes), logprob: value, top: top.map(logprob) };
}

/** What one candidate has said so far: text, reasoning and every tool call are parts of their own. */
interface Candidate {
  part: number;
  kind: string;
  readonly calls: Map<number, number>;
}

/** Turns an engine's events into the contract's. */
export class AnswerTranslator {
  readonly #candidates = new Map<number, Candidate>();
  /** Whether any part of the answer was given. */
  spoke = false;

  translate(event: EngineEvent): GenerateEvent {
    switch (event.type) {
      case 'text': {
        const place = this.#place(event.choice, 'text');
        return text(
          event.text,
          event.logprobs === undefined ? place : { ...place, logprobs: event.logprobs.map(logprob) },
        );
      }
      case 'reasoning':
        return reasoning(event.text, this.#place(event.choice, 'reasoning'));
      case 'tool-call': {
        const place = this.#place(event.choice, `call ${event.call}`);
        this.#candidate(event.choice).calls.set(event.call, place.part);
        const { id, name, synthesised } = event;
        return toolCall({ id, name, argumentsJson: event.arguments, idSynthesised: synthesised }, place);
      }
      case 'tool-arguments': {
        const part = this.#candidate(event.choice).calls.get(event.call) ?? 0;
        return toolArguments(event.fragment, { candidate: event.choice, part });
      }
      case 'finish':
        return finish(event.reason, {
          candidate: event.choice,
          raw: event.raw,
          ...(event.stopSequence === undefined ? {} : { detail: event.stopSequence }),
        });
      case 'warning':
        return warning(event.code, event.param, event.message);
      case 'usage':
        return usage({
          inputTokens: event.inputTokens,
          outputTokens: event.outputTokens,
          cacheReadTokens: event.cachedTokens,
          timings:
            event.promptMs === undefined && event.generationMs === undefined
              ? undefined
              : {
                  loadMs: undefined,
                  queueMs: undefined,
                  promptMs: event.promptMs,
                  generationMs: event.generationMs,
                },
        });
    }
  }

  #candidate(choice: number): Candidate {
    let candidate = this.#candidates.get(choice);
    if (candidate === undefined) {
      candidate = { part: -1, kind: '', calls: new Map() };
      this.#candidates.set(choice, candidate);
    }
    return candidate;
  }

  #place(choice: number, kind: string): { candidate: number; part: number } {
    this.spoke = true;
    const candidate = this.#candidate(choice);
    if (candidate.kind !== kind) {
      candidate.kind = kind;
      candidate.part++;
    }
    return { candidate: choice, part: candidate.part };
  }
}
