import type { Route } from '../http/route.js';

/** GET /openapi.json: all of these routes. Made, and loaded, when first asked for. */
export function openApiRoute(version: string, routes: () => readonly Route[], hasMcp: boolean): Route {
  let text: Promise<string> | undefined;
  return {
    door: 'rest',
    method: 'GET',
    path: '/openapi.json',
    handle: async (exchange) => {
      text ??= import('./document.js').then(({ openApiDocument }) =>
        JSON.stringify(openApiDocument(version, routes(), hasMcp)),
      );
      exchange.send(200, await text);
    },
  };
}
