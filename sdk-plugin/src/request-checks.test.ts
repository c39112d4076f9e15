import { describe, expect, it } from '@jest/globals';
import { EmbedRequest, GenerateRequest, Message, Sampling, EmbedInput } from '@outrigger/proto';
import { PluginError } from './plugin-error.js';
import { checkEmbed, checkGenerate } from './request-checks.js';

const generate = (fields: Partial<GenerateRequest>): GenerateRequest => ({
  ...GenerateRequest.create({}),
  ...fields,
});
const embed = (fields: Partial<EmbedRequest>): EmbedRequest => ({ ...EmbedRequest.create({}), ...fields });
const messages = [Message.create({})];

/** The error that a check throws. */
function refusal(check: () => void): PluginError {
  try {
    check();
  } catch (error) {
    if (error instanceof PluginError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

const violations = (check: () => void): (string | undefined)[] =>
  refusal(check).details.fields?.map(({ field }) => field) ?? [];

describe('checkGenerate', () => {
  it.each([
    ['neither messages nor a prompt', {}, 'messages'],
    ['messages and a prompt', { messages, prompt: 'x' }, 'prompt'],
    [
      'a temperature above 2',
      { messages, sampling: Sampling.create({ temperature: 2.1 }) },
      'sampling.temperature',
    ],
    [
      'a temperature that is no number',
      { messages, sampling: Sampling.create({ temperature: NaN }) },
      'sampling.temperature',
    ],
    [
      'no tokens at all',
      { messages, sampling: Sampling.create({ maxOutputTokens: 0 }) },
      'sampling.max_output_tokens',
    ],
    [
      'a bias out of range',
      { messages, sampling: Sampling.create({ logitBias: { '7': 101 } }) },
      'sampling.logit_bias.7',
    ],
  ])('refuses %s', (_, fields, field) => {
    expect(violations(() => checkGenerate(generate(fields), {}))).toEqual([field]);
  });

  it('names every wrong field', () => {
    const sampling = Sampling.create({ topP: 2, minP: -1 });
    expect(violations(() => checkGenerate(generate({ messages, sampling }), {}))).toEqual([
      'sampling.top_p',
      'sampling.min_p',
    ]);
  });

  it('refuses the form that the plugin does not take', () => {
    const chat = refusal(() => checkGenerate(generate({ messages }), { chat: false }));
    const completion = refusal(() => checkGenerate(generate({ prompt: '' }), { completion: false }));
    expect([chat.reason, completion.reason]).toEqual(['UNSUPPORTED_OPERATION', 'UNSUPPORTED_OPERATION']);
  });

  it('lets good requests pass, an empty prompt included', () => {
    checkGenerate(generate({ prompt: '' }), {});
    const sampling = Sampling.create({
      temperature: 0,
      topP: 1,
      maxOutputTokens: 1,
      seed: 2n ** 62n,
      topK: 0,
    });
    checkGenerate(generate({ messages, sampling }), { completion: false });
  });
});

describe('checkEmbed', () => {
  it.each([
    ['no inputs', { inputs: [] }, 'inputs'],
    ['an input of no kind', { inputs: [EmbedInput.create({})] }, 'inputs[0]'],
    [
      'no dimensions',
      { inputs: [{ kind: { $case: 'text' as const, value: '' } }], dimensions: 0 },
      'dimensions',
    ],
  ])('refuses %s', (_, fields, field) => {
    expect(() => checkEmbed(embed(fields))).toThrow(field);
  });
});
