import type { AnswerName } from './answers.js';
import type { BodyName } from './bodies.js';

/** What is said about one method at one address. */
export interface Operation {
  readonly summary: string;
  readonly tag: 'OpenAI' | 'REST' | 'Models' | 'Plugins' | 'Tools' | 'Host' | 'MCP' | 'Dashboard';
  readonly body?: BodyName;
  /** JSON of a name in answers.ts, or something else by its media type. */
  readonly answer: AnswerName | { readonly type: string; readonly description: string };
  /** Streams it on request; the data of each event. */
  readonly events?: AnswerName;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Who may ask: callers, administrators, or everybody. */
  readonly who?: 'administrators' | 'everybody';
  /** A further status that answers with the same as 200, and when. */
  readonly also?: readonly [number, string];
}

const strict = {
  'x-outrigger-strict-params':
    '`true` refuses parameters that the model cannot honour, instead of a warning.',
};
const jsonRpc = { type: 'application/json', description: 'JSON-RPC 2.0, or server-sent events of it.' };
const verbose = { verbose: 'Tells each check.' };

/** Everything that the host answers to, by method and address. */
export const operations = {
  'POST /v1/chat/completions': {
    summary: 'Answer messages, as OpenAI does.',
    tag: 'OpenAI',
    body: 'ChatRequest',
    answer: 'ChatCompletion',
    events: 'ChatCompletionChunk',
    headers: strict,
  },
  'POST /v1/completions': {
    summary: 'Continue a text, as OpenAI does.',
    tag: 'OpenAI',
    body: 'CompletionRequest',
    answer: 'Completion',
    events: 'Completion',
    headers: strict,
  },
  'POST /v1/embeddings': {
    summary: 'Embed texts, as OpenAI does.',
    tag: 'OpenAI',
    body: 'EmbeddingRequest',
    answer: 'EmbeddingList',
    headers: strict,
  },
  'GET /v1/models': { summary: 'List models, as OpenAI does.', tag: 'OpenAI', answer: 'OpenAiModelList' },
  'GET /v1/models/{id}': { summary: 'Show one model, as OpenAI does.', tag: 'OpenAI', answer: 'OpenAiModel' },
  'POST /mcp/v1/chat': {
    summary: 'Answer messages or continue a text.',
    tag: 'REST',
    body: 'RestChatRequest',
    answer: 'ChatAnswer',
    events: 'ChatEvent',
    headers: strict,
  },
  'POST /mcp/v1/embed': {
    summary: 'Embed texts.',
    tag: 'REST',
    body: 'EmbeddingRequest',
    answer: 'Embeddings',
    headers: strict,
  },
  'POST /mcp/v1/{adapter}/{model}/chat': {
    summary: 'Answer with the model of the address.',
    tag: 'REST',
    body: 'RestChatRequest',
    answer: 'ChatAnswer',
    events: 'ChatEvent',
    headers: strict,
  },
  'POST /mcp/v1/{adapter}/{model}/embed': {
    summary: 'Embed with the model of the address.',
    tag: 'REST',
    body: 'EmbeddingRequest',
    answer: 'Embeddings',
    headers: strict,
  },
  'GET /mcp/v1/models': { summary: 'List models.', tag: 'Models', answer: 'ModelList' },
  'GET /mcp/v1/models/{id}': { summary: 'Show one model.', tag: 'Models', answer: 'Model' },
  'DELETE /mcp/v1/models/{id}': { summary: 'Delete a model.', tag: 'Models', answer: 'Deleted' },
  'POST /mcp/v1/models/load': {
    summary: 'Load a model; events `progress` and `done` when it is streamed.',
    tag: 'Models',
    body: 'LoadRequest',
    answer: 'LoadProgress',
    events: 'LoadProgress',
  },
  'POST /mcp/v1/models/unload': {
    summary: 'Unload a model.',
    tag: 'Models',
    body: 'UnloadRequest',
    answer: 'Unloaded',
  },
  'POST /mcp/v1/models/pull': {
    summary: 'Fetch a model; events `progress` and `done` unless `stream` is false.',
    tag: 'Models',
    body: 'PullRequest',
    answer: 'PullProgress',
    events: 'PullProgress',
  },
  'GET /mcp/v1/plugins': { summary: 'List plugins.', tag: 'Plugins', answer: 'PluginList' },
  'GET /mcp/v1/plugins/{name}': { summary: 'Show one plugin.', tag: 'Plugins', answer: 'Plugin' },
  'POST /mcp/v1/plugins': {
    summary: 'Add a plugin until the host ends; it starts in the background.',
    tag: 'Plugins',
    body: 'PluginAddition',
    answer: 'Plugin',
    who: 'administrators',
  },
  'DELETE /mcp/v1/plugins/{name}': {
    summary: 'Take out a plugin that was added; its running requests end first.',
    tag: 'Plugins',
    answer: 'PluginRemoved',
    who: 'administrators',
  },
  'POST /mcp/v1/plugins/{name}/swap': {
    summary: 'Exchange the instance of a plugin while requests run.',
    tag: 'Plugins',
    body: 'SwapRequest',
    answer: 'SwapReport',
    who: 'administrators',
  },
  'POST /mcp/v1/plugins/{name}/drain': {
    summary: 'Let the running requests of a plugin end and stop it.',
    tag: 'Plugins',
    body: 'Empty',
    answer: 'Plugin',
    who: 'administrators',
  },
  'POST /mcp/v1/plugins/{name}/restart': {
    summary: 'Start a new instance of a plugin in the place of the old one.',
    tag: 'Plugins',
    body: 'Empty',
    answer: 'Plugin',
    who: 'administrators',
  },
  'GET /mcp/v1/events': {
    summary:
      'What happened to the plugins and the host; followed with `follow=true` or `Accept: text/event-stream`.',
    tag: 'Plugins',
    answer: 'EventList',
    events: 'Event',
    query: {
      since: 'Only what came after the event of this id.',
      follow: '`true` goes on with what is to come.',
    },
    headers: {
      'last-event-id':
        'The id in the stream, as browsers send it when they connect again; one of a host before this one counts as none.',
    },
  },
  'GET /mcp/v1/tools': { summary: 'List the tools that plugins bring.', tag: 'Tools', answer: 'ToolList' },
  'POST /mcp/v1/tools/{name}': {
    summary: 'Call a tool of a plugin.',
    tag: 'Tools',
    body: 'ToolArguments',
    answer: 'ToolAnswer',
  },
  'POST /mcp/v1/config/reload': {
    summary: 'Take the configuration again.',
    tag: 'Host',
    body: 'Empty',
    answer: 'ReloadReport',
    who: 'administrators',
  },
  'GET /mcp/v1/info': { summary: 'About this host.', tag: 'Host', answer: 'Info' },
  'GET /mcp/v1/stats': { summary: 'The figures of the dashboard.', tag: 'Host', answer: 'Stats' },
  'GET /metrics': {
    summary: 'Metrics for Prometheus; OpenMetrics with `Accept: application/openmetrics-text`.',
    tag: 'Host',
    answer: { type: 'text/plain', description: 'See metrics.md.' },
  },
  'GET /openapi.json': {
    summary: 'This document.',
    tag: 'Host',
    answer: { type: 'application/json', description: 'OpenAPI 3.1.' },
  },
  'GET /livez': {
    summary: 'Whether the process answers.',
    tag: 'Host',
    answer: 'Health',
    who: 'everybody',
  },
  'GET /readyz': {
    summary: 'Whether the host can serve.',
    tag: 'Host',
    answer: 'Health',
    query: verbose,
    who: 'everybody',
    also: [503, 'It cannot.'],
  },
  'GET /healthz': {
    summary: 'The same as /readyz.',
    tag: 'Host',
    answer: 'Health',
    query: verbose,
    who: 'everybody',
    also: [503, 'It cannot.'],
  },
  'GET /': {
    summary: 'The dashboard; for `Accept: application/json` where everything else is.',
    tag: 'Dashboard',
    answer: 'About',
    who: 'everybody',
  },
  'GET /dashboard/{file}': {
    summary: 'A file of the dashboard.',
    tag: 'Dashboard',
    answer: { type: 'text/javascript', description: 'A script, or a style sheet.' },
    who: 'everybody',
    also: [304, 'It is as the caller has it.'],
  },
  'POST /mcp': {
    summary: 'A message of the Model Context Protocol, revisions 2024-11-05 to 2026-07-28.',
    tag: 'MCP',
    body: 'McpMessage',
    answer: jsonRpc,
    also: [202, 'A notification was taken.'],
  },
  'GET /mcp': {
    summary: 'Listen to a session of the Model Context Protocol, revisions up to 2025-11-25.',
    tag: 'MCP',
    answer: { type: 'text/event-stream', description: 'Messages of the server.' },
  },
  'DELETE /mcp': {
    summary: 'End a session of the Model Context Protocol.',
    tag: 'MCP',
    answer: jsonRpc,
  },
} as const satisfies Readonly<Record<string, Operation>>;

/** Method and address, as in `operations`. */
export type OperationKey = keyof typeof operations;
