import {
  HealthDefinition,
  grpcCode,
  methodsOf,
  type GetModelResponse,
  type ListModelsResponse,
  type Method,
  type Operation,
} from '@outrigger/proto';
import type { PluginInstance, PluginManifest } from '../instance.js';
import { contract } from '../plugin-client.js';
import { connectionBroken, errorDetails } from '../plugin-failure.js';
import type { TransportCall } from '../transport.js';

/** Models asked for at once. */
export const pageSize = 500;

/** A model that no plugin has. */
export const unknownModel = 'outrigger-smoke-check-no-such-model';

const health = methodsOf(HealthDefinition);

/** What came of a harmless call. */
export interface Outcome<Response = unknown> {
  /** Canonical gRPC code; OK as soon as a stream has begun to answer. */
  readonly code: number;
  /** From google.rpc.ErrorInfo. */
  readonly reason: string | undefined;
  readonly domain: string | undefined;
  readonly answer: Response | undefined;
}

/** Thrown when a call does not end in time. */
export class Unanswered extends Error {
  constructor(readonly what: string) {
    super(what);
  }
}

/** Thrown when the connection is lost meanwhile. */
export class ConnectionLost extends Error {}

/** Longest wait for one call, in milliseconds: what the plugin knows itself, and what its runtime may have to say. */
export interface ProbeDeadlines {
  readonly ownMs: number;
  readonly runtimeMs: number;
}

/**
 * Calls that change nothing and start no work, for the checks of a candidate.
 * Each is made once, however many checks look at it.
 */
export class Probes {
  private readonly made = new Map<string, Promise<Outcome>>();
  private readonly open = new Set<TransportCall>();

  constructor(
    private readonly instance: PluginInstance,
    readonly manifest: PluginManifest,
    private readonly deadlines: ProbeDeadlines,
  ) {}

  /** Gives up what is still under way. */
  end(): void {
    for (const call of this.open) call.cancel();
  }

  offers(operation: Operation): boolean {
    return this.manifest.capabilities.operations.includes(operation);
  }

  info() {
    return this.once('GetPluginInfo', contract.identity.getPluginInfo, { hostName: '', hostVersion: '' });
  }

  /** GetPluginInfo with a field that no version of the contract has. */
  infoWithUnknownField() {
    const method = contract.identity.getPluginInfo;
    // Field 1000, a varint.
    const unknown = Buffer.from([0xc0, 0x3e, 0x01]);
    const encode: typeof method.request.encode = (request) =>
      Buffer.concat([method.request.encode(request), unknown]);
    const odd = { ...method, request: { ...method.request, encode } };
    return this.once('GetPluginInfo with an unknown field', odd, { hostName: '', hostVersion: '' });
  }

  capabilities() {
    return this.once('GetCapabilities', contract.identity.getCapabilities, {});
  }

  healthOfUnknownService() {
    const service = 'outrigger.smoke.NoSuchService';
    return this.once('Health.Check of an unknown service', health.check, { service });
  }

  page(pageSize: number, pageToken = ''): Promise<Outcome<ListModelsResponse>> {
    const what = `ListModels ${pageSize} ${pageToken}`;
    return this.once(what, contract.models.listModels, { pageSize, pageToken }, true);
  }

  unknownModel(): Promise<Outcome<GetModelResponse>> {
    return this.once('GetModel', contract.models.getModel, { model: unknownModel }, true);
  }

  /** A call by the name of what it shows; made once. */
  once<Request, Response>(
    what: string,
    method: Method<Request, Response>,
    request: Request,
    asksRuntime = false,
  ): Promise<Outcome<Response>> {
    const before = this.made.get(what);
    if (before !== undefined) return before as Promise<Outcome<Response>>;
    const { ownMs, runtimeMs } = this.deadlines;
    const outcome = this.call(what, method, request, asksRuntime ? runtimeMs : ownMs);
    // Several checks may wait for it, or none any more.
    outcome.catch(() => undefined);
    this.made.set(what, outcome);
    return outcome;
  }

  private call<Request, Response>(
    what: string,
    method: Method<Request, Response>,
    request: Request,
    deadlineMs: number,
  ): Promise<Outcome<Response>> {
    const { client, transport } = this.instance;
    return new Promise((resolve, reject) => {
      let answer: Response | undefined;
      const ok = (): void => {
        clearTimeout(timer);
        resolve({ code: grpcCode.OK, reason: undefined, domain: undefined, answer });
      };
      const call = client.begin(
        method,
        request,
        {},
        {
          message: (bytes) => {
            try {
              answer = method.response.decode(bytes);
            } catch {
              // What cannot be read is no answer; its status is.
            }
            if (!method.responseStream) return;
            ok();
            call.cancel();
          },
          end: (status) => {
            clearTimeout(timer);
            this.open.delete(call);
            if (status.code === grpcCode.OK) ok();
            else if (connectionBroken(status) && !transport.connected()) {
              reject(new ConnectionLost(status.message));
            } else resolve({ code: status.code, ...errorDetails(status.details), answer: undefined });
          },
        },
      );
      this.open.add(call);
      // Not the call's own deadline: a plugin that ends it by that has hung all the same.
      const timer = setTimeout(() => {
        reject(new Unanswered(`${what} did not end within ${deadlineMs} ms`));
        call.cancel();
      }, deadlineMs);
      call.read();
    });
  }
}
