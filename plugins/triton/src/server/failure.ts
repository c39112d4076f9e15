import { grpcCode, type ErrorReason } from '@outrigger/proto';
import { ServerError } from './connection.js';

/** What an error of a server means. `absent`: the model cannot be used, the index knows why. */
export interface Failure {
  readonly reason: ErrorReason | 'absent';
  readonly message: string;
  readonly retryAfterMs?: number;
}

/** Characters of an error that are read at all, and that are passed on. */
const readable = 16_384;
const longest = 400;

/**
 * The sentence of an error without what is nobody's business: tracebacks and the
 * paths of files on the server. Empty when nothing is left.
 */
export function scrub(text: string): string {
  let sentence = text.slice(0, readable);
  const traceback = sentence.indexOf('Traceback (most recent call last)');
  if (traceback >= 0) {
    // The last line that is not indented says what was raised.
    const lines = sentence.slice(traceback).trimEnd().split('\n');
    const raised =
      lines
        .filter((line) => /^\S/.test(line))
        .slice(1)
        .at(-1) ?? '';
    sentence = `${sentence.slice(0, traceback)} ${raised}`;
  }
  return sentence
    .replace(/\n[ \t]*At:[ \t]*\n(?:[ \t][^\n]*(?:\n|$))*/g, ' ')
    .replace(/<frozen [^>]*>\(\d+\): \w+/g, '')
    .replace(
      /(?:File )?"?(?<![\w:/.])\/(?:[\w.@+~-]+\/)+[\w.@+~-]*"?(?:, line \d+(?:, in \S+)?|\(\d+\)(?:: \w+)?)?/g,
      '<path>',
    )
    .replace(/\s+/g, ' ')
    .replace(/[\s;]+$/, '')
    .trim()
    .slice(0, longest);
}

type Rule = readonly [
  pattern: RegExp,
  reason: Failure['reason'],
  message?: string | undefined,
  retryAfterMs?: number,
];

// What servers say in words only. The first that fits counts, whatever the code.
const sayings: readonly Rule[] = [
  [
    /protocol is restricted/i,
    'UPSTREAM_PERMISSION_DENIED',
    'the server restricts this request to holders of a key; give its header in the metadata of the endpoint',
  ],
  [
    /stub process .*(not healthy|unhealthy)|failed to (restart|launch) .*stub/i,
    'MODEL_BROKEN',
    "the model's process has died; load the model again",
  ],
  [
    /(load|unload).*not allowed|(load|unload) .*is not (allowed|supported)/i,
    'UNSUPPORTED_OPERATION',
    'the server does not let models be loaded and unloaded; start Triton with --model-control-mode=explicit',
  ],
  [/exceeds? max(imum)? queue/i, 'QUEUE_FULL', undefined, 1_000],
  [/request timeout expired/i, 'UPSTREAM_TIMEOUT'],
  [/out of memory|outofmemory|bad_alloc|cannot allocate memory|cudaerrormemoryallocation/i, 'OUT_OF_MEMORY'],
  [
    /(maximum|max) (context|model|sequence|input|prompt)[ _]?len|(prompt|input|sequence)[^.]{0,40}(too long|exceeds?[^.]{0,40}(length|limit|maximum|max))|context (length|window)[^.]{0,40}exceed/i,
    'CONTEXT_LENGTH_EXCEEDED',
  ],
  [/(received|sent) message larger than max/i, 'MESSAGE_TOO_LARGE'],
  [/RST_STREAM/, 'UPSTREAM_UNAVAILABLE', 'the connection to the server broke', 500],
];

// Checks of a request that Triton reports inside a stream, without a code.
const absences = /unknown model|no version is available|is not found|not found in|has no available versions/i;

const byCode: Readonly<Partial<Record<number, Failure['reason']>>> = {
  [grpcCode.INVALID_ARGUMENT]: 'INVALID_REQUEST',
  [grpcCode.DATA_LOSS]: 'TRUNCATED',
  [grpcCode.DEADLINE_EXCEEDED]: 'UPSTREAM_TIMEOUT',
  [grpcCode.NOT_FOUND]: 'absent',
  [grpcCode.PERMISSION_DENIED]: 'UPSTREAM_PERMISSION_DENIED',
  [grpcCode.UNAUTHENTICATED]: 'UPSTREAM_UNAUTHENTICATED',
  [grpcCode.RESOURCE_EXHAUSTED]: 'QUEUE_FULL',
  [grpcCode.UNIMPLEMENTED]: 'UNSUPPORTED_OPERATION',
  [grpcCode.UNAVAILABLE]: 'UPSTREAM_UNAVAILABLE',
};

/** What is said when a server's own words have nothing left to say. */
const fallback = 'the server failed without saying why';

/** What an error means, by what is said first and by its code second. */
export function failureOf(error: ServerError): Failure {
  const said = error.message.slice(0, readable);
  const message = scrub(said) || fallback;
  for (const [pattern, reason, words, retryAfterMs] of sayings) {
    if (!pattern.test(said)) continue;
    return { reason, message: words ?? message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }
  if (error.code === grpcCode.OK) {
    if (error.fromModel) return { reason: 'UPSTREAM_ERROR', message };
    return { reason: absences.test(said) ? 'absent' : 'INVALID_REQUEST', message };
  }
  const reason = byCode[error.code] ?? 'UPSTREAM_ERROR';
  if (reason === 'UPSTREAM_UNAVAILABLE' && !error.fromModel)
    return { reason, message: connectionWords(message), retryAfterMs: 500 };
  if (reason === 'QUEUE_FULL') return { reason, message, retryAfterMs: 1_000 };
  return { reason, message };
}

/** grpc-js names addresses and system calls; what matters is that nobody answers. */
function connectionWords(message: string): string {
  if (
    /ECONNREFUSED|ENOENT|No connection established|ECONNRESET|Connection dropped|socket hang up|Name resolution/i.test(
      message,
    )
  ) {
    return 'the server cannot be reached';
  }
  return message;
}
