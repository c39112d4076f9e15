import { describe, expect, it } from '@jest/globals';
import { EngineError, ENGINE_ERROR_KINDS } from '../engine/errors.js';
import { callError, pluginError } from './errors.js';

const never = new AbortController().signal;

describe('pluginError', () => {
  it.each(ENGINE_ERROR_KINDS)('has a reason for %s and keeps the message', (kind) => {
    const error = pluginError(new EngineError(kind, 'why', { detail: '/secret/path' }));
    expect(error.reason).toMatch(/^[A-Z_]+$/);
    expect(error.message).toBe('why');
    expect(JSON.stringify(error.details.metadata)).not.toContain('secret');
  });

  it('names the field and how much does not fit', () => {
    const details = { param: 'messages', promptTokens: 9, contextLength: 4 };
    expect(pluginError(new EngineError('context_length', 'too long', details)).details).toMatchObject({
      fields: [{ field: 'messages', description: 'too long' }],
      metadata: { prompt_tokens: '9', context_length: '4' },
    });
  });

  it('tells a crash before the first word, which may be tried again, from one after it', () => {
    const crash = new EngineError('crashed', 'SIGSEGV');
    expect(pluginError(crash, false).reason).toBe('UPSTREAM_UNAVAILABLE');
    expect(pluginError(crash, true).reason).toBe('UPSTREAM_ERROR');
  });

  it('tells what a model cannot do at all from a parameter', () => {
    expect(pluginError(new EngineError('unsupported', 'x', { param: 'model' })).reason).toBe(
      'UNSUPPORTED_OPERATION',
    );
    expect(pluginError(new EngineError('unsupported', 'x', { param: 'n' })).reason).toBe(
      'UNSUPPORTED_PARAMETER',
    );
  });
});

describe('callError', () => {
  it("leaves the caller's own reason as it is: a deadline is not a cancellation", () => {
    const late = new DOMException('too late', 'TimeoutError');
    expect(callError(new EngineError('cancelled', 'x'), AbortSignal.abort(late))).toBe(late);
  });

  it('translates the errors of engines and no others', () => {
    expect(callError(new EngineError('queue_full', 'x'), never)).toMatchObject({ reason: 'QUEUE_FULL' });
    const bug = new TypeError('bug');
    expect(callError(bug, never)).toBe(bug);
  });
});
