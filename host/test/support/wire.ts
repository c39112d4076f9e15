import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A way to a host that can be cut, and mended at the same address. */
export interface Wire extends AsyncDisposable {
  readonly url: string;
  /** Breaks all connections and refuses new ones. */
  cut(): Promise<void>;
  /** Takes connections again, to another host when one is named. */
  mend(url?: string): Promise<void>;
}

/** Opens a way to the host at `url`, on a free port. */
export async function openWire(url: string): Promise<Wire> {
  let target = new URL(url);
  const sockets = new Set<Socket>();
  let server: Server;
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    return socket.on('close', () => sockets.delete(socket));
  };
  const listen = async (port: number): Promise<number> => {
    server = createServer((near) => {
      const far = keep(connect(Number(target.port), target.hostname));
      keep(near).pipe(far).pipe(near);
      near.on('close', () => far.destroy());
      far.on('close', () => near.destroy());
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, '127.0.0.1', resolve);
    });
    return (server.address() as AddressInfo).port;
  };
  const port = await listen(0);
  const cut = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    cut,
    mend: async (other) => {
      if (other !== undefined) target = new URL(other);
      await listen(port);
    },
    [Symbol.asyncDispose]: cut,
  };
}
