export { ollamaPlugin, version } from './adapter.js';
export type { OllamaConfig } from './config.js';
