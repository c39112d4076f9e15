import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, it } from '@jest/globals';
import type { Route } from '../http/route.js';
import { openTestDoor } from '../testing/test-door.js';
// Imported on demand in the host; the test runner cannot link it while it links others.
import { openApiDocument } from './document.js';

interface Document {
  paths: Record<string, Record<string, { operationId: string }>>;
  components: { schemas: Record<string, object> };
}

const handle = (): void => undefined;
const route = (method: Route['method'], path: string): Route => ({ door: 'rest', method, path, handle });
const document = openApiDocument('1.0.0', [route('POST', '/v1/chat/completions')], true) as Document;

it('refuses to leave a route undescribed', () => {
  const routes = [route('GET', '/livez'), route('GET', '/mcp/v1/secret')];
  expect(() => openApiDocument('1', routes, false)).toThrow('GET /mcp/v1/secret');
});

it('the schemas are valid JSON Schema and say what validation says', () => {
  const ajv = new Ajv2020({ strict: false, formats: { int64: true } });
  const check = ajv.compile(document.components.schemas['ChatRequest'] ?? {});
  const messages = [{ role: 'user', content: 'hi' }];
  expect(check({ messages, seed: 5, temperature: null, whatever: 1 })).toBe(true);
  expect(check({ messages, temperature: 3 })).toBe(false);
  expect(check({ messages: [] })).toBe(false);
  expect(check({ messages, seed: 'x' })).toBe(false);
  for (const schema of Object.values(document.components.schemas))
    expect(ajv.validateSchema(schema)).toBe(true);
});

it('a door describes what it answers, and nothing else', async () => {
  const door = await openTestDoor();
  try {
    const served = await door.send('GET', '/openapi.json');
    expect(served.json()).toMatchObject({ openapi: '3.1.0', info: { version: '0.1.0' } });
    const { paths } = served.json() as unknown as Document;
    expect(Object.keys(paths)).not.toContain('/mcp');
    expect(Object.keys(paths)).not.toContain('/metrics');
    expect((await new Validator().validate(served.json())).errors).toBeUndefined();
    const ids = Object.values(paths).flatMap((one) => Object.values(one).map((each) => each.operationId));
    expect(new Set(ids).size).toBe(ids.length);
  } finally {
    await door.door.close(0);
  }
});
