import { wireError, type AnswerReader, type WireAnswer } from './answer-wire.js';
import type { EngineEvent } from './engine.js';
import { EngineError } from './errors.js';
import { parseJson } from './server-client.js';

/**
 * Reads a stream of chunks to its proven end: `[DONE]`, after every candidate has finished. Whatever else ends it is
 * an error, also an error object in the middle.
 */
export async function* readAnswer(
  stream: AsyncIterable<readonly { data: string; closed: boolean }[]>,
  reader: AnswerReader,
): AsyncGenerator<readonly EngineEvent[], void, void> {
  let done = false;
  for await (const batch of stream) {
    const events: EngineEvent[] = [];
    let failure: EngineError | undefined;
    for (const { data, closed } of batch) {
      if (data === '[DONE]') {
        done = true;
        continue;
      }
      const chunk = parseJson(data) as WireAnswer | null | undefined;
      if (typeof chunk !== 'object' || chunk === null) {
        failure = closed
          ? new EngineError('engine_error', 'the engine sent a chunk that is not JSON')
          : new EngineError('truncated', 'the answer broke off in the middle of a chunk');
        break;
      }
      if (chunk.error !== undefined) {
        failure = wireError(chunk.error, Number(chunk.error.code ?? 500));
        break;
      }
      events.push(...reader.read(chunk));
    }
    if (done) events.push(...reader.flush());
    if (events.length > 0) yield events;
    if (failure !== undefined) throw failure;
  }
  if (!done || !reader.complete) {
    throw new EngineError('truncated', 'the engine ended its answer without an end marker');
  }
}

/** Reads an answer that came in one piece. */
export function readWhole(body: unknown, reader: AnswerReader): readonly EngineEvent[] {
  if (typeof body !== 'object' || body === null) {
    throw new EngineError('engine_error', 'the engine answered with something that is not JSON');
  }
  const events = [...reader.read(body), ...reader.flush()];
  if (!reader.complete) throw new EngineError('truncated', 'the engine answered without a finish reason');
  return events;
}
