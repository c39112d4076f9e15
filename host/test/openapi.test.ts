import { fileURLToPath } from 'node:url';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startHost, until } from '../../scripts/testing/host-process.mjs';
import { operations } from '../src/doors/openapi/operations.js';

const plugin = fileURLToPath(new URL('../bench/oracle-plugin.mjs', import.meta.url));
const notes = fileURLToPath(new URL('../../examples/tools-plugin/dist/main-v1.js', import.meta.url));

interface Media {
  readonly schema?: { readonly $ref?: string };
  readonly 'x-event-data'?: { readonly $ref: string };
}
interface Described {
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Media>> }>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
}

let host: Awaited<ReturnType<typeof startHost>>;
let document: Document;
const ajv = new Ajv2020({ strict: false, formats: { int64: true } });
beforeAll(async () => {
  host = await startHost({
    bundledPlugins: false,
    plugins: {
      a: { command: [process.execPath, plugin] },
      notes: { command: [process.execPath, notes] },
    },
  });
  await host.hasModel('a/oracle');
  await until(
    async () => (await (await fetch(`${host.url}/mcp/v1/tools`)).text()).includes('add_note'),
    'the tools',
  );
  document = (await (await fetch(`${host.url}/openapi.json`)).json()) as Document;
  ajv.addSchema(document, 'openapi');
}, 60_000);
afterAll(() => host.stop());

/** Why an answer is not as the document says; empty when it is. */
function faults(media: Media | undefined, value: unknown): string {
  const reference = media?.['x-event-data']?.$ref ?? media?.schema?.$ref ?? 'nothing';
  const check = ajv.getSchema(`openapi${reference}`);
  if (check === undefined) throw new Error(`the document describes ${reference}`);
  return check(value) === true ? '' : `${ajv.errorsText(check.errors)} in ${JSON.stringify(value)}`;
}

describe('the document of a whole host', () => {
  it('is valid OpenAPI 3.1', async () => {
    const validator = new Validator();
    const result = await validator.validate(structuredClone(document) as never);
    expect(result.errors).toBeUndefined();
    expect([result.valid, validator.version]).toEqual([true, '3.1']);
  });

  it('describes every operation that there is, and every one of them is answered', async () => {
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.sort()).toEqual(Object.keys(operations).sort());
    for (const [path, methods] of Object.entries(document.paths)) {
      const address = path.replace('{file}', 'dashboard.js').replace(/\{\w+\}/g, 'x');
      // A method that nothing has: the answer tells those that there are.
      const reply = await fetch(host.url + address, { method: 'PUT' });
      const allowed = (reply.headers.get('allow') ?? '')
        .split(', ')
        .filter((method) => method !== 'HEAD' && method !== 'OPTIONS');
      expect([path, reply.status, allowed.map((method) => method.toLowerCase()).sort()]).toEqual([
        path,
        405,
        Object.keys(methods).sort(),
      ]);
    }
  });

  const messages = [{ role: 'user', content: '1 3' }];
  const model = 'a/oracle';
  it.each<[string, string, object | undefined, string?]>([
    ['post', '/v1/completions', { model, prompt: '1 3' }],
    [
      'post',
      '/v1/completions',
      { model, prompt: '1 3', stream: true, stream_options: { include_usage: true } },
    ],
    ['post', '/v1/chat/completions', { model, messages }],
    ['post', '/v1/chat/completions', { model, messages, stream: true, wrong: 1 }],
    ['post', '/v1/chat/completions', { model: 'none', messages }],
    ['get', '/v1/models', undefined],
    ['get', '/v1/models/{id}', undefined, '/v1/models/a/oracle'],
    ['post', '/mcp/v1/chat', { model, messages }],
    ['post', '/mcp/v1/chat', { prompt: 5 }],
    ['post', '/mcp/v1/{adapter}/{model}/chat', { prompt: '1 3' }, '/mcp/v1/a/oracle/chat'],
    ['get', '/mcp/v1/models', undefined],
    ['get', '/mcp/v1/models/{id}', undefined, '/mcp/v1/models/a/oracle'],
    ['post', '/mcp/v1/models/load', { model: 'none' }],
    ['get', '/mcp/v1/plugins', undefined],
    ['get', '/mcp/v1/plugins/{name}', undefined, '/mcp/v1/plugins/a'],
    ['post', '/mcp/v1/plugins', { name: 'b', address: 'localhost:1' }],
    ['post', '/mcp/v1/plugins', { name: 'b' }],
    ['delete', '/mcp/v1/plugins/{name}', undefined, '/mcp/v1/plugins/b'],
    ['post', '/mcp/v1/plugins/{name}/swap', {}, '/mcp/v1/plugins/a/swap'],
    ['post', '/mcp/v1/plugins/{name}/swap', { bake: 1 }, '/mcp/v1/plugins/a/swap'],
    ['post', '/mcp/v1/plugins/{name}/restart', {}, '/mcp/v1/plugins/a/restart'],
    ['get', '/mcp/v1/events', undefined],
    ['get', '/mcp/v1/tools', undefined],
    ['post', '/mcp/v1/tools/{name}', { text: 'x' }, '/mcp/v1/tools/notes.add_note'],
    ['post', '/mcp/v1/tools/{name}', { number: '1' }, '/mcp/v1/tools/notes.show_note'],
    ['post', '/mcp/v1/config/reload', {}],
    ['get', '/mcp/v1/info', undefined],
    ['get', '/mcp/v1/stats', undefined],
    ['get', '/livez', undefined],
    ['get', '/readyz', undefined, '/readyz?verbose'],
    ['post', '/mcp', { jsonrpc: '2.0', id: 1, method: 'nonsense' }],
    ['post', '/mcp/v1/plugins/{name}/drain', {}, '/mcp/v1/plugins/notes/drain'],
  ])('says what %s %s answers to %j', async (method, path, body, address = path) => {
    const response = await fetch(host.url + address, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json', accept: '*/*' } }),
    });
    const described = document.paths[path]?.[method]?.responses;
    const type = (response.headers.get('content-type') ?? '').split(';', 1)[0] ?? '';
    const media = described?.[response.ok ? '200' : 'default']?.content?.[type];
    const text = await response.text();
    const parts =
      type === 'text/event-stream'
        ? [...text.matchAll(/^data: (\{.*)$/gm)].map(([, data = '']) => data)
        : [text];
    expect(parts).not.toEqual([]);
    for (const part of parts) expect(faults(media, JSON.parse(part))).toBe('');
  });

  it('says what the events are', async () => {
    const leaving = new AbortController();
    const stream = await fetch(`${host.url}/mcp/v1/events?follow=true`, { signal: leaving.signal });
    const reader = (stream.body as ReadableStream<Uint8Array>).getReader();
    let text = '';
    while (!text.includes('\nid: 3-')) text += Buffer.from((await reader.read()).value ?? []).toString();
    leaving.abort();
    const media = document.paths['/mcp/v1/events']?.['get']?.responses['200']?.content?.['text/event-stream'];
    const events = [...text.matchAll(/^data: (.*)$/gm)].slice(0, 2).map(([, data = '']) => data);
    for (const event of events) expect(faults(media, JSON.parse(event))).toBe('');
    expect(events).toHaveLength(2);
  });
});
