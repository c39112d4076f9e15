import type { z } from 'zod';
import { openaiAnswers } from './openai-answers.js';
import { operationAnswers } from './operation-answers.js';
import { restAnswers } from './rest-answers.js';

/** Everything that is answered as JSON. */
export const answers = {
  ...openaiAnswers,
  ...restAnswers,
  ...operationAnswers,
} as const satisfies Record<string, z.ZodType>;

/** Name of an answer. */
export type AnswerName = keyof typeof answers;
