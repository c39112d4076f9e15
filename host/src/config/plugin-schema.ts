import { z } from 'zod';
import { flag, milliseconds, secret, text, whole } from './fields.js';
import { splitCommand } from './command-line.js';
import { addressForms, pluginAddress } from './plugin-address.js';

const command = z
  .union([z.string().min(1).max(32_768), z.array(z.string().max(32_768)).min(1).max(1000)])
  .transform((value) => (typeof value === 'string' ? splitCommand(value) : value))
  .optional()
  .describe(
    'How to start the plugin as a child process: a list of program and arguments, or one line that is split at spaces (quotes are honoured, no shell is involved).',
  );

const tls = z
  .strictObject({
    ca: text('Certificate authority that signs the plugin: PEM text, or the path of a PEM file.'),
    cert: text('Certificate of this host for mutual TLS: PEM text, or the path of a PEM file.'),
    key: secret('Private key that belongs to `cert`: PEM text, or the path of a PEM file.'),
    serverName: text('Name the certificate of the plugin is checked against, where it is not the address.'),
  })
  .optional()
  .describe('Use TLS towards a plugin that is attached by address. Plain text when absent.');

const restart = z
  .strictObject({
    minDelayMs: milliseconds(200, 'Wait before the first restart after a crash.'),
    maxDelayMs: milliseconds(30_000, 'Longest wait between restarts; the wait doubles up to it.'),
    resetAfterMs: milliseconds(60_000, 'A plugin that lived this long starts again at `minDelayMs`.'),
  })
  .prefault({})
  .describe('Back-off between restarts of a plugin that crashed.');

const liveness = z
  .strictObject({
    intervalMs: milliseconds(10_000, 'Time between two probes; 0 turns them off.', 0),
    timeoutMs: milliseconds(10_000, 'Time in which a probe must be answered.'),
    misses: whole(3, 1, 100, 'Probes in a row without an answer after which the plugin counts as frozen.'),
  })
  .prefault({})
  .describe(
    'How a frozen plugin is found out: the host asks for its health now and then. One that does not answer, and from which no request hears anything either, is killed and started again, or let go and connected to again.',
  );

const limits = z
  .strictObject({
    memoryBytes: z
      .int()
      .min(1_048_576)
      .optional()
      .describe(
        'Memory the process group of the plugin may use before it is replaced. Bytes; no limit when absent.',
      ),
    maxInFlight: whole(4096, 1, 100_000, 'Requests given to the plugin at the same time; further ones wait.'),
  })
  .prefault({})
  .describe('Limits for one plugin.');

/** Name of a plugin: lower case letters, digits and hyphens, 1 to 64 characters. */
export const pluginName = z
  .string()
  .regex(/^[a-z0-9-]{1,64}$/, 'must be 1 to 64 lower case letters, digits or hyphens');

/** One plugin: a command to start or an address to attach to, and how to look after it. */
export const pluginSchema = z
  .strictObject({
    command,
    address: z
      .string()
      .max(1024)
      .regex(pluginAddress, `must be the address of a plugin: ${addressForms}`)
      .optional()
      .describe(
        'Where a plugin that runs already listens: `unix:/run/name.sock`, `dns:///name:port`, `ipv4:a.b.c.d:port`, or a bare `host:port`.',
      ),
    enabled: flag(true, 'Whether the plugin is used. `false` also turns a bundled plugin off.'),
    env: z
      .record(
        z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not a name of an environment variable'),
        z.coerce.string(),
      )
      .default({})
      .describe('Environment variables for the plugin process. Printing hides the values.'),
    secrets: z
      .array(
        z
          .string()
          .max(256)
          .regex(
            /^[A-Za-z_][A-Za-z0-9_]*\*?$/,
            'not a name of an environment variable, with or without a `*` at its end',
          ),
      )
      .max(1000)
      .default([])
      .describe(
        'Environment variables of the host that are handed to this plugin, and to no other: `NAME`, or `PREFIX_*` for all that begin so. Those that a bundled plugin asks for are added.',
      ),
    cwd: text('Working directory of the plugin process, relative to the configuration file.'),
    config: z
      .record(z.string(), z.json())
      .default({})
      .describe('Settings of the plugin itself. The host hands them over unread; the plugin validates them.'),
    tls,
    swapMode: z
      .enum(['overlap', 'exclusive'])
      .optional()
      .describe(
        'How a new instance takes over: `overlap` starts it beside the old one, `exclusive` drains the old one first. The plugin decides when absent.',
      ),
    startTimeoutMs: milliseconds(
      30_000,
      'Time from the start of the process until the plugin must be ready.',
    ),
    drainTimeoutMs: milliseconds(30_000, 'Time running requests get when the plugin is replaced or stopped.'),
    restart,
    liveness,
    smokeChecks: z
      .enum(['refuse', 'warn', 'off'])
      .default('refuse')
      .describe(
        'What happens to a new instance that fails one of the short checks before it gets requests: `refuse` turns it away where callers would be harmed, `warn` only tells in the events, `off` does not check.',
      ),
    toolPrefix: z
      .string()
      .regex(/^[A-Za-z0-9_.-]{0,64}$/, 'at most 64 letters, digits, `_`, `.` or `-`')
      .optional()
      .describe(
        'Prefix of the MCP tools this plugin brings. The name of the plugin and a dot when absent; may be empty.',
      ),
    watch: z
      .union([z.boolean(), z.array(z.string().min(1)).max(100)])
      .default(false)
      .describe('Replace the plugin when its files change: `true` for its program, or a list of paths.'),
    limits,
  })
  .refine((plugin) => !(plugin.command && plugin.address), {
    error:
      'has both `command` and `address`; keep `command` to start the plugin, or `address` to attach to one that runs',
    when: ({ value }) => typeof value === 'object' && value !== null,
  });
