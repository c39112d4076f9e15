import { describe, expect, it } from '@jest/globals';
import { grpcCode } from '@outrigger/proto';
import { ServerError } from './connection.js';
import { failureOf, scrub } from './failure.js';

describe('scrubbing', () => {
  it('leaves the sentence and takes out where it happened', () => {
    const triton =
      "load failed for model 'broken': version 1 is at UNAVAILABLE state: Internal: RuntimeError: weights missing\n\nAt:\n" +
      '  /srv/models/broken/1/model.py(3): <module>\n  <frozen importlib._bootstrap>(241): _call_with_frames_removed\n;';
    expect(scrub(triton)).toBe(
      "load failed for model 'broken': version 1 is at UNAVAILABLE state: Internal: RuntimeError: weights missing",
    );
    const python =
      'Traceback (most recent call last):\n  File "/srv/a/b.py", line 3, in run\n    raise ValueError("no")\nValueError: no';
    expect(scrub(python)).toBe('ValueError: no');
    expect(scrub('cannot open /home/me/models/x.bin (No such file)')).toBe(
      'cannot open <path> (No such file)',
    );
  });

  it('leaves what is no path', () => {
    expect(scrub('expected 3/4 or and/or of http://host/v2/models')).toBe(
      'expected 3/4 or and/or of http://host/v2/models',
    );
    expect(scrub('x'.repeat(10_000))).toHaveLength(400);
  });
});

describe('the meaning of an error', () => {
  const cases: [code: number, message: string, reason: string, fromModel?: boolean][] = [
    [
      grpcCode.UNAVAILABLE,
      "This protocol is restricted, expecting header 'triton-grpc-protocol-x'",
      'UPSTREAM_PERMISSION_DENIED',
    ],
    [
      grpcCode.UNAVAILABLE,
      'No connection established. Last error: connect ECONNREFUSED 127.0.0.1:1',
      'UPSTREAM_UNAVAILABLE',
    ],
    [grpcCode.UNAVAILABLE, '[request id: 1] Exceeds maximum queue size', 'QUEUE_FULL'],
    [grpcCode.UNAVAILABLE, 'Request timeout expired', 'UPSTREAM_TIMEOUT'],
    [grpcCode.NOT_FOUND, "Request for unknown model: 'x' is not found", 'absent'],
    [grpcCode.OK, "Request for unknown model: 'x' is not found", 'absent'],
    [grpcCode.OK, "unexpected shape for input 'a' for model 'b'", 'INVALID_REQUEST'],
    [grpcCode.OK, 'the model failed', 'UPSTREAM_ERROR', true],
    [grpcCode.INVALID_ARGUMENT, 'prompt exceeds the maximum context length', 'CONTEXT_LENGTH_EXCEEDED'],
    [grpcCode.INTERNAL, "Stub process 'x_0_0' is not healthy.", 'MODEL_BROKEN'],
    [grpcCode.INTERNAL, 'CUDA out of memory', 'OUT_OF_MEMORY'],
    [grpcCode.INTERNAL, 'Received RST_STREAM with code 2', 'UPSTREAM_UNAVAILABLE'],
    [grpcCode.RESOURCE_EXHAUSTED, 'Received message larger than max (9 vs 4)', 'MESSAGE_TOO_LARGE'],
    [grpcCode.DATA_LOSS, 'the stream ended before the answer did', 'TRUNCATED'],
    [grpcCode.UNIMPLEMENTED, 'unknown method', 'UNSUPPORTED_OPERATION'],
    [grpcCode.CANCELLED, 'cancelled', 'UPSTREAM_ERROR'],
  ];
  it.each(cases)('%i %s is %s', (code, message, reason, fromModel = false) => {
    expect(failureOf(new ServerError(code, message, fromModel))).toMatchObject({ reason });
  });
});
