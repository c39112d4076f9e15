import type { Server } from 'node:http';
import { performance } from 'node:perf_hooks';
import type { Logger } from '../../telemetry/logger.js';

const quietMs = 10_000;

/** Closes connections beyond `max` as they come; the log says so at most every ten seconds. */
export function boundConnections(server: Server, max: number, logger: Logger): void {
  server.maxConnections = max;
  let quietUntil = 0;
  server.on('drop', () => {
    const now = performance.now();
    if (now < quietUntil) return;
    quietUntil = now + quietMs;
    logger.warn({ maxConnections: max }, 'a connection was closed: as many as may be open are open');
  });
}
