import { lstat, open, readFile, readdir, readlink, rmdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** Beginning of the names of folders that hosts make for sockets. */
export const folderPrefix = 'outrigger-';

const folderName = /^outrigger-[A-Za-z0-9]{6}$/;
/** File in such a folder that tells whose it is. */
const ownerFile = 'host';
/** Most folders looked at, and longest owner file in bytes. */
const maxFolders = 500;
const maxOwnerBytes = 1000;

/** A process, so that neither its number given anew nor the same number elsewhere is taken for it. */
interface Owner {
  readonly machine: string;
  /** Of process numbers; empty where there are none. */
  readonly namespace: string;
  readonly pid: number;
  /** When it was started, in the kernel's own measure; empty where it cannot be told. */
  readonly started: string;
}

/** Writes into a folder that it is this process's. */
export async function claimFolder(path: string): Promise<void> {
  const owner: Owner = {
    machine: hostname(),
    namespace: await namespace(),
    pid: process.pid,
    started: (await startOf(process.pid)) ?? '',
  };
  const file = await open(join(path, ownerFile), 'wx', 0o600);
  try {
    await file.writeFile(JSON.stringify(owner));
  } finally {
    await file.close();
  }
}

/**
 * Removes folders of hosts that are dead: of this user, claimed by a process of
 * this machine that is no more, with nothing in them but sockets on which nobody
 * answers. Whatever else there is stays. True when a plugin of a dead host still
 * answers in one, so that another look may find more.
 */
export async function removeAbandoned(base: string): Promise<boolean> {
  const names = (await readdir(base).catch(() => [])).filter((name) => folderName.test(name));
  let more = false;
  for (const name of names.slice(0, maxFolders)) {
    more = (await removeFolder(join(base, name)).catch(() => false)) || more;
  }
  return more;
}

async function removeFolder(path: string): Promise<boolean> {
  const found = await lstat(path);
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o077) !== 0) return false;
  if (!(await ownerIsDead(path))) return false;
  const sockets = (await readdir(path)).filter((name) => name !== ownerFile).map((name) => join(path, name));
  for (const socket of sockets) {
    if (!(await lstat(socket)).isSocket()) return false;
    if (await answers(socket)) return true;
  }
  for (const one of [...sockets, join(path, ownerFile)]) await unlink(one);
  // Never what is in it: what came meanwhile keeps the folder.
  await rmdir(path);
  return false;
}

async function ownerIsDead(path: string): Promise<boolean> {
  const file = join(path, ownerFile);
  const { size } = await lstat(file);
  if (size > maxOwnerBytes) return false;
  const owner = JSON.parse(await readFile(file, 'utf8')) as Partial<Owner>;
  if (owner.machine !== hostname() || owner.namespace !== (await namespace())) return false;
  const { pid, started } = owner;
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
  const now = await startOf(pid);
  return now !== undefined && started !== undefined && started !== '' && now !== started;
}

async function namespace(): Promise<string> {
  return readlink('/proc/self/ns/pid').catch(() => '');
}

/** When a process was started; undefined when it cannot be told. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const line = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The name in brackets may hold anything; the time is the twentieth field after it.
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/** False only when it is certain that nobody listens on a socket. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const end = (listens: boolean): void => {
      socket.destroy();
      resolve(listens);
    };
    socket.setTimeout(1000, () => {
      end(true);
    });
    socket.once('connect', () => {
      end(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      end(error.code !== 'ECONNREFUSED');
    });
  });
}
