export { tritonPlugin, version } from './plugin.js';
export type { TritonConfig } from './config.js';
