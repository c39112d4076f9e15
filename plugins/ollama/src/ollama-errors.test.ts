import { describe, it, expect } from '@jest/globals';
import { connectionError, readFailure, saysNotRunning, upstreamError } from './ollama-errors.js';

const nested = (error: object): string => JSON.stringify({ error: JSON.stringify({ error }) });

describe('upstreamError', () => {
  it.each([
    [400, '{"error":"\\"tiny\\" does not support thinking"}', 'UNSUPPORTED_PARAMETER'],
    [400, '{"error":"typical_p is no longer supported"}', 'UNSUPPORTED_PARAMETER'],
    [400, '{"error":"invalid character"}', 'INVALID_REQUEST'],
    [400, '{"error":"the input length exceeds the context length"}', 'CONTEXT_LENGTH_EXCEEDED'],
    [500, '{"error":"option \\"num_ctx\\" must be of type integer"}', 'INVALID_REQUEST'],
    [401, '{"error":"unauthorized","signin_url":"https://example.org"}', 'UPSTREAM_UNAUTHENTICATED'],
    [403, '{"error":"model does not support this account"}', 'UPSTREAM_PERMISSION_DENIED'],
    [404, '{"error":"model \'x\' not found"}', 'MODEL_NOT_FOUND'],
    [429, '{"error":"slow down"}', 'RATE_LIMITED'],
    [499, '{"error":"request canceled"}', 'UPSTREAM_UNAVAILABLE'],
    [500, '{"error":"model requires more system memory (9 GiB) than is available"}', 'OUT_OF_MEMORY'],
    [500, '{"error":"llama runner process has terminated: signal: killed"}', 'MODEL_BROKEN'],
    [500, '{"error":"something else"}', 'UPSTREAM_ERROR'],
    [501, '{"error":"This server does not support embeddings."}', 'UNSUPPORTED_OPERATION'],
    [400, '{"error":"\\"embed\\" does not support chat"}', 'UNSUPPORTED_OPERATION'],
    [502, '<html>bad gateway</html>', 'UPSTREAM_UNAVAILABLE'],
    [503, '{"error":"server busy, please try again.  maximum pending requests exceeded"}', 'QUEUE_FULL'],
    [418, '', 'UPSTREAM_ERROR'],
  ])('%i %s is %s', (status, body, reason) => {
    expect(upstreamError(status, body).reason).toBe(reason);
  });

  it('reads the error of the engine out of the text of the error', () => {
    const body = nested({
      code: 400,
      message: 'request (3021 tokens) exceeds the available context size (512 tokens)',
      n_prompt_tokens: 3021,
      n_ctx: 512,
    });
    const error = upstreamError(400, body);
    expect(error.reason).toBe('CONTEXT_LENGTH_EXCEEDED');
    expect(error.message).toMatch(/^request \(3021 tokens\) exceeds/);
    expect(error.details.metadata).toMatchObject({ prompt_tokens: '3021', context_length: '512' });
    expect(readFailure(200, nested({ code: 400, message: 'm' })).status).toBe(400);
  });

  it('shows neither paths nor markup nor endless text', () => {
    const { message } = upstreamError(
      500,
      '{"error":"open /home/someone/.ollama/blobs/sha256-1: no such file"}',
    );
    expect(message).toBe('Ollama: open …: no such file');
    expect(upstreamError(500, '{"error":"Get \\"https://example.org/v2/a/b\\": eof"}').message).toContain(
      'https://example.org/v2/a/b',
    );
    expect(upstreamError(500, '<!doctype html><p>x').message).not.toContain('<');
    expect(upstreamError(500, 'x'.repeat(10_000)).message.length).toBeLessThan(600);
  });

  it('says when to come back', () => {
    expect(upstreamError(429, '{"error":"x"}', '7').details.retryAfterMs).toBe(7000);
    expect(upstreamError(503, '{"error":"server busy"}').details.retryAfterMs).toBe(1000);
  });
});

describe('connectionError', () => {
  const error = (code: string) => Object.assign(new Error('x'), { code });

  it('tells an Ollama that does not run from one that broke', () => {
    const refused = connectionError(error('ECONNREFUSED'), 'http://h:1', false);
    expect(refused.reason).toBe('UPSTREAM_UNAVAILABLE');
    expect(refused.message).toMatch(/is Ollama running at http:\/\/h:1\?.*ollama serve/);
    expect(saysNotRunning(refused)).toBe(true);
    const reset = connectionError(error('ECONNRESET'), 'http://h:1', false);
    expect(reset.reason).toBe('UPSTREAM_UNAVAILABLE');
    expect(saysNotRunning(reset)).toBe(false);
  });

  it('calls an answer that broke off truncated, and silence a timeout', () => {
    expect(connectionError(error('UND_ERR_SOCKET'), 'u', true).reason).toBe('TRUNCATED');
    expect(connectionError(error('UND_ERR_BODY_TIMEOUT'), 'u', true).reason).toBe('UPSTREAM_TIMEOUT');
    expect(connectionError(error('UND_ERR_HEADERS_TIMEOUT'), 'u', false).reason).toBe('UPSTREAM_TIMEOUT');
    expect(connectionError(new AggregateError([error('ECONNREFUSED')]), 'u', false).message).toMatch(
      /ollama serve/,
    );
  });
});
