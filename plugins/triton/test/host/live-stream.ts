import type { Gateway, Body, Json } from './gateway.js';

/** How a stream ended, in one form for all doors. */
export interface Ending {
  readonly text: string;
  readonly finish: string | undefined;
  /** The kind of the error that ended it. */
  readonly error: string | undefined;
  /** The error in full, as the caller sees it. */
  readonly detail: string;
  /** It said that it is complete. */
  readonly complete: boolean;
}

export type StreamDoor = 'openai' | 'rest' | 'mcp';
export const streamDoors: readonly StreamDoor[] = ['openai', 'rest', 'mcp'];

/** A stream at one of the doors, read as it comes. */
export class LiveStream {
  /** What it has said so far. */
  text = '';
  /** In how many events it has said that. */
  pieces = 0;
  readonly ended: Promise<Ending>;
  readonly #leave = new AbortController();
  #finish: string | undefined;
  #error: string | undefined;
  #detail = '';
  #complete = false;

  constructor(gateway: Gateway, door: StreamDoor, body: Body) {
    this.ended = this.#read(gateway, door, body);
    // Who looks at it late must not end the process before.
    this.ended.catch(() => undefined);
  }

  /** Goes away in the middle, as a client does that closes its window. */
  leave(): void {
    this.#leave.abort();
  }

  async #read(gateway: Gateway, door: StreamDoor, body: Body): Promise<Ending> {
    const response = await open(gateway, door, body, this.#leave.signal);
    const take = { openai: this.#openai, rest: this.#rest, mcp: this.#mcp }[door].bind(this);
    if (!response.ok) {
      this.#detail = await response.text();
      const failed = JSON.parse(this.#detail) as Json;
      this.#error = failed['kind'] ?? failed['error']?.code ?? failed['error']?.type;
    } else if (response.body !== null) {
      let rest = '';
      const decoder = new TextDecoder();
      for await (const chunk of response.body) {
        const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) {
          const data = /^data: (.+)$/m.exec(block)?.[1];
          if (data !== undefined) take(data, /^event: (.*)$/m.exec(block)?.[1] ?? '');
        }
      }
    }
    return {
      text: this.text,
      finish: this.#finish,
      error: this.#error,
      detail: this.#detail,
      complete: this.#complete,
    };
  }

  #openai(data: string): void {
    if (data === '[DONE]') {
      this.#complete = true;
      return;
    }
    const { choices, error } = JSON.parse(data) as Json;
    if (error !== undefined) this.#fail(error.code ?? error.type, data);
    this.#say(choices?.[0]?.delta.content ?? '');
    this.#finish = choices?.[0]?.finish_reason ?? this.#finish;
  }

  #rest(data: string, event: string): void {
    const content = JSON.parse(data) as Json;
    if (event === 'delta') this.#say(content['text']);
    if (event === 'finish') this.#finish = content['finish_reason'];
    if (event === 'done') this.#complete = true;
    if (event === 'error') this.#fail(content['kind'], data);
  }

  #mcp(data: string): void {
    const { method, params, result } = JSON.parse(data) as Json;
    if (method === 'notifications/progress') this.#say(params.message ?? '');
    if (result === undefined) return;
    const answer = result.structuredContent as Json;
    if (result.isError === true) this.#fail(answer['error'].kind, data);
    else {
      this.#complete = true;
      this.#finish = answer['finish_reason'];
      // The answer as a whole must be what its pieces were.
      if (answer['text'] !== this.text) this.#fail('pieces differ', `${this.text} / ${answer['text']}`);
    }
  }

  #say(piece: string): void {
    this.text += piece;
    if (piece !== '') this.pieces += 1;
  }

  #fail(kind: string, detail: string): void {
    this.#error = kind;
    this.#detail = detail;
  }
}

function open(gateway: Gateway, door: StreamDoor, body: Body, signal: AbortSignal): Promise<Response> {
  const { host } = gateway;
  if (door === 'openai') return host.post('/v1/chat/completions', { ...body, stream: true }, { signal });
  if (door === 'rest') return host.post('/mcp/v1/chat', { ...body, stream: true }, { signal });
  const { sampling_parameters, ...args } = body;
  const params = {
    name: 'generate',
    arguments: {
      ...args,
      ...(sampling_parameters === undefined ? {} : { parameters: { sampling_parameters } }),
    },
    _meta: {
      progressToken: 'pieces',
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  };
  const headers = {
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': 'generate',
  };
  return host.post('/mcp', { jsonrpc: '2.0', id: 1, method: 'tools/call', params }, { headers, signal });
}
