import { readdir, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';

/** A socket in the plugin directory. */
export interface Socket {
  readonly path: string;
  /** Another socket under the same path is another one. */
  readonly identity: string;
  /** When it was made, in milliseconds since the epoch. */
  readonly bornAt: number;
}

/** Most files that are considered, and most sockets that are asked who they are. */
const most = { files: 5000, sockets: 200 };

/**
 * The sockets of a directory, newest first. Where there are too many, those
 * that nobody listens on make room first, and those that are in use stay;
 * `left` tells how many have no place all the same.
 * @throws when the directory cannot be read.
 */
export async function socketsIn(
  directory: string,
  used: ReadonlyMap<string, unknown>,
): Promise<{ sockets: readonly Socket[]; left: number }> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sock')).sort();
  const looked = await Promise.all(names.slice(0, most.files).map((name) => socketAt(join(directory, name))));
  const sockets = looked.flatMap((socket) => (socket === undefined ? [] : [socket]));
  const unseen = Math.max(0, names.length - most.files);
  sockets.sort((a, b) => b.bornAt - a.bornAt);
  if (sockets.length <= most.sockets) return { sockets, left: unseen };
  const lives = await Promise.all(
    sockets.map(async (socket) => used.has(socket.path) || (await alive(socket.path))),
  );
  const live = sockets.filter((_, at) => lives[at]);
  const first = live.filter(({ path }) => used.has(path));
  const others = live.filter(({ path }) => !used.has(path));
  return {
    sockets: [...first, ...others].slice(0, most.sockets),
    left: unseen + Math.max(0, live.length - most.sockets),
  };
}

async function socketAt(path: string): Promise<Socket | undefined> {
  try {
    const found = await stat(path);
    if (!found.isSocket()) return undefined;
    const { dev, ino, birthtimeMs, ctimeMs } = found;
    return { path, identity: `${dev}:${ino}:${ctimeMs}`, bornAt: birthtimeMs || ctimeMs };
  } catch {
    return undefined;
  }
}

/** True when somebody listens on a socket. */
export function alive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const end = (lives: boolean): void => {
      socket.destroy();
      resolve(lives);
    };
    socket.setTimeout(1000, () => {
      end(false);
    });
    socket.once('connect', () => {
      end(true);
    });
    socket.once('error', () => {
      end(false);
    });
  });
}
