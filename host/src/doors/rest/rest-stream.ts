import type { Delta, Finish, GenerateEvent, Usage } from '@outrigger/proto';
import type { GatewayError } from '../../errors/gateway-error.js';
import type { CallWarning } from '../../router/inference.js';
import { AnswerStream } from '../shared/answer-stream.js';
import { finishDetail, finishRow } from '../shared/finish-reason.js';
import { pluginText, warningJson } from '../shared/remarks.js';
import { restUsage } from '../shared/usage.js';
import { problem } from './problem.js';
import { mediaJson } from './rest-response.js';
import { sseEvent } from './sse-event.js';

/**
 * An answer as named events: any number of `delta`, then `finish` per candidate, `usage` when
 * known and `done`; or `error` and nothing more.
 */
export class RestStream extends AnswerStream {
  private readonly finishes = new Map<number, Finish | undefined>();
  private readonly warnings: CallWarning[] = [];
  private usage: Usage | undefined;

  protected render(events: readonly GenerateEvent[]): string {
    let out = '';
    for (const { event } of events) {
      switch (event?.$case) {
        case 'delta':
          if (!this.finishes.has(event.value.candidate)) this.finishes.set(event.value.candidate, undefined);
          out += deltaEvent(event.value);
          break;
        case 'finish':
          if (this.finishes.get(event.value.candidate) === undefined) {
            this.finishes.set(event.value.candidate, event.value);
          }
          break;
        case 'usage':
          this.usage = event.value;
          break;
        case 'warning':
          if (this.warnings.length < 100) this.warnings.push(event.value);
          break;
        default:
      }
    }
    return out;
  }

  protected renderEnd(): string {
    let out = '';
    if (this.finishes.size === 0) this.finishes.set(0, undefined);
    for (const [candidate, finish] of this.finishes) {
      const detail = finishDetail(candidate, finish);
      const end = { candidate, finish_reason: finishRow(finish).word };
      out += sseEvent('finish', detail === undefined ? end : { ...end, finish_detail: detail });
    }
    const usage = restUsage(this.usage);
    if (usage !== undefined) out += sseEvent('usage', usage);
    const { served } = this.generation;
    return (
      out +
      sseEvent('done', {
        id: this.exchange.requestId,
        model: served.model,
        plugin: pluginText(served),
        warnings: this.warnings.map(warningJson),
        ignored_params: served.ignoredParams,
      })
    );
  }

  protected renderError(error: GatewayError): string {
    return sseEvent('error', problem(error, this.exchange.requestId));
  }
}

function deltaEvent(delta: Delta): string {
  const { kind, candidate, part, logprobs } = delta;
  const shown =
    logprobs.length === 0 ? {} : { logprobs: logprobs.map(({ token, logprob }) => ({ token, logprob })) };
  const send = (fields: object): string => sseEvent('delta', { candidate, part, ...fields, ...shown });
  switch (kind?.$case) {
    case 'text':
    case 'reasoning':
    case 'refusal':
      return kind.value === '' && logprobs.length === 0 ? '' : send({ type: kind.$case, text: kind.value });
    case 'toolCall': {
      const { id, name, argumentsJson } = kind.value;
      return send({ type: 'tool_call', id, name, arguments: argumentsJson });
    }
    case 'toolArguments':
      return send({ type: 'tool_arguments', arguments: kind.value });
    case 'signature':
      return send({ type: 'signature', signature: kind.value.toString('base64') });
    case 'media':
      return send(mediaJson(kind.value));
    default:
      return '';
  }
}
