import type { ServiceError } from '@grpc/grpc-js';
import {
  BadRequest,
  ErrorInfo,
  RetryInfo,
  RpcStatus,
  codecOf,
  grpcCode,
  type GrpcCodeName,
} from '@outrigger/proto';

const names = new Map<number, GrpcCodeName>(
  (Object.entries(grpcCode) as [GrpcCodeName, number][]).map(([name, code]) => [code, name]),
);

/** An error that a plugin answered, with its details decoded. */
export class RpcError extends Error {
  /** Name of the gRPC code, for example "INVALID_ARGUMENT". */
  readonly code: GrpcCodeName;
  /** `google.rpc.ErrorInfo.reason`; empty when the plugin sent none. */
  readonly reason: string = '';
  /** `google.rpc.ErrorInfo.domain`; empty when the plugin sent none. */
  readonly domain: string = '';
  readonly metadata: Readonly<Record<string, string>> = {};
  /** `google.rpc.RetryInfo`, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** `google.rpc.BadRequest`. */
  readonly fields: readonly { readonly field: string; readonly description: string }[] = [];

  constructor(error: ServiceError) {
    super(error.details, { cause: error });
    this.name = 'RpcError';
    this.code = names.get(error.code) ?? 'UNKNOWN';
    const [bytes] = error.metadata.get('grpc-status-details-bin');
    if (!Buffer.isBuffer(bytes)) return;
    for (const detail of codecOf(RpcStatus).decode(bytes).details) {
      switch (detail.typeUrl) {
        case 'type.googleapis.com/google.rpc.ErrorInfo': {
          const info = codecOf(ErrorInfo).decode(detail.value);
          this.reason = info.reason;
          this.domain = info.domain;
          this.metadata = info.metadata;
          break;
        }
        case 'type.googleapis.com/google.rpc.RetryInfo': {
          const { retryDelay } = codecOf(RetryInfo).decode(detail.value);
          this.retryAfterMs = Number(retryDelay?.seconds ?? 0n) * 1000 + (retryDelay?.nanos ?? 0) / 1_000_000;
          break;
        }
        case 'type.googleapis.com/google.rpc.BadRequest':
          this.fields = codecOf(BadRequest).decode(detail.value).fieldViolations;
          break;
      }
    }
  }
}
