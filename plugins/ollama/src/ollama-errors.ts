import { PluginError, type PluginErrorDetails } from '@outrigger/sdk-plugin';
import type { ErrorReason } from '@outrigger/proto';

/** Longest error text that is passed on, in characters. */
const longestText = 500;

/** What Ollama says went wrong. */
export interface Failure {
  /** The status of the answer, or the one that the engine behind Ollama gave. */
  readonly status: number;
  readonly text: string;
  /** Tokens of the prompt and of the context, where they are told. */
  readonly promptTokens?: number;
  readonly contextLength?: number;
}

/**
 * Reads an error body. Ollama wraps the error object of the engine as text into
 * its own: `{"error":"{\"error\":{\"code\":400,\"message\":…}}"}`.
 */
export function readFailure(status: number, body: string): Failure {
  let failure: Failure = { status, text: body };
  let value: unknown = parsed(body);
  for (let depth = 0; depth < 3 && isRecord(value); depth += 1) {
    const error: unknown = 'error' in value ? value['error'] : value;
    if (isRecord(error)) {
      const { code, message, n_prompt_tokens: promptTokens, n_ctx: contextLength } = error;
      failure = {
        status: typeof code === 'number' && code >= 400 && code < 600 ? code : failure.status,
        text: typeof message === 'string' ? message : JSON.stringify(error),
        ...(typeof promptTokens === 'number' && { promptTokens }),
        ...(typeof contextLength === 'number' && { contextLength }),
      };
      break;
    }
    if (typeof error !== 'string') break;
    failure = { ...failure, text: error };
    value = parsed(error);
  }
  return { ...failure, text: presentable(failure.text) };
}

/** Words that tell more than the status does, the first that fits. */
const words: readonly (readonly [RegExp, ErrorReason])[] = [
  [
    /exceed.{0,40}context|context (length|size|window)|longer than the context|input length exceeds/i,
    'CONTEXT_LENGTH_EXCEEDED',
  ],
  [
    /requires more system memory|out of memory|insufficient memory|cudamalloc|failed to allocate/i,
    'OUT_OF_MEMORY',
  ],
  [
    /image input is not supported|audio input is not supported|missing data required for image/i,
    'UNSUPPORTED_PARAMETER',
  ],
  [/does not support (chat|generate|embeddings)/i, 'UNSUPPORTED_OPERATION'],
  [/does not support|no longer supported/i, 'UNSUPPORTED_PARAMETER'],
  [/option ".*" must be of type|invalid option|invalid model name/i, 'INVALID_REQUEST'],
  [
    /unable to load model|error loading model|failed to load model|runner process has terminated/i,
    'MODEL_BROKEN',
  ],
  [/digest mismatch/i, 'CHECKSUM_MISMATCH'],
  [/manifest: file does not exist|try pulling it first|model .* not found/i, 'MODEL_NOT_FOUND'],
  [
    /no such host|connection refused|i\/o timeout|network is unreachable|tls: |dial tcp/i,
    'UPSTREAM_UNAVAILABLE',
  ],
  [/maximum pending requests exceeded|server busy/i, 'QUEUE_FULL'],
];

const statuses: Readonly<Record<number, ErrorReason>> = {
  400: 'INVALID_REQUEST',
  401: 'UPSTREAM_UNAUTHENTICATED',
  403: 'UPSTREAM_PERMISSION_DENIED',
  404: 'MODEL_NOT_FOUND',
  408: 'UPSTREAM_TIMEOUT',
  413: 'MESSAGE_TOO_LARGE',
  422: 'INVALID_REQUEST',
  429: 'RATE_LIMITED',
  // The request was cancelled while it waited, and not by us: the model is going away.
  499: 'UPSTREAM_UNAVAILABLE',
  501: 'UNSUPPORTED_OPERATION',
  502: 'UPSTREAM_UNAVAILABLE',
  503: 'QUEUE_FULL',
  504: 'UPSTREAM_TIMEOUT',
};

/** Reasons of the table of words that another status than these speaks against. */
const trustWords = (status: number): boolean => ![401, 403, 429].includes(status);

/** The error for a failed request; `retryAfter` is the header of that name. */
export function upstreamError(status: number, body: string, retryAfter?: string): PluginError {
  const failure = readFailure(status, body);
  const byWords = trustWords(status) ? words.find(([pattern]) => pattern.test(failure.text))?.[1] : undefined;
  const reason = byWords ?? statuses[failure.status] ?? 'UPSTREAM_ERROR';
  const seconds = Number(retryAfter);
  const metadata: Record<string, string> = { status: String(status) };
  if (failure.promptTokens !== undefined) metadata['prompt_tokens'] = String(failure.promptTokens);
  if (failure.contextLength !== undefined) metadata['context_length'] = String(failure.contextLength);
  const details: PluginErrorDetails = {
    metadata,
    ...(retryAfter !== undefined &&
      Number.isFinite(seconds) &&
      seconds >= 0 && { retryAfterMs: seconds * 1000 }),
    ...(retryAfter === undefined && reason === 'QUEUE_FULL' && { retryAfterMs: 1000 }),
  };
  return new PluginError(reason, sentence(reason, failure), details);
}

function sentence(reason: ErrorReason, { text, status }: Failure): string {
  const said = text === '' ? `status ${status} without a message` : text;
  switch (reason) {
    case 'CONTEXT_LENGTH_EXCEEDED':
      return `${said}; shorten the prompt or give the model more context with num_ctx`;
    case 'UPSTREAM_UNAUTHENTICATED':
      return `Ollama refused the credential (${said}); set apiKey, or sign in with \`ollama signin\``;
    case 'UNSUPPORTED_OPERATION':
      return `the model cannot do this in Ollama: ${said}`;
    default:
      return `Ollama: ${said}`;
  }
}

/** Codes of errors that mean: nobody listens there. */
const unreachable = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
]);

function codeOf(error: unknown): string | undefined {
  // By shape and not by class: errors of Node's own may come from another realm.
  if (typeof error !== 'object' || error === null) return undefined;
  if ('code' in error && typeof error.code === 'string') return error.code;
  if ('errors' in error && Array.isArray(error.errors)) return codeOf(error.errors[0]);
  return 'cause' in error ? codeOf(error.cause) : undefined;
}

/** Marks the error of an Ollama that does not run. */
export const notRunning = 'not_running';

/** The error for a connection that failed. `begun` says that an answer had begun. */
export function connectionError(error: unknown, baseUrl: string, begun: boolean): PluginError {
  const code = codeOf(error);
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    const what = code === 'UND_ERR_HEADERS_TIMEOUT' ? 'did not begin to answer' : 'stopped sending';
    return new PluginError('UPSTREAM_TIMEOUT', `Ollama ${what} in time`, { cause: error });
  }
  if (begun) {
    return new PluginError('TRUNCATED', 'the connection to Ollama broke in the middle of the answer', {
      cause: error,
    });
  }
  if (code !== undefined && unreachable.has(code)) {
    return new PluginError(
      'UPSTREAM_UNAVAILABLE',
      `is Ollama running at ${baseUrl}? Nobody answers there (${code}); start it with \`ollama serve\``,
      { cause: error, retryAfterMs: 1000, metadata: { cause: notRunning } },
    );
  }
  return new PluginError(
    'UPSTREAM_UNAVAILABLE',
    `the connection to Ollama at ${baseUrl} broke before an answer came${code === undefined ? '' : ` (${code})`}`,
    { cause: error, retryAfterMs: 1000 },
  );
}

/** Whether an error says that no Ollama runs at the address. */
export function saysNotRunning(error: unknown): boolean {
  return error instanceof PluginError && error.details.metadata?.['cause'] === notRunning;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One line without markup and without paths of the machine that Ollama runs on. */
function presentable(text: string): string {
  const plain = /^\s*</.test(text) ? 'the answer is a web page; is that address Ollama?' : text;
  const line = plain
    .replace(/(?<![\w:/.])(?:[A-Za-z]:)?(?:[/\\][\w.@+-]+){2,}/g, '…')
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > longestText ? `${line.slice(0, longestText)}…` : line;
}
