import { describe, expect, it } from '@jest/globals';
import { Message, Role } from '@outrigger/proto';
import { configSchema, noSettings, type TemplateSettings } from '../config.js';
import type { ModelDescription } from '../catalog/description.js';
import { promptOf } from './prompt.js';
import { templateOf } from './templates.js';

const say = (role: Role, text: string, more: object = {}) =>
  Message.fromPartial({ role, parts: [{ kind: { $case: 'text', value: { text } } }], ...more });
const { ROLE_ASSISTANT, ROLE_SYSTEM, ROLE_USER } = Role;
const talk = [
  say(ROLE_SYSTEM, 'Be brief.'),
  say(ROLE_USER, 'Hi'),
  say(ROLE_ASSISTANT, 'Hello'),
  say(ROLE_USER, 'Bye'),
];

function rendered(template: unknown, messages: readonly Message[]): string {
  const config = configSchema.parse({ template });
  const description = { parameters: {} } as unknown as ModelDescription;
  return promptOf(messages, templateOf(noSettings, description, config));
}

describe('built-in templates', () => {
  const expected: Record<Extract<TemplateSettings, string>, string> = {
    chatml:
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n',
    llama3:
      '<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n',
    mistral: '[INST] Be brief.\n\nHi [/INST] Hello</s>[INST] Bye [/INST]',
    plain: 'System: Be brief.\n\nUser: Hi\n\nAssistant: Hello\n\nUser: Bye\n\nAssistant:',
  };
  it.each(Object.entries(expected))('%s', (name, prompt) => {
    expect(rendered(name, talk)).toBe(prompt);
  });

  it.each(Object.keys(expected))('%s continues an assistant message', (name) => {
    const prompt = rendered(name, [
      say(ROLE_USER, 'Count'),
      say(ROLE_ASSISTANT, 'One, two,', { prefill: true }),
    ]);
    expect(prompt.endsWith('One, two,')).toBe(true);
    expect(prompt).toContain('Count');
  });
});

describe('templates of the configuration', () => {
  it('are Jinja', () => {
    const jinja =
      '{{ bos_token }}{% for m in messages %}[{{ m.role }}|{{ m.content }}]{% endfor %}{% if add_generation_prompt %}>{% endif %}';
    expect(rendered({ jinja, bosToken: '<s>' }, [say(ROLE_USER, 'Hi')])).toBe('<s>[user|Hi]>');
  });

  it('may refuse a conversation', () => {
    const jinja = "{{ raise_exception('roles must alternate') }}";
    expect(() => rendered({ jinja }, [say(ROLE_USER, 'Hi')])).toThrow(/roles must alternate/);
  });

  it('are checked before they are used', () => {
    const result = configSchema.safeParse({ models: { m: { template: { jinja: '{% for %}' } } } });
    expect(result.success).toBe(false);
  });
});

it('wants a message', () => {
  expect(() => rendered('plain', [])).toThrow(/messages/);
});
