/** An answer of the endpoint itself: a JSON-RPC error, never HTML and never a stack. */
export function rpcError(status: number, code: number, message: string, data?: unknown): Response {
  return Response.json(
    { jsonrpc: '2.0', error: { code, message, ...(data === undefined ? {} : { data }) }, id: null },
    { status },
  );
}

/** A refusal on the way in; becomes `rpcError`. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: number,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.name = 'Refusal';
  }

  toResponse(): Response {
    const response = rpcError(this.status, this.code, this.message);
    for (const [name, value] of Object.entries(this.headers)) response.headers.set(name, value);
    return response;
  }
}
