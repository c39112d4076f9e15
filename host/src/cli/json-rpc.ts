/** A JSON-RPC message as far as a bridge has to know it. */
export interface RpcMessage {
  readonly jsonrpc?: unknown;
  readonly id?: string | number | null;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: unknown;
  readonly error?: unknown;
}

/** Codes of the JSON-RPC standard. */
export const rpcCodes = { parseError: -32700, invalidRequest: -32600, internalError: -32603 } as const;

/** An error answer. */
export function rpcError(id: string | number | null, code: number, message: string): object {
  return { jsonrpc: '2.0', id, error: { code, message } };
}

/** Whether a message asks for an answer. */
export function isRequest(
  message: RpcMessage,
): message is RpcMessage & { id: string | number; method: string } {
  return (
    typeof message.method === 'string' && (typeof message.id === 'string' || typeof message.id === 'number')
  );
}

/** The messages in a text: one, or those of an array. Undefined when it is no JSON or no message. */
export function parseMessages(text: string): RpcMessage[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const list = Array.isArray(value) ? value : [value];
  return list.every((item) => typeof item === 'object' && item !== null && !Array.isArray(item))
    ? (list as RpcMessage[])
    : undefined;
}
