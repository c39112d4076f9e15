import { describe, expect, it } from '@jest/globals';
import { FinishReason } from '@outrigger/proto';
import {
  answer,
  delta,
  finish,
  head,
  ScriptedInference,
  text,
  usage,
} from '../doors/testing/scripted-inference.js';
import { GatewayError } from '../errors/gateway-error.js';
import { foldGeneration } from './fold.js';
import type { GenerateCall } from './inference.js';

const call = {} as GenerateCall;
const context = {} as Parameters<ScriptedInference['generate']>[1];

async function generation(script?: ScriptedInference['script']) {
  const inference = new ScriptedInference();
  inference.script = script;
  await inference.generate(call, context);
  const [made] = inference.generations;
  if (made === undefined) throw new Error('no generation');
  return made;
}

describe('foldGeneration', () => {
  it('joins text, keeps usage and says why the answer ended', async () => {
    const folded = await foldGeneration(await generation([answer('a', 'b'), [usage(5, 9)]]));
    expect(folded.candidates).toHaveLength(1);
    expect(folded.candidates[0]).toMatchObject({ index: 0, text: 'ab', reasoning: '', refusal: '' });
    expect(folded.candidates[0]?.finish?.reason).toBe(FinishReason.FINISH_REASON_STOP);
    expect(folded.usage).toMatchObject({ inputTokens: 5, outputTokens: 9 });
  });

  it('keeps parts in order and candidates apart', async () => {
    const tool = { id: 't1', name: 'look', argumentsJson: '{"a"', idSynthesised: false };
    const folded = await foldGeneration(
      await generation([
        [
          head,
          text('second', { candidate: 1 }),
          delta({ $case: 'reasoning', value: 'hm' }, { part: 0 }),
          delta({ $case: 'signature', value: Buffer.from('sig') }, { part: 0 }),
          text('so', { part: 1 }),
          delta({ $case: 'toolCall', value: tool }, { part: 2 }),
          delta({ $case: 'toolArguments', value: ':1}' }, { part: 2 }),
          finish(FinishReason.FINISH_REASON_TOOL_CALLS, 0),
          finish(FinishReason.FINISH_REASON_LENGTH, 1),
        ],
      ]),
    );
    expect(folded.candidates.map((one) => one.index)).toEqual([0, 1]);
    const [first, second] = folded.candidates;
    expect(first?.parts.map((part) => part.kind)).toEqual(['reasoning', 'text', 'toolCall']);
    expect(first?.parts[0]?.signature?.toString()).toBe('sig');
    expect(first?.toolCalls[0]?.argumentsJson).toBe('{"a":1}');
    expect(tool.argumentsJson).toBe('{"a"');
    expect(second?.text).toBe('second');
  });

  it('rejects with the error that ended the answer, never with a part of it', async () => {
    const failing = await generation([[head, text('half')], new GatewayError('truncated', 'cut')]);
    await expect(foldGeneration(failing)).rejects.toMatchObject({ kind: 'truncated' });
  });

  it('cancels when its signal is aborted, before and while', async () => {
    const before = await generation();
    await expect(foldGeneration(before, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      kind: 'cancelled',
    });
    expect(before.cancelled).toBe(true);
    expect(before.attached).toBe(false);
    const during = await generation();
    const controller = new AbortController();
    const folded = foldGeneration(during, { signal: controller.signal });
    during.push(head, text('a'));
    controller.abort();
    await expect(folded).rejects.toMatchObject({ kind: 'cancelled' });
    expect(during.cancelled).toBe(true);
  });

  it('stops at its bound instead of filling the memory', async () => {
    const endless = await generation();
    const folded = foldGeneration(endless, { maxSize: 100 });
    for (let at = 0; at < 20; at++) endless.push(text('0123456789'));
    await expect(folded).rejects.toMatchObject({ kind: 'upstream_error' });
    expect(endless.cancelled).toBe(true);
  });

  it('answers with one empty candidate when the model said nothing', async () => {
    const folded = await foldGeneration(await generation([[head]]));
    expect(folded.candidates).toMatchObject([{ index: 0, text: '', finish: undefined }]);
  });
});
