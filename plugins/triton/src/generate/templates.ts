import { Template } from '@huggingface/jinja';
import type { ModelSettings, TemplateSettings, TritonConfig } from '../config.js';
import type { ModelDescription } from '../catalog/description.js';

/** A chat template, ready to render. */
export interface ChatTemplate {
  readonly template: Template;
  /** What ends a turn; the model may or may not know. */
  readonly stop: readonly string[];
  readonly bosToken: string;
  readonly eosToken: string;
}

// The backends put the beginning-of-sequence token themselves, so no template here does.
const chatml = `{%- for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`;

const llama3 = `{%- for message in messages %}<|start_header_id|>{{ 'ipython' if message.role == 'tool' else message.role }}<|end_header_id|>

{{ message.content | trim }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>

{% endif %}`;

// Mistral has no system role: instructions stand before the next thing that the user says.
const mistral = `{%- set ns = namespace(system='') %}{% for message in messages %}{% if message.role == 'system' %}{% set ns.system = ns.system + message.content + '\\n\\n' %}{% elif message.role == 'assistant' %} {{ message.content }}</s>{% else %}[INST] {{ ns.system }}{{ message.content }} [/INST]{% set ns.system = '' %}{% endif %}{% endfor %}{% if ns.system %}[INST] {{ ns.system | trim }} [/INST]{% endif %}`;

const plain = `{%- for message in messages %}{{ {'system': 'System', 'user': 'User', 'assistant': 'Assistant', 'tool': 'Tool'}[message.role] }}: {{ message.content }}

{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}`;

const builtIn = {
  chatml: { jinja: chatml, stop: ['<|im_end|>'] },
  llama3: { jinja: llama3, stop: ['<|eot_id|>', '<|eom_id|>'] },
  mistral: { jinja: mistral, stop: ['</s>'] },
  plain: { jinja: plain, stop: ['\nUser:', '\nSystem:', '\nTool:'] },
} as const satisfies Record<Extract<TemplateSettings, string>, { jinja: string; stop: readonly string[] }>;

type BuiltInName = keyof typeof builtIn;

// Parsing costs more than rendering; a configuration has few templates.
const compiled = new WeakMap<object, ChatTemplate>();
const byName = new Map<BuiltInName, ChatTemplate>();

function compile(settings: TemplateSettings): ChatTemplate {
  if (typeof settings === 'string') {
    let template = byName.get(settings);
    if (template === undefined) {
      const { jinja, stop } = builtIn[settings];
      template = { template: new Template(jinja), stop, bosToken: '', eosToken: '' };
      byName.set(settings, template);
    }
    return template;
  }
  let template = compiled.get(settings);
  if (template === undefined) {
    const { jinja, stop, bosToken, eosToken } = settings;
    template = { template: new Template(jinja), stop, bosToken, eosToken };
    compiled.set(settings, template);
  }
  return template;
}

/** The name that the model's own configuration may give in its parameter `chat_template`. */
function ownName(description: ModelDescription | undefined): BuiltInName | undefined {
  const name = description?.parameters['chat_template'];
  return name !== undefined && Object.hasOwn(builtIn, name) ? (name as BuiltInName) : undefined;
}

function chosen(
  settings: ModelSettings,
  description: ModelDescription | undefined,
  config: TritonConfig,
): TemplateSettings {
  return settings.template ?? ownName(description) ?? config.template;
}

/** The template of a model: from its settings, its own configuration, or the plugin's default. */
export function templateOf(
  settings: ModelSettings,
  description: ModelDescription,
  config: TritonConfig,
): ChatTemplate {
  return compile(chosen(settings, description, config));
}

/** Its name; "custom" for one from the configuration. */
export function templateNameOf(
  settings: ModelSettings,
  description: ModelDescription | undefined,
  config: TritonConfig,
): string {
  const template = chosen(settings, description, config);
  return typeof template === 'string' ? template : 'custom';
}
