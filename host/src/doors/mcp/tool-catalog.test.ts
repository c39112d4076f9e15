import { describe, expect, it } from '@jest/globals';
import type { JsonSchema, ToolResult } from './catalog.js';
import { fakeCall, FakeFailure, memoryLogger } from './testing/fake-port.js';
import { createToolCatalog, type ToolModule, type ToolProvider } from './tool-catalog.js';

const text = (value: string): ToolResult => ({ content: [{ type: 'text', text: value }] });

function tool(
  name: string,
  inputSchema: JsonSchema = { type: 'object' },
  run?: ToolModule['run'],
): ToolModule {
  return { definition: { name, inputSchema }, run: run ?? (() => Promise.resolve(text(name))) };
}

function provider(initial: ToolModule[]) {
  let tools = initial;
  let listener: () => void = () => undefined;
  const self: ToolProvider = {
    tools: () => tools,
    onChanged(next) {
      listener = next;
      return () => (listener = () => undefined);
    },
  };
  return {
    self,
    set(next: ToolModule[]) {
      tools = next;
      listener();
    },
  };
}

const catalogOf = (tools: ToolModule[], providers: ToolProvider[] = []) =>
  createToolCatalog({ info: { name: 'x', version: '1' }, tools, providers, logger: memoryLogger() });
const names = (catalog: { tools(): readonly { name: string }[] }) => catalog.tools().map((one) => one.name);

describe('a catalog of tools', () => {
  it('shows own tools in their order, then those of providers by name', () => {
    const catalog = catalogOf([tool('z'), tool('a')], [provider([tool('p.y'), tool('p.b')]).self]);
    expect(names(catalog)).toEqual(['z', 'a', 'p.b', 'p.y']);
    expect(Object.isFrozen(catalog.tools())).toBe(true);
  });

  it('refuses what a provider may not bring, with the reason, and keeps the rest', () => {
    const catalog = catalogOf(
      [tool('own')],
      [
        provider([
          tool('own'),
          tool('bad name'),
          tool('net', { type: 'object', properties: { a: { $ref: 'https://example.com/s.json' } } }),
          tool('header', { type: 'object', properties: { a: { 'x-mcp-header': 'A' } } }),
          tool('array', { type: 'array' }),
          tool('broken', { type: 'object', properties: { a: { type: 'nonsense' } } }),
          tool('deep', deepSchema(100)),
          tool('good', {
            type: 'object',
            $defs: { n: { type: 'number' } },
            properties: { a: { $ref: '#/$defs/n' } },
          }),
        ]).self,
      ],
    );
    expect(names(catalog)).toEqual(['own', 'good']);
    expect(catalog.refused().map((one) => one.name)).toEqual([
      'array',
      'bad name',
      'broken',
      'deep',
      'header',
      'net',
      'own',
    ]);
    expect(catalog.refused().every((one) => one.reason.length > 10)).toBe(true);
  });

  it('tells each provider what of its own is not shown, whenever it has looked', () => {
    const heard: string[][] = [];
    const first = { tools: () => [tool('own'), tool('a.fine')] };
    const second = provider([tool('own'), tool('b.fine')]);
    const told: ToolProvider = {
      ...second.self,
      notShown: (refused) => heard.push(refused.map(({ name }) => name)),
    };
    catalogOf([tool('own')], [first, told]);
    second.set([tool('b.fine')]);
    expect(heard).toEqual([['own'], []]);
  });

  it('does not start with a tool of its own that is not well-formed', () => {
    expect(() => catalogOf([tool('twice'), tool('twice')])).toThrow('tool twice: another tool has this name');
  });

  it('tells of a change only when the tools have changed', () => {
    const plugin = provider([tool('p.a')]);
    const catalog = catalogOf([], [plugin.self]);
    let heard = 0;
    const stop = catalog.onToolsChanged(() => (heard += 1));
    const before = catalog.tools();
    plugin.set([tool('p.a')]);
    expect(heard).toBe(0);
    expect(catalog.tools()).toBe(before);
    plugin.set([tool('p.a'), tool('p.b')]);
    expect(heard).toBe(1);
    expect(names(catalog)).toEqual(['p.a', 'p.b']);
    stop();
    plugin.set([]);
    expect(heard).toBe(1);
  });

  it('runs the newest of a tool after a swap that looks the same', async () => {
    const plugin = provider([tool('p.a', undefined, () => Promise.resolve(text('old')))]);
    const catalog = catalogOf([], [plugin.self]);
    plugin.set([tool('p.a', undefined, () => Promise.resolve(text('new')))]);
    expect(await catalog.callTool('p.a', {}, fakeCall())).toEqual(text('new'));
  });

  const picky = tool('picky', {
    type: 'object',
    properties: {
      list: { type: 'array', items: { type: 'object', properties: { role: { enum: ['a', 'b'] } } } },
      'odd name': { type: 'number' },
    },
    required: ['list'],
    additionalProperties: false,
  });
  it.each([
    [{}, 'list', 'arguments.list is missing'],
    [{ list: 1 }, 'list', 'arguments.list must be array'],
    [{ list: [{}, { role: 'c' }] }, 'list[1].role', 'arguments.list[1].role must be one of "a", "b"'],
    [{ list: [], more: 1 }, 'more', 'arguments.more is not known; known are list, odd name'],
    [{ list: [], lits: 1 }, 'lits', 'arguments.lits is not known; did you mean list?'],
    [{ list: [], 'a/b~c': 1 }, '["a/b~c"]', 'arguments["a/b~c"] is not known; known are list, odd name'],
    [{ list: [], 'odd name': 'x' }, '["odd name"]', 'arguments["odd name"] must be number'],
    [
      JSON.parse('{"list":[],"__proto__":{"x":1}}'),
      '__proto__',
      'arguments.__proto__ is not known; known are list, odd name',
    ],
  ])('answers wrong arguments %j with a failed call that names %s', async (args, param, message) => {
    const result = await catalogOf([picky]).callTool('picky', args as Record<string, unknown>, fakeCall());
    expect(result.isError).toBe(true);
    expect(result.structuredContent).toEqual({ error: { kind: 'invalid_request', message, param } });
  });

  it.each([{ a: 'x\ud800' }, { a: [{ b: ['\udfff\ud83d'] }] }, { a: { '\ud800': 1 } }])(
    'refuses half a character, which would become another on its way: %j',
    async (args) => {
      const free = tool('free', { type: 'object' });
      const result = await catalogOf([free]).callTool('free', args, fakeCall());
      expect(result).toMatchObject({
        isError: true,
        structuredContent: { error: { kind: 'invalid_request', param: 'a' } },
      });
      expect(await catalogOf([free]).callTool('free', { a: 'x\ud83d\ude00' }, fakeCall())).not.toHaveProperty(
        'isError',
      );
    },
  );

  it('rejects an unknown tool as a fault of the protocol', async () => {
    await expect(catalogOf([]).callTool('nope', {}, fakeCall())).rejects.toMatchObject({
      kind: 'unknown_tool',
      code: -32602,
    });
  });

  it('shows an error that is meant for the caller and passes on one that is not', async () => {
    const meant = tool('meant', undefined, () => Promise.reject(new FakeFailure('queue_full', 'busy')));
    const bug = tool('bug', undefined, () => Promise.reject(new TypeError('oops')));
    const catalog = catalogOf([meant, bug]);
    expect(await catalog.callTool('meant', {}, fakeCall())).toMatchObject({
      isError: true,
      structuredContent: { error: { kind: 'queue_full', message: 'busy' } },
    });
    await expect(catalog.callTool('bug', {}, fakeCall())).rejects.toThrow(TypeError);
  });

  it('does not pass on an answer that breaks the schema of the tool', async () => {
    const lying: ToolModule = {
      definition: {
        name: 'lying',
        inputSchema: { type: 'object' },
        outputSchema: { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] },
      },
      run: () => Promise.resolve({ ...text('x'), structuredContent: { n: 'one' } }),
    };
    const result = await catalogOf([lying]).callTool('lying', {}, fakeCall());
    expect(result.isError).toBe(true);
    expect(JSON.stringify(result.content)).toContain('result.n must be number');
    expect(result.structuredContent).toBeUndefined();
  });
});

function deepSchema(depth: number): JsonSchema {
  let schema: Record<string, unknown> = { type: 'string' };
  for (let i = 0; i < depth; i++) schema = { type: 'object', properties: { a: schema } };
  return schema;
}
