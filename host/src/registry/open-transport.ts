import { createGrpcTransport, type GrpcTransportOptions } from './grpc-transport.js';
import { MultiplexTransport } from './multiplex-transport.js';
import type { PluginTransport } from './transport.js';

/** Largest message taken from a plugin, in bytes. */
const maxMessageBytes = 32 * 1024 * 1024;

/** The wire to a plugin; nothing connects before `connect` or the first call. */
export function openTransport(options: Omit<GrpcTransportOptions, 'maxMessageBytes'>): PluginTransport {
  return new MultiplexTransport(createGrpcTransport({ ...options, maxMessageBytes }), maxMessageBytes);
}
