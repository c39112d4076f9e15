// What a plugin author imports.
export * from './plugin.js';
export * from './plugin-error.js';
export * from './events.js';
export type { Log } from './log.js';
