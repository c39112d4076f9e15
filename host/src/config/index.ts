export { configSchema, parseConfig, type Config, type ConfigInput, type PluginConfig } from './schema.js';
export { loadConfig, type LoadOptions, type LoadedConfig } from './load.js';
export { ConfigError, describeProblem, type ConfigProblem } from './config-error.js';
export { redact, redacted } from './redact.js';
export { configJsonSchema, optionTables, withOptionTables } from './documents.js';
export { discoverBundledPlugins, type BundledPlugin, type BundledPlugins } from './bundled-plugins.js';
export { nearest, nearestAll, editDistance } from './nearest.js';
export { isLoopback } from './checks.js';
