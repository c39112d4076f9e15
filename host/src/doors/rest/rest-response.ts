import type { MediaPart } from '@outrigger/proto';
import type { FoldedAnswer, FoldedCandidate, FoldedPart } from '../../router/fold.js';
import type { Embedded } from '../../router/inference.js';
import { finishDetail, finishRow } from '../shared/finish-reason.js';
import { pluginText, warningJson } from '../shared/remarks.js';
import { restUsage } from '../shared/usage.js';
import { vectorNumbers } from '../shared/vectors.js';

/** A whole answer as the REST door shapes it. */
export function restAnswer(answer: FoldedAnswer, id: string): object {
  const { served, candidates, warnings } = answer;
  const [first] = candidates;
  const usage = restUsage(answer.usage);
  return {
    id,
    model: served.model,
    plugin: pluginText(served),
    ...(first === undefined ? {} : candidate(first)),
    ...(candidates.length > 1
      ? { candidates: candidates.map((one) => ({ index: one.index, ...candidate(one) })) }
      : {}),
    usage: usage ?? null,
    warnings: warnings.map(warningJson),
    ignored_params: served.ignoredParams,
  };
}

function candidate(one: FoldedCandidate): object {
  const detail = finishDetail(one.index, one.finish);
  return {
    text: one.text,
    message: { role: 'assistant', parts: one.parts.map(partJson) },
    finish_reason: finishRow(one.finish).word,
    ...(detail === undefined ? {} : { finish_detail: detail }),
    ...(one.logprobs.length === 0
      ? {}
      : { logprobs: one.logprobs.map(({ token, logprob }) => ({ token, logprob })) }),
  };
}

function partJson(part: FoldedPart): object {
  const signature = part.signature === undefined ? {} : { signature: part.signature.toString('base64') };
  switch (part.kind) {
    case 'toolCall': {
      const { id, name, argumentsJson } = part.call;
      return { type: 'tool_call', id, name, arguments: argumentsJson, ...signature };
    }
    case 'media':
      return { ...mediaJson(part.media), ...signature };
    default:
      return { type: part.kind, text: part.text, ...signature };
  }
}

/** A generated picture or sound. */
export function mediaJson(media: MediaPart): object {
  const { source, mimeType } = media;
  const made = { type: 'media', mime_type: mimeType };
  switch (source?.$case) {
    case 'data':
      return { ...made, data: source.value.toString('base64') };
    case 'url':
      return { ...made, url: source.value };
    case 'fileId':
      return { ...made, file_id: source.value };
    default:
      return made;
  }
}

/** Embeddings as the REST door shapes them. */
export function restEmbeddings({ served, response }: Embedded, base64: boolean): object {
  return {
    model: served.model,
    plugin: pluginText(served),
    embeddings: response.embeddings.map((one) => (base64 ? one.data.toString('base64') : vectorNumbers(one))),
    usage: restUsage(response.usage) ?? null,
    warnings: response.warnings.map(warningJson),
    ignored_params: served.ignoredParams,
  };
}
