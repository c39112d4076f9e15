import type { Server, ServerDuplexStream } from '@grpc/grpc-js';
import { MultiplexDefinition } from '@outrigger/proto';
import type { Handler } from './caller.js';
import { Carrier } from './carrier.js';
import { grpcServiceOf } from './grpc-service.js';
import type { PluginInstance } from './instance.js';

/** Largest message that a host sends on a carrier, in bytes. */
const largestRequest = 512 * 1024;

/** Serves Multiplex: any of the handlers, by path, over one stream. */
export function addMultiplex(
  server: Server,
  instance: PluginInstance,
  handlers: ReadonlyMap<string, Handler>,
): void {
  // A plugin that takes small requests only could not take many of them in one message.
  if (instance.maxReceiveBytes < largestRequest) return;
  server.addService(grpcServiceOf(MultiplexDefinition), {
    carry: (stream: ServerDuplexStream<Buffer, Buffer>) => {
      new Carrier(stream, handlers, instance);
    },
  });
  instance.served.push(MultiplexDefinition.fullName);
}
