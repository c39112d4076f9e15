import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError } from '../../errors/gateway-error.js';
import type { Logger } from '../../telemetry/logger.js';
import { openaiError } from '../openai/openai-error.js';
import type { ActiveExchanges } from './active-exchanges.js';
import { newRequestId } from './request-id.js';

interface Answer {
  readonly status: number;
  readonly message: string;
}

const answers: Readonly<Record<string, Answer>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, message: 'the request did not arrive in time' },
  HPE_HEADER_OVERFLOW: { status: 431, message: 'the headers of the request are too large' },
};

/** Answers what is not even HTTP, with JSON and never with HTML. */
export function answerBrokenRequest(
  error: NodeJS.ErrnoException,
  socket: Socket,
  active: ActiveExchanges,
  logger: Logger,
): void {
  if (error.code === 'ECONNRESET' || !socket.writable || isAnswering(socket, active)) {
    socket.destroy();
    return;
  }
  const { status, message } = answers[error.code ?? ''] ?? {
    status: 400,
    message: 'the request is not valid HTTP',
  };
  const requestId = newRequestId();
  logger.debug({ requestId, code: error.code }, message);
  const body = JSON.stringify(openaiError(new GatewayError('invalid_request', message)));
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `x-request-id: ${requestId}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

/** A second answer would land in the middle of the first. */
function isAnswering(socket: Socket, active: ActiveExchanges): boolean {
  for (const exchange of active) {
    if (exchange.request.socket === socket && exchange.response.headersSent) return true;
  }
  return false;
}
