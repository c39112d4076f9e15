import { describe, expect, it } from '@jest/globals';
import { configSchema, parseAddress } from './config.js';

describe('addresses', () => {
  it.each([
    ['grpc://127.0.0.1:8001', '127.0.0.1:8001', false],
    ['127.0.0.1:8001', '127.0.0.1:8001', false],
    ['triton.models.svc:8001', 'triton.models.svc:8001', false],
    ['grpcs://triton:443', 'triton:443', true],
    ['dns:///triton:8001', 'triton:8001', false],
    ['[::1]:8001', '[::1]:8001', false],
    ['unix:/run/triton.sock', 'unix:/run/triton.sock', false],
    ['unix:///run/triton.sock', 'unix:/run/triton.sock', false],
  ])('%s', (url, target, secure) => {
    expect(parseAddress(url)).toEqual({ target, secure });
  });

  it.each(['', 'triton', 'ftp://a:1', 'grpc://a:99999', 'grpc://a:1/path', 'unix:relative'])(
    '%s is none',
    (url) => {
      expect(parseAddress(url)).toBeUndefined();
    },
  );
});

describe('the configuration', () => {
  it('may be empty', () => {
    expect(configSchema.parse({}).endpoints).toMatchObject([
      { name: 'default', url: 'grpc://127.0.0.1:8001' },
    ]);
  });

  it.each([
    [{ endpoints: [{ url: 'nowhere' }] }, 'endpoints.0.url'],
    [{ endpoints: [{ url: 'a:1' }, { url: 'b:1' }] }, 'endpoints.1.name'],
    [{ endpoints: [{ url: 'a:1', metadata: { 'X-Key': '1' } }] }, 'endpoints.0.metadata.X-Key'],
    [{ endpoints: [{ url: 'a:1', tls: { ca: '/does/not/exist.pem' } }] }, 'endpoints.0.tls.ca'],
    [{ models: { m: { shape: 'cube' } } }, 'models.m.shape'],
    [{ endpoint: [] }, ''],
  ])('%j names %s', (config, path) => {
    const result = configSchema.safeParse(config);
    expect(result.error?.issues.map((issue) => issue.path.join('.'))).toContain(path);
  });
});
