import { describe, expect, it } from '@jest/globals';
import {
  GenerateRequest,
  Message,
  Modality,
  Reasoning_Effort,
  Role,
  ToolChoice_Mode,
  UnsupportedPolicy,
  type Part,
} from '@outrigger/proto';
import type { EngineCapabilities } from '../engine/engine.js';
import { chatMessages } from './messages.js';
import { translateRequest } from './request.js';

const all: EngineCapabilities = {
  chat: true,
  completion: true,
  embedding: true,
  tools: true,
  structuredOutput: true,
  logprobs: true,
  reasoning: true,
  candidates: true,
  vision: false,
};
const none = Buffer.alloc(0);
const part = (kind: Part['kind']): Part => ({ kind, signature: none });
const text = (value: string): Part => part({ $case: 'text', value: { text: value } });
const message = (role: Role, ...parts: Part[]): Message => ({ ...Message.create({}), role, parts });
const request = (fields: Partial<GenerateRequest>): GenerateRequest => ({
  ...GenerateRequest.create({}),
  messages: [message(Role.ROLE_USER, text('hi'))],
  ...fields,
});
const sampling = (fields: object) => ({ stop: [], logitBias: {}, ...fields });
const tools = [
  { name: 'f', description: 'does f', parametersJson: '{"type":"object"}' },
  { name: 'g', description: '', parametersJson: '' },
];
const strict = {
  requestId: 'r',
  instanceId: '',
  traceparent: '',
  unsupported: UnsupportedPolicy.UNSUPPORTED_POLICY_FAIL,
};

describe('chatMessages', () => {
  it('keeps roles, joins texts, and makes every tool result a message', () => {
    const call = { id: 'a', name: 'f', argumentsJson: '', idSynthesised: false };
    const result = (toolCallId: string, value: string) =>
      part({ $case: 'toolResult', value: { toolCallId, name: 'f', parts: [text(value)], isError: false } });
    expect(
      chatMessages(
        [
          message(Role.ROLE_DEVELOPER, text('be '), text('brief')),
          message(Role.ROLE_USER, text('hi')),
          message(
            Role.ROLE_ASSISTANT,
            part({ $case: 'reasoning', value: { text: 'hm', encrypted: none, summary: false } }),
            part({ $case: 'toolCall', value: call }),
          ),
          message(Role.ROLE_TOOL, result('a', '1'), result('b', '2')),
          message(Role.ROLE_UNSPECIFIED),
        ],
        false,
      ),
    ).toEqual([
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'hi' },
      {
        role: 'assistant',
        content: null,
        reasoning: 'hm',
        toolCalls: [{ id: 'a', name: 'f', arguments: '{}' }],
      },
      { role: 'tool', toolCallId: 'a', name: 'f', content: '1' },
      { role: 'tool', toolCallId: 'b', name: 'f', content: '2' },
      { role: 'user', content: '' },
    ]);
  });

  const picture = (source: { $case: 'url'; value: string } | { $case: 'data'; value: Buffer }) =>
    part({
      $case: 'media',
      value: { modality: Modality.MODALITY_IMAGE, mimeType: 'image/png', source, detail: '', filename: '' },
    });

  it('gives pictures by their bytes to models that see, and never by address', () => {
    const seen = chatMessages(
      [message(Role.ROLE_USER, text('?'), picture({ $case: 'data', value: Buffer.from('x') }))],
      true,
    );
    expect(seen[0]?.content).toEqual([
      { type: 'text', text: '?' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,eA==' } },
    ]);
    for (const [source, vision] of [
      [{ $case: 'data', value: Buffer.from('x') }, false],
      [{ $case: 'url', value: 'http://169.254.169.254/' }, true],
      [{ $case: 'url', value: 'file:///etc/passwd' }, true],
    ] as const) {
      expect(() => chatMessages([message(Role.ROLE_USER, picture(source))], vision)).toThrow(
        expect.objectContaining({
          kind: 'unsupported',
          message: expect.stringContaining('messages[0].content[0]') as unknown,
        }),
      );
    }
  });
});

describe('translateRequest', () => {
  it('sends what was set and nothing else', () => {
    const { request: plain, leftOut } = translateRequest(
      request({ sampling: sampling({}) }),
      all,
      'llama-server',
    );
    expect(leftOut).toEqual([]);
    expect(plain.sampling).toEqual({});
    const full = translateRequest(
      request({
        sampling: sampling({
          temperature: 0,
          topK: -1,
          seed: 3n,
          maxOutputTokens: 5,
          stop: ['x'],
          logitBias: { '7': -100 },
        }),
        extensions: { repeat_penalty: '1.5', mirostat: '2' },
      }),
      all,
      'llama-server',
    ).request;
    expect(full.sampling).toEqual({
      temperature: 0,
      topK: 0,
      seed: 3n,
      maxTokens: 5,
      stop: ['x'],
      logitBias: new Map([[7, -100]]),
      repeatPenalty: 1.5,
    });
    expect(full.extra).toEqual({ mirostat: 2 });
  });

  it.each([
    [ToolChoice_Mode.MODE_AUTO, [], undefined, ['f', 'g']],
    [ToolChoice_Mode.MODE_NONE, [], 'none', ['f', 'g']],
    [ToolChoice_Mode.MODE_REQUIRED, [], 'required', ['f', 'g']],
    [ToolChoice_Mode.MODE_REQUIRED, ['g'], 'required', ['g']],
    [ToolChoice_Mode.MODE_TOOL, ['f'], { name: 'f' }, ['f', 'g']],
  ])('reads the tool choice %s %j', (mode, names, choice, offered) => {
    const { input } = translateRequest(
      request({ tools, toolChoice: { mode, names } }),
      all,
      'llama-server',
    ).request;
    if (input.kind !== 'chat') throw new Error('not a chat');
    expect(input.toolChoice).toEqual(choice);
    expect(input.tools.map(({ name }) => name)).toEqual(offered);
  });

  it.each([
    ['tools', { tools }, { tools: false }],
    ['n', { sampling: sampling({ candidates: 2 }) }, { candidates: false }],
    ['logprobs', { sampling: sampling({ topLogprobs: 0 }) }, { logprobs: false }],
    [
      'reasoning_effort',
      { reasoning: { effort: Reasoning_Effort.EFFORT_HIGH, budgetTokens: undefined } },
      { reasoning: false },
    ],
    ['suffix', { suffix: 'x' }, {}],
    ['mirostat', { extensions: { mirostat: '2' } }, {}],
    ['typical_p', { sampling: sampling({ typicalP: 0.5 }) }, {}],
  ] as const)('leaves %s out with a word, or refuses it when asked to', (field, fields, lacking) => {
    const translate = (more: object) =>
      translateRequest(request({ ...fields, ...more }), { ...all, ...lacking }, 'embedded');
    expect(translate({}).leftOut.map((item) => item.field)).toEqual([field]);
    expect(() => translate({ context: strict })).toThrow(
      expect.objectContaining({ reason: 'UNSUPPORTED_PARAMETER' }),
    );
  });

  it('does not complain about asking a model without reasoning not to reason', () => {
    const quiet = request({
      reasoning: { effort: Reasoning_Effort.EFFORT_NONE, budgetTokens: undefined },
      context: strict,
    });
    expect(
      translateRequest(quiet, { ...all, reasoning: false }, 'embedded').request.reasoning,
    ).toBeUndefined();
  });

  it.each([
    ['messages', { messages: [] }],
    ['prompt', { prompt: 'x' }],
    ['tool_choice', { tools, toolChoice: { mode: ToolChoice_Mode.MODE_TOOL, names: [] } }],
    ['logit_bias', { sampling: sampling({ logitBias: { ' 5': 1 } }) }],
    ['mirostat', { extensions: { mirostat: '{' } }],
  ])('refuses a wrong %s', (param, fields) => {
    expect(() => translateRequest(request(fields), all, 'llama-server')).toThrow(
      expect.objectContaining({
        kind: 'invalid_request',
        details: expect.objectContaining({ param }) as unknown,
      }),
    );
  });
});
