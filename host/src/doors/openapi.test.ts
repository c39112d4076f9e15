import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, it } from '@jest/globals';
import { openApiDocument } from './openapi.js';
import { openTestDoor } from './testing/test-door.js';

interface Document {
  paths: Record<string, Record<string, { operationId: string }>>;
  components: { schemas: Record<string, object> };
}

const document = openApiDocument('1.0.0') as Document;

it('every reference leads somewhere and operation ids are unique', () => {
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)];
  expect(references.length).toBeGreaterThan(5);
  for (const [, reference = ''] of references) {
    expect(reference).toMatch(/^#\/components\/schemas\//);
    expect(document.components.schemas).toHaveProperty([reference.slice('#/components/schemas/'.length)]);
  }
  const ids = Object.values(document.paths).flatMap((one) =>
    Object.values(one).map((each) => each.operationId),
  );
  expect(new Set(ids).size).toBe(ids.length);
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

it('every path of the document is answered', async () => {
  const door = await openTestDoor();
  try {
    const served = await door.send('GET', '/openapi.json');
    expect(served.json()).toMatchObject({ openapi: '3.1.0', info: { version: '0.1.0' } });
    for (const path of Object.keys(document.paths)) {
      // A method that nothing has: 405 proves that the path is known.
      const reply = await door.send('PUT', path.replace(/\{\w+\}/g, 'x'));
      expect([path, reply.status]).toEqual([path, 405]);
    }
  } finally {
    await door.door.close(0);
  }
});
