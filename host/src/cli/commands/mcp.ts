import type { Writable } from 'node:stream';
import { bridgeMcpStdio, type BridgeOptions } from '../../doors/mcp/bridge-stdio.js';
import { HostClient } from '../host-client.js';
import type { HostPort } from '../host-port.js';
import { findHost, waitUntilSettled } from '../locate-host.js';
import type { Session } from '../session.js';
import { claimStdout } from '../stdout-claim.js';
import { stopSignals } from '../stop-signals.js';

// Requests that came through a pipe may still be answered. A client that wants us gone sends a signal.
const graceMs = 5000;
const settleMs = 4000;

/** `mcp`: one MCP conversation on stdin and stdout. Nothing but JSON-RPC is ever written to stdout. */
export async function mcp(session: Session): Promise<number> {
  const output = claimStdout(session.around.stdout, session.around.stderr);
  const controller = new AbortController();
  const signals = stopSignals();
  void signals.first.then(() => controller.abort());
  output.on('error', () => controller.abort());
  try {
    const running = await findHost(session);
    if (running !== undefined) {
      session.out.note(`bridging to the host at ${running.url}`);
      await carry(session, running, output, controller.signal);
    } else {
      await ownHost(session, output, controller.signal);
    }
    return 0;
  } finally {
    signals.dispose();
  }
}

async function ownHost(session: Session, output: Writable, signal: AbortSignal): Promise<void> {
  const { around } = session;
  // Its port is nobody else's business: any free one, on loopback only.
  const { config } = await session.load({ 'server.host': '127.0.0.1', 'server.port': 0 }, session.quietLogs);
  const createHost = await around.loadHost();
  const host: HostPort = await createHost(config, { env: around.env });
  try {
    await host.start();
    // Should this fail, serving fails as well and says so.
    host.prepareStdio?.().catch(() => undefined);
    const client = new HostClient(host.address.url, config.auth.apiKeys[0]);
    // The first list of tools and models should be whole; a slow plugin is not waited for long.
    await waitUntilSettled(client, settleMs, signal);
    if (host.serveStdio === undefined) {
      await carry(session, client, output, signal);
    } else {
      await client.close();
      await host.serveStdio({ input: around.stdin, output, signal });
    }
  } finally {
    await host.close(Math.min(1000, config.server.shutdownGraceMs));
  }
}

async function carry(
  session: Session,
  client: HostClient,
  output: Writable,
  signal: AbortSignal,
): Promise<void> {
  const { url, authorization: headers } = client;
  const { stdin } = session.around;
  await client.close();
  await bridgeMcpStdio({
    url: `${url}/mcp`,
    headers,
    logger: notes(session),
    stdin,
    stdout: output,
    signal,
    graceMs,
  });
}

/** What the bridge has to say goes to stderr, one line each. */
function notes({ out }: Session): BridgeOptions['logger'] {
  const tell = (fields: object, message?: string): void => {
    const { reason } = fields as { reason?: unknown };
    out.note(`${message ?? ''}${typeof reason === 'string' ? `: ${reason}` : ''}`);
  };
  const logger: BridgeOptions['logger'] = {
    debug: () => undefined,
    info: () => undefined,
    warn: tell,
    error: tell,
    child: () => logger,
  };
  return logger;
}
