import type { Exchange } from './http/exchange.js';
import type { Route } from './http/route.js';
import type { InfoPort, ReadinessPort } from './ports.js';

/**
 * `/livez`: the process answers. `/readyz` and `/healthz`: it can serve; 503 while it starts
 * or stops. `?verbose` tells each check.
 */
export function healthRoutes(
  readiness: ReadinessPort,
  isDraining: () => boolean,
  info: InfoPort,
  version: string,
): Route[] {
  const ready: Route['handle'] = (exchange, _body, _params, query) => {
    const checks = [
      { name: 'accepting', ok: !isDraining(), ...(isDraining() ? { detail: 'the host is stopping' } : {}) },
      ...readiness.checks(),
    ];
    const ok = checks.every((check) => check.ok);
    const status = ok ? 'ok' : 'unavailable';
    const more = query.has('verbose')
      ? { version, uptime_ms: Math.round(info.uptimeMs()), checks }
      : { failing: checks.filter((check) => !check.ok).map((check) => check.name) };
    exchange.sendJson(ok ? 200 : 503, { status, ...more });
  };
  const live = (exchange: Exchange): void => exchange.sendJson(200, { status: 'ok' });
  const route = (path: string, handle: Route['handle']): Route => ({
    door: 'rest',
    method: 'GET',
    path,
    open: true,
    hot: true,
    handle,
  });
  return [route('/livez', live), route('/readyz', ready), route('/healthz', ready)];
}
