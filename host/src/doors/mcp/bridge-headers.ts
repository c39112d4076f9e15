import type { BridgeMessage } from './bridge-session.js';

const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';

/** The revision that a message of the current kind claims; undefined for those with sessions. */
export function versionOf(message: BridgeMessage): string | undefined {
  const meta = message.params?._meta as Record<string, unknown> | undefined;
  const version = meta?.[VERSION_KEY];
  return typeof version === 'string' ? version : undefined;
}

/** The headers that repeat a message of the current kind for routers on the way. */
export function requestHeaders(message: BridgeMessage): Record<string, string> {
  const version = versionOf(message);
  if (version === undefined) return {};
  const { method, params } = message;
  const name = method === 'resources/read' ? params?.uri : params?.name;
  const named = ['tools/call', 'prompts/get', 'resources/read'].includes(method ?? '');
  return {
    'mcp-protocol-version': headerValue(version),
    ...(method === undefined ? {} : { 'mcp-method': headerValue(method) }),
    ...(named && typeof name === 'string' ? { 'mcp-name': headerValue(name) } : {}),
  };
}

/** Header values are ASCII; anything else travels as the specification wants it. */
function headerValue(text: string): string {
  if (/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith('=?')) return text;
  return `=?base64?${Buffer.from(text).toString('base64')}?=`;
}
