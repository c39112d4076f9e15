import type { TokenLogprob } from '@outrigger/proto';

/** JSON has no infinity; OpenAI writes an impossible token so. */
const impossible = -9999;

interface ChatLogprob {
  token: string;
  logprob: number;
  bytes: number[];
}

/** The `logprobs` of a chat choice; null when there are none. */
export function chatLogprobs(content: readonly TokenLogprob[], refusal: readonly TokenLogprob[] = []) {
  if (content.length === 0 && refusal.length === 0) return null;
  return {
    content: content.length === 0 ? null : content.map(chatLogprob),
    refusal: refusal.length === 0 ? null : refusal.map(chatLogprob),
  };
}

function chatLogprob(one: TokenLogprob): ChatLogprob & { top_logprobs: ChatLogprob[] } {
  return { ...plain(one), top_logprobs: one.top.map(plain) };
}

function plain(one: TokenLogprob): ChatLogprob {
  const bytes = one.bytes.length > 0 ? one.bytes : Buffer.from(one.token);
  return { token: one.token, logprob: finite(one.logprob), bytes: [...bytes] };
}

/** The `logprobs` of a completion choice; null when there are none. `offset` is where the text begins. */
export function completionLogprobs(tokens: readonly TokenLogprob[], offset: number) {
  if (tokens.length === 0) return null;
  let at = offset;
  const offsets = tokens.map((one) => {
    const here = at;
    at += one.token.length;
    return here;
  });
  return {
    tokens: tokens.map((one) => one.token),
    token_logprobs: tokens.map((one) => finite(one.logprob)),
    top_logprobs: tokens.map((one) =>
      Object.fromEntries(one.top.map((top) => [top.token, finite(top.logprob)])),
    ),
    text_offset: offsets,
  };
}

function finite(logprob: number): number {
  return Number.isFinite(logprob) ? logprob : impossible;
}
