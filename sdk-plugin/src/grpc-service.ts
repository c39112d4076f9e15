import type { ServiceDefinition as GrpcServiceDefinition } from '@grpc/grpc-js';
import type { ServiceDefinition } from '@outrigger/proto';

const asItIs = (bytes: Buffer): Buffer => bytes;

/**
 * A service as grpc-js wants it. Messages pass as bytes: the handlers decode and
 * encode, so that a message that cannot be read or written becomes an error of ours.
 */
export function grpcServiceOf(service: ServiceDefinition): GrpcServiceDefinition {
  const methods = Object.entries(service.methods).map(([key, method]) => [
    key,
    {
      path: `/${service.fullName}/${method.name}`,
      requestStream: method.requestStream,
      responseStream: method.responseStream,
      requestSerialize: asItIs,
      requestDeserialize: asItIs,
      responseSerialize: asItIs,
      responseDeserialize: asItIs,
    },
  ]);
  return Object.fromEntries(methods) as GrpcServiceDefinition;
}
