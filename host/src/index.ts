// For programs that run a host inside themselves.
export { createHost, type Host, type HostDeps, type HostStatus } from './host.js';
export { loadConfig, parseConfig, ConfigError, type Config, type LoadedConfig } from './config/index.js';
