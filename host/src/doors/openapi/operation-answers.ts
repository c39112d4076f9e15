import { z } from 'zod';

// What the host answers about itself and to those who administer it. Tests hold real answers against these.

const text = z.string();
const count = z.int().min(0);
const ms = z.number().min(0);
const when = count.describe('Milliseconds since the epoch.');
const maybe = z.number().nullable();

const config = {
  file: text.nullable(),
  loaded_at: text,
  generation: count,
  error: text.optional().describe('Why the last one that was read is not in force.'),
  restart_needed: z.array(text).optional(),
  refused: z
    .record(z.string(), text)
    .optional()
    .describe('Plugins that did not take what it says and go on as they were, with the reason.'),
};

const instance = z.strictObject({
  instance_id: text,
  version: text,
  state: text.describe('See instance-states.md.'),
  reason: text,
  address: text,
  pid: count.optional().describe("The plugin's own process when the host started it."),
  serving: z.boolean(),
  in_flight: count,
  served: count,
  failed: count,
  first_token_p50_ms: ms.optional(),
  first_token_p99_ms: ms.optional(),
  startup: z
    .strictObject({
      spawn_ms: ms.optional(),
      connect_ms: ms.optional(),
      negotiate_ms: ms.optional(),
      configure_ms: ms.optional(),
      validate_ms: ms.optional(),
      activate_ms: ms.optional(),
      total_ms: ms,
    })
    .describe('How long each phase of its start took, as far as it has come.'),
  since: when,
});
const plugin = z.strictObject({
  name: text,
  display_name: text,
  version: text,
  runtime: text,
  state: z.enum(['starting', 'active', 'backoff', 'stopped']),
  reason: text,
  origin: z.enum(['spawn', 'attach']),
  restarts: count,
  retry_at: when.optional(),
  queued: count,
  operations: z.array(text),
  services: z.array(text),
  tools: z.array(text),
  warnings: z.array(text).describe('What is odd about it, such as tools that are left out, and why.'),
  instances: z.array(instance),
});

const event = z.strictObject({
  id: count,
  at: when,
  type: text.describe(
    'instance, start, check, health, tools, swap, config, directory or host; also the name of the event in a stream.',
  ),
  plugin: text,
  instance_id: text,
  version: text,
  message: text,
  from: text.optional(),
  to: text.optional(),
  outcome: text.optional(),
  prepare_ms: ms.optional(),
  commit_ms: ms.optional(),
  pause_ms: ms.optional(),
});

const tool = z.strictObject({
  name: text,
  plugin: text,
  title: text,
  description: text,
  input_schema: z.looseObject({}).describe('JSON Schema of the arguments.'),
  output_schema: z.looseObject({}),
  streaming: z.boolean(),
  read_only: z.boolean(),
  destructive: z.boolean(),
  idempotent: z.boolean(),
  open_world: z.boolean(),
});

const traffic = z.strictObject({
  requests_per_second: z.number(),
  tokens_per_second: z.number(),
  duration_p50_ms: maybe,
  duration_p99_ms: maybe,
  first_token_p50_ms: maybe,
  first_token_p99_ms: maybe,
  samples: count,
});

export const operationAnswers = {
  About: z.record(text, text),
  Health: z.strictObject({
    status: z.enum(['ok', 'unavailable']),
    failing: z.array(text).optional(),
    version: text.optional(),
    uptime_ms: count.optional(),
    checks: z
      .array(z.strictObject({ name: text, ok: z.boolean(), detail: text.optional() }))
      .optional()
      .describe('With `?verbose`.'),
  }),
  Info: z.strictObject({
    name: z.literal('outrigger'),
    version: text,
    uptime_ms: count,
    config: z.strictObject(config).optional(),
    plugins: z.array(z.strictObject({ name: text, version: text, state: text, instance_id: text })),
  }),
  Plugin: plugin,
  PluginList: z.strictObject({ plugins: z.array(plugin) }),
  PluginRemoved: z.strictObject({ plugin: text, removed: z.literal(true) }),
  SwapReport: z.strictObject({
    plugin: text,
    from: text,
    to: text,
    prepare_ms: ms,
    commit_ms: ms,
    pause_ms: ms,
    verdict: text.describe('What decided for a canary; empty without one.'),
  }),
  Event: event,
  EventList: z.strictObject({ events: z.array(event) }),
  ToolList: z.strictObject({ tools: z.array(tool) }),
  ToolAnswer: z.strictObject({
    tool: text,
    plugin: text,
    result: z.unknown().optional().describe('Of a tool that answers with data.'),
    content: z
      .array(z.looseObject({ type: text }))
      .optional()
      .describe('Of a tool that answers with content.'),
    structured: z.unknown().optional(),
    is_error: z.boolean().optional(),
  }),
  Stats: z.strictObject({
    version: text,
    uptime_ms: count,
    rate_window_s: count,
    latency_window_s: count,
    totals: z.strictObject({
      requests: count,
      input_tokens: count,
      output_tokens: count,
      partial: count,
      outcomes: z.record(text, count),
    }),
    traffic,
    plugins: z.array(
      z.strictObject({
        name: text,
        traffic,
        instances: z.array(z.strictObject({ instance_id: text, traffic })),
      }),
    ),
  }),
  ReloadReport: z.strictObject({
    ...config,
    plugins: z.strictObject({
      added: z.array(text),
      removed: z.array(text),
      swapped: z.array(text),
      configured: z.array(text),
      refused: z.array(z.strictObject({ plugin: text, reason: text })),
    }),
    warnings: z.array(text),
  }),
} as const satisfies Record<string, z.ZodType>;
