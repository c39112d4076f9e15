import type { Socket } from 'node:net';
import type { Exchange } from './exchange.js';

/**
 * Requests that were sent before the answers to earlier ones of their connection. Until
 * its turn comes, node tells an answer nothing of its connection, not even its end.
 */
export class PipelinedExchanges {
  private readonly all = new WeakMap<Socket, Set<Exchange>>();

  add(exchange: Exchange): void {
    const { socket } = exchange.request;
    let waiting = this.all.get(socket);
    if (waiting === undefined) {
      const made = (waiting = new Set());
      this.all.set(socket, made);
      socket.once('close', () => {
        for (const one of [...made]) one.close();
      });
    }
    waiting.add(exchange);
    // Nobody would tell it any more.
    if (socket.destroyed) exchange.close();
  }

  delete(exchange: Exchange): void {
    this.all.get(exchange.request.socket)?.delete(exchange);
  }

  /** Requests of the connection that wait for their turn, or did. */
  count(exchange: Exchange): number {
    return this.all.get(exchange.request.socket)?.size ?? 0;
  }
}
