import type { Route } from './http/route.js';

/** Metrics as text. */
export interface MetricsPort {
  /** In the format that this Accept header asks for. */
  render(accept: string): Promise<{ readonly type: string; readonly text: string }>;
}

/** `/metrics`, for those who may call the host. */
export function metricsRoutes(metrics: MetricsPort): Route[] {
  return [
    {
      door: 'rest',
      method: 'GET',
      path: '/metrics',
      hot: true,
      handle: async (exchange) => {
        const { type, text } = await metrics.render(exchange.request.headers.accept ?? '');
        exchange.response.setHeader('vary', 'accept');
        exchange.send(200, text, undefined, 0, type);
      },
    },
  ];
}
