import type { FoldedAnswer, FoldedCandidate } from '../../router/fold.js';
import { finishDetail, finishRow } from '../shared/finish-reason.js';
import { remarks } from '../shared/remarks.js';
import { openaiUsage } from '../shared/usage.js';
import { answerId, created } from './answer-id.js';
import { chatLogprobs } from './logprobs.js';
import { mediaUrl } from './media-url.js';

/** A whole answer as OpenAI's chat.completion. */
export function chatResponse(answer: FoldedAnswer): object {
  const usage = openaiUsage(answer.usage);
  const said = remarks(
    answer.served,
    answer.warnings,
    answer.candidates.map((one) => finishDetail(one.index, one.finish)),
  );
  const fingerprint = answer.head?.systemFingerprint ?? '';
  return {
    id: answerId('chatcmpl'),
    object: 'chat.completion',
    created: created(),
    model: answer.served.model,
    choices: answer.candidates.map(choice),
    ...(usage === undefined ? {} : { usage }),
    ...(fingerprint === '' ? {} : { system_fingerprint: fingerprint }),
    ...(said === undefined ? {} : { outrigger: said }),
  };
}

function choice(candidate: FoldedCandidate): object {
  return {
    index: candidate.index,
    message: message(candidate),
    logprobs: chatLogprobs(candidate.logprobs, candidate.refusalLogprobs),
    finish_reason: finishRow(candidate.finish).word,
  };
}

function message(candidate: FoldedCandidate): object {
  const { text, reasoning, refusal, toolCalls } = candidate;
  const made: Record<string, unknown> = {
    role: 'assistant',
    content: text === '' && (toolCalls.length > 0 || refusal !== '') ? null : text,
    refusal: refusal === '' ? null : refusal,
  };
  if (reasoning !== '') made['reasoning_content'] = reasoning;
  if (toolCalls.length > 0) {
    made['tool_calls'] = toolCalls.map((call) => ({
      id: call.id,
      type: 'function',
      function: { name: call.name, arguments: call.argumentsJson },
    }));
  }
  const images = candidate.parts.flatMap((part) =>
    part.kind === 'media' ? [{ type: 'image_url', image_url: { url: mediaUrl(part.media) } }] : [],
  );
  if (images.length > 0) made['images'] = images;
  return made;
}
