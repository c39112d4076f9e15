import { readFileSync } from 'node:fs';
import { describe, it, expect } from '@jest/globals';
import Ajv2020 from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { configJsonSchema, withOptionTables } from './documents.js';
import { listOptions } from './options.js';

const docs = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

describe('generated documents', () => {
  it('are what `npm run generate:config` makes now', () => {
    expect(JSON.parse(docs('config.schema.json'))).toEqual(JSON.parse(JSON.stringify(configJsonSchema())));
    expect(docs('config.schema.json')).toBe(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
    expect(docs('config.md')).toBe(withOptionTables(docs('config.md')));
  });

  it('describe every option', () => {
    expect(listOptions().filter(({ description }) => description.length < 10)).toEqual([]);
    expect(listOptions().length).toBeGreaterThan(50);
  });

  it('hold a JSON Schema that accepts the example of the manual and refuses misspelt names', () => {
    const validate = new Ajv2020.default({ strict: false }).compile(configJsonSchema());
    const example: unknown = parse(/```yaml\n([\s\S]*?)```/.exec(docs('config.md'))?.[1] ?? '');
    expect(validate(example)).toBe(true);
    expect(validate({ server: { port: '${PORT:-1}' } })).toBe(true);
    expect(validate({ server: { prot: 1 } })).toBe(false);
    expect(validate({ server: { port: 'x' } })).toBe(false);
  });
});
