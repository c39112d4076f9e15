import { describe, expect, it } from '@jest/globals';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import {
  BadRequest,
  ErrorInfo,
  InferenceDefinition,
  RetryInfo,
  RpcStatus,
  methodsOf,
} from '@outrigger/proto';
import { PluginError, definePlugin } from './index.js';
import { startPlugin } from './testing.js';

/** What a bare grpc-js client gets for a CountTokens call. */
async function failure(error: unknown, bytes = Buffer.alloc(0)): Promise<ServiceError> {
  await using plugin = await startPlugin(
    definePlugin({
      name: 'subject',
      version: '1',
      countTokens: () => {
        throw error;
      },
    }),
  );
  const client = new Client(plugin.address, credentials.createInsecure());
  try {
    return await new Promise<ServiceError>((resolve, reject) => {
      client.makeUnaryRequest(
        methodsOf(InferenceDefinition).countTokens.path,
        (message: Buffer) => message,
        (message: Buffer) => message,
        bytes,
        { deadline: Date.now() + 5_000 },
        (answer) => (answer === null ? reject(new Error('it succeeded')) : resolve(answer)),
      );
    });
  } finally {
    client.close();
  }
}

function details(error: ServiceError): RpcStatus {
  return RpcStatus.decode(error.metadata.get('grpc-status-details-bin')[0] as Buffer);
}

describe('the status of an error', () => {
  it('carries reason, retry delay and wrong fields', async () => {
    const error = await failure(
      new PluginError('RATE_LIMITED', 'slow down', {
        retryAfterMs: 1_250,
        fields: [{ field: 'messages[0]', description: 'too many' }],
        metadata: { vendor_code: '429' },
      }),
    );
    expect(error).toMatchObject({ code: 8, details: 'slow down' });
    const status = details(error);
    expect(status).toMatchObject({ code: 8, message: 'slow down' });
    const [info, retry, bad] = status.details;
    expect(info?.typeUrl).toBe('type.googleapis.com/google.rpc.ErrorInfo');
    expect(ErrorInfo.decode(info?.value ?? Buffer.alloc(0))).toEqual({
      reason: 'RATE_LIMITED',
      domain: 'plugin.outrigger.dev',
      metadata: { vendor_code: '429' },
    });
    expect(RetryInfo.decode(retry?.value ?? Buffer.alloc(0)).retryDelay).toEqual({
      seconds: 1n,
      nanos: 250_000_000,
    });
    expect(BadRequest.decode(bad?.value ?? Buffer.alloc(0)).fieldViolations).toHaveLength(1);
  });

  it.each([
    ['an error that nobody meant', new Error('/home/somebody/.token')],
    ['a thrown string', 'token=abc'],
    ['an abort without a cancelled call', new DOMException('x', 'AbortError')],
  ])('hides %s', async (_, thrown) => {
    const error = await failure(thrown);
    expect(error).toMatchObject({ code: 13, details: 'the plugin failed; its log says why' });
    expect(ErrorInfo.decode(details(error).details[0]?.value ?? Buffer.alloc(0)).reason).toBe('INTERNAL');
  });

  it('survives texts that gRPC cannot carry', async () => {
    const error = await failure(new PluginError('INVALID_REQUEST', `half \ud800 ${'x'.repeat(100_000)}`));
    expect(error.code).toBe(3);
    expect(error.details.length).toBeLessThanOrEqual(1_024);
  });

  it('is INVALID_ARGUMENT for bytes that are no message', async () => {
    const error = await failure(new Error('not reached'), Buffer.from([0x0a, 0xff, 0xff, 0xff, 0x0f, 0x01]));
    expect(error.code).toBe(3);
    expect(ErrorInfo.decode(details(error).details[0]?.value ?? Buffer.alloc(0)).reason).toBe(
      'INVALID_REQUEST',
    );
  });

  it('knows the errors of another copy of this package', async () => {
    class PluginErrorCopy extends Error {
      override name = 'PluginError';
      reason = 'QUEUE_FULL';
      details = {};
    }
    expect((await failure(new PluginErrorCopy('full'))).code).toBe(8);
  });
});
