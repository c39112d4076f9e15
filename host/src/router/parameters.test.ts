import { describe, expect, it } from '@jest/globals';
import { GenerateRequest, GetCapabilitiesResponse, Sampling } from '@outrigger/proto';
import { readParameters } from '../registry/parameter-set.js';
import { negotiateGenerate } from './parameters.js';

const known = readParameters(
  GetCapabilitiesResponse.create({
    parameters: [
      { name: 'temperature', schemaJson: '', description: '' },
      { name: 'max_tokens', schemaJson: '', description: '' },
      { name: 'mirostat', schemaJson: '{"type":"integer","minimum":0,"maximum":2}', description: '' },
      { name: 'broken', schemaJson: '{"type":', description: '' },
    ],
  }),
).generate;

function negotiate(asked: Record<string, unknown>, strict = false) {
  const request = GenerateRequest.create({
    sampling: Sampling.create({ temperature: 0.5, topK: 3, maxOutputTokens: 9, stop: ['x'] }),
    tools: [{ name: 't', description: '', parametersJson: '{}' }],
  });
  const ignored = negotiateGenerate(request, new Map(Object.entries(asked)), known, strict, 'one');
  return { request, ignored };
}

describe('negotiateGenerate', () => {
  it('keeps typed fields that the plugin knows, under either spelling', () => {
    const { request, ignored } = negotiate({ temperature: 0.5, max_completion_tokens: 9 });
    expect(ignored).toEqual([]);
    expect(request.sampling).toMatchObject({ temperature: 0.5, maxOutputTokens: 9 });
    expect(request.extensions).toEqual({});
  });

  it("hands the plugin's own parameters on as JSON text", () => {
    expect(negotiate({ mirostat: 2 }).request.extensions).toEqual({ mirostat: '2' });
    expect(negotiate({ broken: { a: 1 } }).request.extensions).toEqual({ broken: '{"a":1}' });
  });

  it('refuses a value that breaks the schema, naming the field', () => {
    expect(() => negotiate({ mirostat: 7 })).toThrow(
      expect.objectContaining({
        kind: 'invalid_request',
        param: 'mirostat',
        message: expect.stringContaining('mirostat'),
      }),
    );
  });

  it('takes out what the plugin does not know and names it', () => {
    const { request, ignored } = negotiate({ top_k: 3, stop: ['x'], tools: [], store: true });
    expect(ignored).toEqual(['top_k', 'stop', 'tools', 'store']);
    expect(request.sampling).toMatchObject({ topK: undefined, stop: [] });
    expect(request.tools).toEqual([]);
    expect(request.extensions).toEqual({});
  });

  it('says nothing of parameters that only the host needs', () => {
    expect(negotiate({ stream: true, stream_options: {} }).ignored).toEqual([]);
  });

  it('refuses instead when strict, with the nearest known name', () => {
    expect(() => negotiate({ mirostadt: 1 }, true)).toThrow(
      expect.objectContaining({
        kind: 'unsupported_parameter',
        param: 'mirostadt',
        message: expect.stringContaining('mirostat'),
      }),
    );
  });
});
