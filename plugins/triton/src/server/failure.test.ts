import { status } from '@grpc/grpc-js';
import { describe, expect, it } from '@jest/globals';
import { ServerError } from './connection.js';
import { failureOf, scrub } from './failure.js';

describe('scrubbing', () => {
  it('leaves the sentence and takes out where it happened', () => {
    const triton =
      "load failed for model 'broken': version 1 is at UNAVAILABLE state: Internal: RuntimeError: weights missing\n\nAt:\n" +
      '  /srv/models/broken/1/model.py(3): <module>\n  <frozen importlib._bootstrap>(241): _call_with_frames_removed\n;';
    expect(scrub(triton)).toBe("load failed for model 'broken': version 1 is at UNAVAILABLE state: Internal: RuntimeError: weights missing");
    const python = 'Traceback (most recent call last):\n  File "/srv/a/b.py", line 3, in run\n    raise ValueError("no")\nValueError: no';
    expect(scrub(python)).toBe('ValueError: no');
    expect(scrub('cannot open /home/me/models/x.bin (No such file)')).toBe('cannot open <path> (No such file)');
  });

  it('leaves what is no path', () => {
    expect(scrub('expected 3/4 or and/or of http://host/v2/models')).toBe('expected 3/4 or and/or of http://host/v2/models');
    expect(scrub('x'.repeat(10_000))).toHaveLength(400);
  });
});

describe('the meaning of an error', () => {
  const cases: [code: number, message: string, reason: string, fromModel?: boolean][] = [
    [status.UNAVAILABLE, "This protocol is restricted, expecting header 'triton-grpc-protocol-x'", 'UPSTREAM_PERMISSION_DENIED'],
    [status.UNAVAILABLE, 'No connection established. Last error: connect ECONNREFUSED 127.0.0.1:1', 'UPSTREAM_UNAVAILABLE'],
    [status.UNAVAILABLE, "[request id: 1] Exceeds maximum queue size", 'QUEUE_FULL'],
    [status.UNAVAILABLE, 'Request timeout expired', 'UPSTREAM_TIMEOUT'],
    [status.NOT_FOUND, "Request for unknown model: 'x' is not found", 'absent'],
    [status.OK, "Request for unknown model: 'x' is not found", 'absent'],
    [status.OK, "unexpected shape for input 'a' for model 'b'", 'INVALID_REQUEST'],
    [status.OK, 'the model failed', 'UPSTREAM_ERROR', true],
    [status.INVALID_ARGUMENT, 'prompt exceeds the maximum context length', 'CONTEXT_LENGTH_EXCEEDED'],
    [status.INTERNAL, "Stub process 'x_0_0' is not healthy.", 'MODEL_BROKEN'],
    [status.INTERNAL, 'CUDA out of memory', 'OUT_OF_MEMORY'],
    [status.INTERNAL, 'Received RST_STREAM with code 2', 'UPSTREAM_UNAVAILABLE'],
    [status.RESOURCE_EXHAUSTED, 'Received message larger than max (9 vs 4)', 'MESSAGE_TOO_LARGE'],
    [status.DATA_LOSS, 'the stream ended before the answer did', 'TRUNCATED'],
    [status.UNIMPLEMENTED, 'unknown method', 'UNSUPPORTED_OPERATION'],
    [status.CANCELLED, 'cancelled', 'UPSTREAM_ERROR'],
  ];
  it.each(cases)('%i %s is %s', (code, message, reason, fromModel = false) => {
    expect(failureOf(new ServerError(code, message, fromModel))).toMatchObject({ reason });
  });
});
