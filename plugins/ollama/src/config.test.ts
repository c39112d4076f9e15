import { describe, it, expect } from '@jest/globals';
import { configSchema, readAddress } from './config.js';

const read = (value: unknown, environment: Record<string, string> = {}) => {
  const result = configSchema(environment).safeParse(value);
  if (!result.success)
    throw new Error(result.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`).join('; '));
  return result.data;
};

describe('the address of Ollama', () => {
  it.each([
    ['', 'http://127.0.0.1:11434/'],
    ['  "10.0.0.5"  ', 'http://10.0.0.5:11434/'],
    ['0.0.0.0', 'http://127.0.0.1:11434/'],
    ['0.0.0.0:4000', 'http://127.0.0.1:4000/'],
    [':4000', 'http://127.0.0.1:4000/'],
    ['example.org', 'http://example.org:11434/'],
    ['example.org:99999', 'http://example.org:11434/'],
    ['http://example.org', 'http://example.org/'],
    ['https://example.org', 'https://example.org/'],
    ['https://example.org:8443/ollama/', 'https://example.org:8443/ollama'],
    ['::1', 'http://[::1]:11434/'],
    ['[::]:5000', 'http://[::1]:5000/'],
    ['ollama.com', 'https://ollama.com/'],
    ['http://', 'http://127.0.0.1/'],
  ])('%j is %s', (given, expected) => {
    expect(readAddress(given)?.href).toBe(expected);
  });

  it.each(['ftp://example.org', 'a b c', 'http://user:secret@example.org', 'http://h/?q'])(
    '%j is none',
    (given) => {
      expect(readAddress(given)).toBeUndefined();
    },
  );
});

describe('the configuration', () => {
  it('is complete when nothing is given', () => {
    const config = read({});
    expect(config.baseUrl.href).toBe('http://127.0.0.1:11434/');
    expect(config).toMatchObject({ truncate: false, shift: false, connections: 128, keepAlive: undefined });
  });

  it('takes address and key from the environment, and its own values first', () => {
    const environment = { OLLAMA_HOST: '0.0.0.0:9', OLLAMA_API_KEY: ' k ' };
    expect(read({}, environment)).toMatchObject({ apiKey: 'k' });
    expect(read({}, environment).baseUrl.port).toBe('9');
    expect(read({ baseUrl: 'localhost:7', apiKey: 'own' }, environment)).toMatchObject({ apiKey: 'own' });
    expect(read({ baseUrl: 'localhost:7' }, environment).baseUrl.href).toBe('http://localhost:7/');
  });

  it('keeps durations and options as JSON text', () => {
    const config = read({ keepAlive: '10m', options: { num_ctx: 512, stop: ['a'] } });
    expect(config.keepAlive).toBe('"10m"');
    expect([...config.options]).toEqual([
      ['num_ctx', '512'],
      ['stop', '["a"]'],
    ]);
    expect(read({ keepAlive: -1 }).keepAlive).toBe('-1');
  });

  it('names what is wrong', () => {
    expect(() => read({ keepAlive: 'soon' })).toThrow(/keepAlive/);
    expect(() => read({ baseUrl: 'ftp://x' })).toThrow(/baseUrl is not an address/);
    expect(() => read({}, { OLLAMA_HOST: 'ftp://x' })).toThrow(/OLLAMA_HOST/);
    expect(() => read({ basUrl: 'x' })).toThrow(/basUrl/);
  });
});
