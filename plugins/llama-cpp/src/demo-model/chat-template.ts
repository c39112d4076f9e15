/** How an assistant's message begins: with its reasoning, for the demo that reasons. */
const PLAIN_CONTENT = 'message.content';
const REASONED_CONTENT =
  "(('<think>' + message.reasoning_content + '</think>') if message.reasoning_content else '') + message.content";

/**
 * The chat template of the demo models: ChatML with a tools section in the Hermes style, which runtimes recognise.
 *
 * The generation prompt ends in a newline only when the model should call a tool: tools are offered and the last
 * message is not a tool's answer. A demo model knows nothing but the last token, so this is how it tells the two
 * situations apart, and why a loop of calls and answers comes to an end.
 */
export function demoChatTemplate(reasoning: boolean): string {
  const content = reasoning ? REASONED_CONTENT : PLAIN_CONTENT;
  return [
    '{%- if tools %}',
    "{{- '<|im_start|>system\\n# Tools\\n<tools>' }}",
    "{%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{%- endfor %}",
    "{{- '\\n</tools>\\nReply with <tool_call>\\n",
    '{"name": <function-name>, "arguments": <args-json-object>}\\n</tool_call><|im_end|>\\n\' }}',
    '{%- endif %}',
    '{%- for message in messages %}',
    "{%- if message.role == 'tool' %}",
    "{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}",
    "{%- elif message.role == 'assistant' and message.tool_calls %}",
    "{{- '<|im_start|>assistant' }}",
    "{%- if message.content %}{{- '\\n' + message.content }}{%- endif %}",
    '{%- for call in message.tool_calls %}',
    '{%- if call.function %}{%- set call = call.function %}{%- endif %}',
    '{{- \'\\n<tool_call>\\n{"name": "\' + call.name + \'", "arguments": \' + (call.arguments | tojson) + \'}\\n</tool_call>\' }}',
    '{%- endfor %}',
    "{{- '<|im_end|>\\n' }}",
    "{%- elif message.role == 'assistant' %}",
    `{{- '<|im_start|>assistant\\n' + ${content} + '<|im_end|>\\n' }}`,
    '{%- else %}',
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}",
    '{%- endif %}',
    '{%- endfor %}',
    '{%- if add_generation_prompt %}',
    "{{- '<|im_start|>assistant' }}",
    "{%- if tools and messages[-1].role != 'tool' %}{{- '\\n' }}{%- endif %}",
    '{%- endif %}',
  ].join('\n');
}
