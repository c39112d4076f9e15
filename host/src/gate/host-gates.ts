import type { IncomingMessage } from 'node:http';
import { isLoopbackAddress } from './loopback.js';
import { GatewayError } from '../errors/gateway-error.js';
import { createKeyGate, keyOf, type Gate } from './api-keys.js';

/** Keys that open a host. */
export interface HostKeys {
  readonly callers: readonly string[];
  readonly admin: string | undefined;
}

/** Who may call and who may administer. The keys may be exchanged at any time. */
export class HostGates {
  private caller: Gate = () => undefined;
  private admin: Gate = () => undefined;
  private open = true;
  private keyed = false;

  constructor(keys: HostKeys) {
    this.take(keys);
  }

  /** From here on these keys count. */
  take({ callers, admin }: HostKeys): void {
    const own = admin === undefined ? [] : [admin];
    // Who may administer may call as well.
    this.caller = createKeyGate(callers.length === 0 ? [] : [...callers, ...own]);
    this.admin = createKeyGate(admin === undefined ? callers : own);
    this.keyed = callers.length > 0;
    this.open = callers.length === 0 && admin === undefined;
  }

  /** The reason why a request may not come in, or undefined. */
  mayCall({ headers }: IncomingMessage): GatewayError | undefined {
    return this.caller(headers);
  }

  /**
   * In whose name a request that was let in counts: its key, else the address that it comes from. All that
   * comes from this machine without a key is one caller, which `alsoLocal` says whether to count.
   */
  callerOf({ headers, socket }: IncomingMessage, alsoLocal: boolean): string | undefined {
    // A key that nobody checks could be another one each time.
    const key = this.keyed ? keyOf(headers) : undefined;
    if (key !== undefined) return `key ${key}`;
    const address = socket.remoteAddress ?? '';
    return isLoopbackAddress(address) && !alsoLocal ? undefined : `address ${address}`;
  }

  /** The reason why a request may not administer, or undefined. Without any key only this machine may. */
  mayAdminister({ headers, socket }: IncomingMessage): GatewayError | undefined {
    if (!this.open) return this.admin(headers);
    if (isLoopbackAddress(socket.remoteAddress)) return undefined;
    return new GatewayError(
      'permission_denied',
      'without a key the host is administered from its own machine only; set admin.apiKey',
    );
  }
}
