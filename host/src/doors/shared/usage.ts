import type { Usage } from '@outrigger/proto';

/** Usage as OpenAI shapes it. Unknown numbers are left out, never zero; nothing known is undefined. */
export function openaiUsage(usage: Usage | undefined): Record<string, unknown> | undefined {
  if (usage === undefined) return undefined;
  const { inputTokens: input, outputTokens: output } = usage;
  if (input === undefined && output === undefined) return undefined;
  const made: Record<string, unknown> = {};
  if (input !== undefined) made['prompt_tokens'] = input;
  if (output !== undefined) made['completion_tokens'] = output;
  if (input !== undefined && output !== undefined) made['total_tokens'] = input + output;
  if (usage.cacheReadTokens !== undefined || usage.cacheWriteTokens !== undefined) {
    made['prompt_tokens_details'] = {
      ...(usage.cacheReadTokens === undefined ? {} : { cached_tokens: usage.cacheReadTokens }),
      ...(usage.cacheWriteTokens === undefined ? {} : { cache_write_tokens: usage.cacheWriteTokens }),
    };
  }
  if (usage.reasoningTokens !== undefined) {
    made['completion_tokens_details'] = { reasoning_tokens: usage.reasoningTokens };
  }
  if (usage.estimated) made['estimated'] = true;
  return made;
}

/** Usage as the REST door shapes it. Unknown numbers are left out, never zero. */
export function restUsage(usage: Usage | undefined): Record<string, unknown> | undefined {
  if (usage === undefined) return undefined;
  const { inputTokens: input, outputTokens: output, timings } = usage;
  const made: Record<string, unknown> = {};
  const set = (name: string, value: number | undefined): void => {
    if (value !== undefined) made[name] = value;
  };
  set('input_tokens', input);
  set('output_tokens', output);
  if (input !== undefined && output !== undefined) made['total_tokens'] = input + output;
  set('cache_read_tokens', usage.cacheReadTokens);
  set('cache_write_tokens', usage.cacheWriteTokens);
  set('reasoning_tokens', usage.reasoningTokens);
  if (usage.estimated) made['estimated'] = true;
  if (usage.partial) made['partial'] = true;
  if (timings !== undefined) {
    set('load_ms', timings.loadMs);
    set('queue_ms', timings.queueMs);
    set('prompt_ms', timings.promptMs);
    set('generation_ms', timings.generationMs);
  }
  return Object.keys(made).length === 0 ? undefined : made;
}
