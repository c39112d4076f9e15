import type {
  Server,
  ServerUnaryCall,
  ServerWritableStream,
  UntypedServiceImplementation,
  sendUnaryData,
} from '@grpc/grpc-js';
import { HealthDefinition, HealthCheckResponse_ServingStatus, methodsOf } from '@outrigger/proto';
import type { ServingStatus } from 'grpc-health-check';
import { StreamCaller } from './grpc-caller.js';
import { grpcServiceOf } from './grpc-service.js';
import { loadHealthCheck } from './health-library.js';
import type { PluginInstance } from './instance.js';
import { OpenCall } from './open-call.js';
import { statusFor, statusOf } from './status.js';

/** The library's words for a status. */
interface Answer {
  readonly status: keyof typeof HealthCheckResponse_ServingStatus;
}

type Check = (
  call: { request: { service: string } },
  callback: (error: { code: number; details: string } | null, answer?: Answer) => void,
) => void;

/** What the library's watch needs of a call. */
interface Watched {
  request: { service: string };
  write(answer: Answer): void;
  on(event: 'cancelled', listener: () => void): void;
}

/** The plugin's health, as a whole and by service. */
export interface Health {
  /** Says for everything that is served whether it takes requests. */
  set(serving: boolean): void;
}

/**
 * Serves grpc.health.v1.Health with grpc-health-check behind our own codec. A
 * watch never ends by itself, so it is an open call that stopping cuts.
 */
export function addHealth(server: Server, instance: PluginInstance, services: readonly string[]): Health {
  const names = ['', ...services];
  const { HealthImplementation } = loadHealthCheck();
  const implementation = new HealthImplementation();
  const set = (serving: boolean): void => {
    const status: ServingStatus = serving ? 'SERVING' : 'NOT_SERVING';
    for (const name of names) implementation.setStatus(name, status);
  };
  set(true);

  let library: UntypedServiceImplementation = {};
  implementation.addToServer({
    addService: (_, handlers) => (library = handlers as UntypedServiceImplementation),
  });
  const check = library['check'] as unknown as Check;
  const watch = library['watch'] as unknown as (call: Watched) => void;

  const methods = methodsOf(HealthDefinition);
  const encode = ({ status }: Answer): Buffer =>
    methods.check.response.encode({ status: HealthCheckResponse_ServingStatus[status] });

  server.addService(grpcServiceOf(HealthDefinition), {
    check: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      try {
        check({ request: methods.check.request.decode(call.request) }, (error, answer) => {
          if (answer === undefined) callback(statusFor('NOT_FOUND', error?.details ?? 'unknown service'));
          else callback(null, encode(answer));
        });
      } catch {
        callback(statusFor('INVALID_REQUEST', 'the request is not a HealthCheckRequest'));
      }
    },
    watch: (call: ServerWritableStream<Buffer, Buffer>) => {
      const open = new OpenCall(new StreamCaller(call), instance.work, instance.log, false, '');
      try {
        const request = methods.watch.request.decode(call.request);
        watch({
          request,
          write: (answer) => {
            if (!open.aborted) call.write(encode(answer));
          },
          on: (_, listener) =>
            open.onAbort((reason) => {
              listener();
              call.emit('error', statusOf(reason, open));
              open.close();
            }),
        });
      } catch {
        call.emit('error', statusFor('INVALID_REQUEST', 'the request is not a HealthCheckRequest'));
        open.close();
      }
    },
  });
  instance.served.push(HealthDefinition.fullName);
  return { set };
}
