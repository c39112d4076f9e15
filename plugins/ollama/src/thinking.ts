import { Reasoning_Effort, type GenerateRequest } from '@outrigger/proto';
import type { Unsupported } from './unsupported.js';

/** What is known of a model's reasoning; undefined is unknown. */
export interface ThinkingAbility {
  readonly thinks: boolean;
  /** The values of `think` that the model knows, where it says so. */
  readonly values: readonly unknown[] | undefined;
}

/** Values of `think` for each effort, the best first. */
const efforts: Readonly<Partial<Record<Reasoning_Effort, readonly string[]>>> = {
  [Reasoning_Effort.EFFORT_MINIMAL]: ['minimal', 'low'],
  [Reasoning_Effort.EFFORT_LOW]: ['low'],
  [Reasoning_Effort.EFFORT_MEDIUM]: ['medium'],
  [Reasoning_Effort.EFFORT_HIGH]: ['high'],
  [Reasoning_Effort.EFFORT_XHIGH]: ['xhigh', 'high'],
  [Reasoning_Effort.EFFORT_MAX]: ['max'],
};
/** Levels of models that do not say which they know. */
const usualLevels: readonly unknown[] = ['low', 'medium', 'high', 'max'];

/** JSON text of `think`; undefined leaves the choice to the model. */
export function thinkOf(
  { reasoning }: GenerateRequest,
  ability: ThinkingAbility | undefined,
  unsupported: Unsupported,
): string | undefined {
  if (reasoning === undefined) return undefined;
  if (reasoning.budgetTokens !== undefined) {
    unsupported.note('reasoning.budget_tokens', 'Ollama has no limit for reasoning alone');
  }
  if (reasoning.effort === Reasoning_Effort.EFFORT_NONE) return 'false';
  const wanted = efforts[reasoning.effort];
  if (wanted === undefined) return undefined;
  if (ability?.thinks === false) {
    unsupported.note('reasoning_effort', 'the model does not reason');
    return undefined;
  }
  const levels = ability?.values ?? usualLevels;
  const level = wanted.find((name) => levels.includes(name));
  if (level !== wanted[0]) {
    const instead = level === undefined ? 'reasons without levels' : `takes "${level}" instead`;
    unsupported.adjust('reasoning_effort', `the model does not know "${wanted[0] ?? ''}" and ${instead}`);
  }
  return level === undefined ? 'true' : JSON.stringify(level);
}
