import type { HostProcess } from './host-process.mjs';

/** What a door said, in one form for all doors. */
export interface DoorAnswer {
  readonly text?: string;
  readonly finish?: string;
  readonly input?: number | undefined;
  readonly output?: number | undefined;
  readonly toolCalls?: readonly { name: string; arguments: string }[];
  readonly error?: string;
  readonly ignored?: readonly string[];
}

/** A request as the table writes it: the body of an OpenAI chat request. */
export type Body = Readonly<Record<string, unknown>>;

type Json = Record<string, any>;

/** The kind of an error of the OpenAI door, which has no code for the commonest. */
function kindOf(error: Json): string {
  return (error['code'] ?? String(error['type']).replace(/_error$/, '')) as string;
}

/** One request at the OpenAI door, in one piece. */
export async function openai(host: HostProcess, body: Body): Promise<DoorAnswer> {
  const response = await host.post('/v1/chat/completions', body);
  const answer = (await response.json()) as Json;
  if (!response.ok) return { error: kindOf(answer['error'] as Json) };
  const [choice] = answer['choices'];
  return {
    text: choice.message.content ?? '',
    finish: choice.finish_reason,
    input: answer['usage']?.prompt_tokens,
    output: answer['usage']?.completion_tokens,
    toolCalls: (choice.message.tool_calls ?? []).map((call: Json) => call['function']),
    ignored: ignoredOf(response),
  };
}

/** The events of a stream of server-sent events. */
export async function events(response: Response): Promise<{ event: string; data: string }[]> {
  return (await response.text())
    .split('\n\n')
    .filter((block) => block !== '' && !block.startsWith(':'))
    .map((block) => ({
      event: /^event: (.*)$/m.exec(block)?.[1] ?? '',
      data: /^data: (.*)$/m.exec(block)?.[1] ?? '',
    }));
}

/** The same as a stream. */
export async function openaiStream(host: HostProcess, body: Body): Promise<DoorAnswer> {
  const response = await host.post('/v1/chat/completions', {
    ...body,
    stream: true,
    stream_options: { include_usage: true },
  });
  if (!response.ok) {
    const { error } = (await response.json()) as Json;
    return { error: kindOf(error as Json) };
  }
  const all = await events(response);
  if (all.at(-1)?.data !== '[DONE]') return { error: 'no [DONE]' };
  const chunks = all.slice(0, -1).map(({ data }) => JSON.parse(data) as Json);
  const deltas = chunks.flatMap((chunk) => chunk['choices']).map((choice: Json) => choice['delta'] as Json);
  const calls = deltas.flatMap((delta) => (delta['tool_calls'] ?? []) as Json[]);
  const finishes = chunks
    .flatMap((chunk) => chunk['choices'])
    .flatMap((choice: Json) => choice['finish_reason'] ?? []);
  const usage = chunks.at(-1)?.['usage'];
  return {
    text: deltas.map((delta) => (delta['content'] as string | null) ?? '').join(''),
    finish: finishes.join(','),
    input: usage?.prompt_tokens,
    output: usage?.completion_tokens,
    toolCalls: [...new Set(calls.map((call) => call['index'] as number))].map((index) => ({
      name: calls.find((call) => call['index'] === index)?.['function'].name as string,
      arguments: calls
        .filter((call) => call['index'] === index)
        .map((call) => (call['function'].arguments as string | undefined) ?? '')
        .join(''),
    })),
    ignored: ignoredOf(response),
  };
}

/** The same request at the REST door. */
export async function rest(host: HostProcess, body: Body): Promise<DoorAnswer> {
  const response = await host.post('/mcp/v1/chat', body);
  const answer = (await response.json()) as Json;
  if (!response.ok) return { error: answer['kind'] };
  return {
    text: answer['text'],
    finish: answer['finish_reason'],
    input: answer['usage']?.input_tokens,
    output: answer['usage']?.output_tokens,
    toolCalls: (answer['message'].parts as Json[])
      .filter((part) => part['type'] === 'tool_call')
      .map((part) => ({ name: part['name'] as string, arguments: part['arguments'] as string })),
    ignored: answer['ignored_params'],
  };
}

/** The same request at the MCP door, revision 2026-07-28. */
export async function mcp(host: HostProcess, body: Body): Promise<DoorAnswer> {
  const result = await callTool(host, 'generate', body);
  const answer = result['structuredContent'] as Json;
  if (result['isError'] === true) return { error: answer['error'].kind };
  return {
    text: answer['text'],
    finish: answer['finish_reason'],
    input: answer['usage']?.input_tokens,
    output: answer['usage']?.output_tokens,
    toolCalls: (answer['tool_calls'] as Json[]).map(({ name, arguments: args }) => ({
      name,
      arguments: args,
    })),
    ignored: answer['ignored_params'],
  };
}

/** Calls a tool, revision 2026-07-28. */
export async function callTool(host: HostProcess, name: string, args: Body): Promise<Json> {
  const { messages, model, ...rest } = args;
  const known = [
    'prompt',
    'system',
    'max_tokens',
    'temperature',
    'top_p',
    'seed',
    'stop',
    'response_format',
    'tools',
    'tool_choice',
    'input',
  ];
  const own = Object.entries(rest).filter(([key]) => known.includes(key));
  const further = Object.entries(rest).filter(([key]) => !known.includes(key));
  const response = await host.post(
    '/mcp',
    {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: {
        name,
        arguments: {
          ...Object.fromEntries(own),
          ...(messages === undefined ? {} : { messages }),
          ...(model === undefined ? {} : { model }),
          ...(further.length === 0 ? {} : { parameters: Object.fromEntries(further) }),
        },
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    },
    {
      headers: {
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': name,
      },
    },
  );
  const text = await response.text();
  const data = text.startsWith('{') ? text : (/^data: (\{.*)$/m.exec(text)?.[1] ?? '{}');
  const message = JSON.parse(data) as Json;
  if (message['error'] !== undefined) throw new Error(JSON.stringify(message['error']));
  return message['result'] as Json;
}

function ignoredOf(response: Response): readonly string[] {
  const header = response.headers.get('x-outrigger-ignored-params');
  return header === null ? [] : header.split(',');
}
