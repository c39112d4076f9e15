import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { GgufError } from '../gguf/byte-window.js';
import { readGgufHeader } from '../gguf/reader.js';
import { HubClient, type RemoteFile } from './hub-client.js';
import { PullError } from './pull-error.js';
import type { PullSource } from './source.js';

/** How far a fetch has come. */
export interface PullProgress {
  readonly status: string;
  readonly totalBytes?: number;
  readonly completedBytes?: number;
}

/** Broken connections in a row, without a byte between them, until it is given up. */
const MAX_ATTEMPTS = 5;
const REPORT_EVERY_MS = 250;

/**
 * Fetches a model file into a folder: with progress, resumed from a `.part` file of the same version, its size and
 * SHA-256 checked when the server tells them, moved into place only when it is whole and a GGUF file.
 *
 * @returns the path of the file, by the generator's return value.
 */
export async function* download(
  source: PullSource,
  folder: string,
  token: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<PullProgress, string, void> {
  const target = join(folder, source.fileName);
  const part = `${target}.part`;
  const client = new HubClient(token);
  try {
    yield { status: 'asking for the file' };
    const remote = await client.describe(source, signal);
    await mkdir(dirname(target), { recursive: true });
    if (await isSame(target, remote, signal)) {
      yield done('already there', remote.size);
      return target;
    }
    yield* fetchPart(client, source, remote, part, signal);
    yield { status: 'checking', ...sizes(remote.size, remote.size) };
    await checkPart(part, remote, signal);
    await rename(part, target);
    await rm(`${part}.json`, { force: true });
    yield done('done', (await stat(target)).size);
    return target;
  } catch (error) {
    throw explained(error, signal);
  } finally {
    await client.close();
  }
}

function sizes(total: number | undefined, completed: number | undefined): Partial<PullProgress> {
  return {
    ...(total === undefined ? {} : { totalBytes: total }),
    ...(completed === undefined ? {} : { completedBytes: completed }),
  };
}

function done(status: string, size: number | undefined): PullProgress {
  return { status, ...sizes(size, size) };
}

async function* fetchPart(
  client: HubClient,
  source: PullSource,
  remote: RemoteFile,
  part: string,
  signal: AbortSignal,
): AsyncGenerator<PullProgress, void, void> {
  let have = await resumable(part, remote);
  await writeFile(`${part}.json`, JSON.stringify({ version: remote.version }));
  let reported = 0;
  for (let attempt = 1; ; attempt++) {
    const before = have;
    try {
      if (remote.size !== undefined && have >= remote.size) return;
      const response = await client.fetch(source, have, signal);
      if (response.statusCode === 416) {
        await response.body.dump();
        throw new PullError('checksum', 'the server has less of the file than was fetched already');
      }
      // A server that does not resume sends the whole file: begin anew.
      const append = response.statusCode === 206 && startOf(response.headers['content-range']) === have;
      if (!append) have = 0;
      const total = remote.size ?? lengthOf(response.headers['content-length'], have);
      const file = await open(part, append ? 'a' : 'w');
      try {
        for await (const chunk of response.body as AsyncIterable<Buffer>) {
          await file.write(chunk);
          have += chunk.length;
          if (total !== undefined && have > total)
            throw new PullError('checksum', 'the server sends more than it announced');
          if (Date.now() - reported < REPORT_EVERY_MS) continue;
          reported = Date.now();
          yield { status: 'fetching', ...sizes(total, have) };
        }
      } finally {
        await file.close();
      }
      if (total === undefined || have >= total) return;
      throw new PullError('unavailable', 'the connection broke off');
    } catch (error) {
      const lasting = error instanceof PullError && error.kind !== 'unavailable';
      if (lasting || signal.aborted || isDiskFull(error)) throw error;
      if (have > before) attempt = 1;
      if (attempt >= MAX_ATTEMPTS) throw error;
      yield { status: 'the connection broke off; trying again', ...sizes(remote.size, have) };
      await delay(Math.min(5_000, 100 * 2 ** attempt), undefined, { signal });
    }
  }
}

/** How many bytes of an earlier attempt can be used; a part of another version is thrown away. */
async function resumable(part: string, remote: RemoteFile): Promise<number> {
  const size = (await stat(part).catch(() => undefined))?.size ?? 0;
  const known = await readFile(`${part}.json`, 'utf8').catch(() => '{}');
  let version: unknown;
  try {
    version = (JSON.parse(known) as { version?: unknown }).version;
  } catch {
    // Written by halves; the version is unknown.
  }
  const same = remote.version !== undefined && version === remote.version;
  if (same && (remote.size === undefined || size <= remote.size)) return size;
  await rm(part, { force: true });
  return 0;
}

async function isSame(path: string, remote: RemoteFile, signal: AbortSignal): Promise<boolean> {
  const present = await stat(path).catch(() => undefined);
  if (present?.isFile() !== true || remote.size === undefined || present.size !== remote.size) return false;
  return remote.sha256 !== undefined && (await hashFile(path, signal)) === remote.sha256;
}

/** Checks a complete part and removes it when it is wrong: it must not be resumed. */
async function checkPart(part: string, remote: RemoteFile, signal: AbortSignal): Promise<void> {
  const discard = async (message: string): Promise<never> => {
    await Promise.all([rm(part, { force: true }), rm(`${part}.json`, { force: true })]);
    throw new PullError('checksum', message);
  };
  const { size } = await stat(part);
  if (remote.size !== undefined && size !== remote.size) {
    await discard(`the file has ${size} bytes instead of ${remote.size}; fetch it again`);
  }
  if (remote.sha256 !== undefined && (await hashFile(part, signal)) !== remote.sha256) {
    await discard("the file's SHA-256 is not what the server announced; fetch it again");
  }
  try {
    await readGgufHeader(part, signal);
  } catch (error) {
    if (error instanceof GgufError) await discard(`what was fetched cannot be used: ${error.message}`);
    throw error;
  }
}

async function hashFile(path: string, signal: AbortSignal): Promise<string> {
  const hash: Hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024, signal }))
    hash.update(chunk as Buffer);
  return hash.digest('hex');
}

function startOf(range: string | string[] | undefined): number | undefined {
  const start = typeof range === 'string' ? /^bytes (\d+)-/.exec(range)?.[1] : undefined;
  return start === undefined ? undefined : Number(start);
}

function lengthOf(header: string | string[] | undefined, before: number): number | undefined {
  const length = Number(header);
  return header === undefined || !Number.isSafeInteger(length) ? undefined : before + length;
}

function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EACCES' || code === 'EROFS';
}

function explained(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted || error instanceof PullError) return error;
  if (isDiskFull(error)) {
    return new PullError(
      'disk',
      'the file cannot be written: the disk is full or the folder is not writable',
      { cause: error },
    );
  }
  return new PullError('unavailable', 'the server cannot be reached or broke off', { cause: error });
}
