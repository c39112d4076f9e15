import type { FoldedAnswer } from '../../router/fold.js';
import { finishDetail, finishRow } from '../shared/finish-reason.js';
import { remarks } from '../shared/remarks.js';
import { openaiUsage } from '../shared/usage.js';
import { answerId, created } from './answer-id.js';
import { completionLogprobs } from './logprobs.js';

/** A whole answer as OpenAI's text_completion. `echo` is the prompt where it is to be repeated, else empty. */
export function completionResponse(answer: FoldedAnswer, echo: string): object {
  const usage = openaiUsage(answer.usage);
  const said = remarks(
    answer.served,
    answer.warnings,
    answer.candidates.map((one) => finishDetail(one.index, one.finish)),
  );
  const fingerprint = answer.head?.systemFingerprint ?? '';
  return {
    id: answerId('cmpl'),
    object: 'text_completion',
    created: created(),
    model: answer.served.model,
    choices: answer.candidates.map((one) => ({
      index: one.index,
      text: echo + one.text + one.refusal,
      logprobs: completionLogprobs(one.logprobs, echo.length),
      finish_reason: finishRow(one.finish).word,
    })),
    ...(usage === undefined ? {} : { usage }),
    ...(fingerprint === '' ? {} : { system_fingerprint: fingerprint }),
    ...(said === undefined ? {} : { outrigger: said }),
  };
}
