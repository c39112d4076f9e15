import { randomBytes } from 'node:crypto';
import { link, lstat, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EndpointError } from './endpoint.js';

/**
 * The file of a unix socket. A server that closes removes the path that it was
 * bound to, whoever listens there by then; so the socket is bound to a hidden
 * name beside its path and shown under the path when it is ready.
 */
export class SocketFile {
  /** Where to bind. At most six bytes longer than the path. */
  readonly hidden: string;
  readonly #path: string;
  #identity: string | undefined;

  constructor(path: string) {
    this.#path = path;
    this.hidden = join(dirname(path), `.${randomBytes(3).toString('hex')}`);
  }

  /**
   * Gives the socket its path.
   * @throws EndpointError when another process was faster.
   */
  async show(): Promise<void> {
    this.#identity = await identityOf(this.hidden);
    try {
      await link(this.hidden, this.#path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') {
        throw new EndpointError(
          `unix://${this.#path}`,
          'another process listens here; choose another path or stop it',
        );
      }
      // Not every file system has links.
      await rename(this.hidden, this.#path);
      return;
    }
    await unlink(this.hidden);
  }

  /** Removes the path, unless a successor listens there. Never throws. */
  async remove(): Promise<void> {
    try {
      if ((await identityOf(this.#path)) === this.#identity) await unlink(this.#path);
    } catch {
      // It is gone already.
    }
  }
}

async function identityOf(path: string): Promise<string> {
  const { dev, ino } = await lstat(path);
  return `${dev}:${ino}`;
}
