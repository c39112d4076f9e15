// What a plugin author imports.
export * from './plugin.js';
export * from './plugin-error.js';
export * from './events.js';
export type { Log } from './log.js';
export { servePlugin, type RunningPlugin, type ServeOptions } from './serve.js';
export { EndpointError } from './endpoint.js';
export { readingToTheEnd } from './paused-end.js';
