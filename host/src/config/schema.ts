import { z } from 'zod';
import { flag, milliseconds, secret, strings, text, whole } from './fields.js';
import { pluginName, pluginSchema } from './plugin-schema.js';

const server = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .max(255)
      .default('127.0.0.1')
      .describe('Address to listen on. Anything but loopback needs `auth.apiKeys`.'),
    port: whole(7070, 0, 65_535, 'Port to listen on; 0 takes any free one.'),
    maxBodyBytes: whole(16 * 1024 * 1024, 1024, 1024 ** 3, 'Largest request body. Bytes.'),
    requestTimeoutMs: milliseconds(600_000, 'Longest time one request may take.'),
    firstTokenTimeoutMs: milliseconds(120_000, 'Longest wait for the first token of an answer.'),
    idleTimeoutMs: milliseconds(60_000, 'Longest silence between two tokens of an answer.'),
    shutdownGraceMs: milliseconds(4_000, 'Time running requests get when the host stops.', 0),
    keepAliveMs: milliseconds(
      15_000,
      'Interval of comments that keep a silent stream open; 0 sends none.',
      0,
    ),
    maxInFlight: whole(
      1024,
      1,
      1_000_000,
      'Requests served at the same time; further ones are refused with 429.',
    ),
    maxInFlightPerCaller: z
      .int()
      .min(1)
      .max(1_000_000)
      .optional()
      .describe(
        'Those of one caller; further ones are refused with 429. A caller is an API key, else a remote address. When absent, three quarters of `maxInFlight`, and no bound for callers on this machine without a key.',
      ),
    maxConnections: whole(
      10_000,
      1,
      1_000_000,
      'Connections open at the same time, idle ones included; further ones are closed at once.',
    ),
    stallTimeoutMs: milliseconds(
      5_000,
      'A stream of which the client has not taken a byte for so long is ended with an error when other requests wait for its plugin; 0 never does so.',
      0,
    ),
    maxQueued: whole(1024, 0, 1_000_000, 'Requests that may wait for a model or a plugin.'),
    allowedHosts: strings(
      'Values of the Host header that are accepted besides loopback names and `server.host`; guards against DNS rebinding.',
    ),
    allowedOrigins: strings(
      'Web origins whose pages may call the host, besides loopback ones. `*` allows any.',
    ),
    cors: z
      .strictObject({
        credentials: flag(false, 'Whether browsers may send cookies and authorization headers of their own.'),
        exposedHeaders: strings('Response headers that pages may read besides those the host names itself.'),
        maxAgeSeconds: whole(600, 0, 86_400, 'How long a browser may keep a preflight answer. Seconds.'),
      })
      .prefault({})
      .describe('Answers to cross-origin requests from `allowedOrigins`.'),
  })
  .prefault({})
  .describe('The one HTTP listener.');

const log = z
  .strictObject({
    level: z
      .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
      .default('info')
      .describe('Least severe level that is written.'),
    format: z
      .enum(['json', 'pretty'])
      .default('json')
      .describe('One JSON object per line, or lines for people.'),
  })
  .prefault({})
  .describe('Logs, always on stderr.');

const models = z
  .strictObject({
    default: text('Model for requests that name none.'),
    aliases: z
      .record(z.string().min(1).max(256), z.string().min(1).max(256))
      .default({})
      .describe('Further names: `name: plugin/model` or `name: model`.'),
  })
  .prefault({})
  .describe('Names of models.');

const mcp = z
  .strictObject({
    enabled: flag(true, 'Whether `/mcp` is served.'),
    sessionTtlMs: milliseconds(1_800_000, 'A session without a request for this long ends.'),
    maxSessions: whole(1000, 1, 100_000, 'Sessions kept at the same time; the one idle longest makes room.'),
    maxBufferedBytes: whole(
      8 * 1024 * 1024,
      65_536,
      1024 ** 3,
      'What one stream may hold back for a client that does not read before it is closed. Bytes.',
    ),
    pageSize: whole(100, 1, 1000, 'Entries on one page of a list.'),
  })
  .prefault({})
  .describe('The MCP door.');

const auth = z
  .strictObject({
    apiKeys: z
      .array(z.string().min(8, 'an API key has at least 8 characters').max(4096))
      .max(1000)
      .default([])
      .describe(
        'Keys that open the doors, sent as `Authorization: Bearer`, `x-api-key` or `api-key`. Without any, every caller is let in, which is only allowed on loopback.',
      )
      .meta({ writeOnly: true }),
    insecure: flag(false, 'Allow listening beyond loopback without a key.'),
  })
  .prefault({})
  .describe('Who may call.');

const admin = z
  .strictObject({
    apiKey: secret(
      'Key for administration (replace, drain, restart plugins). The ordinary keys do when absent; without any, loopback only.',
    ),
  })
  .prefault({})
  .describe('Administration.');

/** The whole configuration, the single source for validation, JSON Schema, documentation and types. */
export const configSchema = z.strictObject({
  $schema: text('Address of the JSON Schema, for editors.'),
  server,
  log,
  models,
  strictParams: flag(
    false,
    'Refuse requests with parameters that are unknown or that the model cannot honour, instead of naming them in a warning.',
  ),
  plugins: z
    .record(pluginName, pluginSchema)
    .default({})
    .describe('Plugins by name. An entry named like a bundled plugin changes that one.'),
  bundledPlugins: flag(true, 'Whether the plugins that come with the host start by themselves.'),
  pluginDirectory: text(
    'Directory in which plugins announce themselves by creating a socket `<name>.sock`; relative to the configuration file.',
  ),
  mcp,
  auth,
  admin,
});

/** A valid configuration with every default filled in. */
export type Config = z.output<typeof configSchema>;
/** A configuration as it is written by hand. */
export type ConfigInput = z.input<typeof configSchema>;
/** One validated plugin entry. After loading exactly one of `command` and `address` is set. */
export type PluginConfig = Config['plugins'][string];

/** Parses a complete configuration without file or environment, for tests and embedding. Throws a ZodError. */
export function parseConfig(input: ConfigInput = {}): Config {
  return configSchema.parse(input);
}
