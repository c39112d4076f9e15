import { access, constants, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';

/** A llama-server that answered `--version`. */
export interface ServerBinary {
  readonly path: string;
  /** As it says itself, for people. */
  readonly version: string;
  /** Command line options it knows; versions add, rename and remove them. */
  readonly flags: ReadonlySet<string>;
}

export interface BinarySearch {
  /** From the configuration: a path, used or reported as unusable, never replaced by another one. */
  configured?: string | undefined;
  env: Readonly<Record<string, string | undefined>>;
}

/** Where a llama-server may be, best first, with who says so. */
export function serverCandidates({
  configured,
  env,
}: BinarySearch): { path: string; source: string; binding: boolean }[] {
  if (configured !== undefined) return [{ path: configured, source: 'llamaServer', binding: true }];
  if (env['LLAMA_SERVER']) return [{ path: env['LLAMA_SERVER'], source: 'LLAMA_SERVER', binding: true }];
  const name = process.platform === 'win32' ? 'llama-server.exe' : 'llama-server';
  const onPath = (env['PATH'] ?? '').split(delimiter).filter((folder) => isAbsolute(folder));
  const runtimes = env['OUTRIGGER_RUNTIMES'];
  return [
    ...onPath.map((folder) => ({ path: join(folder, name), source: 'PATH', binding: false })),
    ...(runtimes
      ? [{ path: join(runtimes, 'bin', name), source: 'OUTRIGGER_RUNTIMES', binding: false }]
      : []),
  ];
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** Asks a binary what it is; undefined when it does not run, with the reason in `problem`. */
export async function probeServer(path: string): Promise<{ binary: ServerBinary } | { problem: string }> {
  const options = {
    timeout: 15_000,
    reject: false,
    all: true,
    stdin: 'ignore',
    killSignal: 'SIGKILL',
  } as const;
  // Loaded when there is something to ask: it takes longer than all of the plugin's own code.
  const { execa } = await import('execa');
  const [version, help] = await Promise.all([
    execa(path, ['--version'], options),
    execa(path, ['--help'], options),
  ]);
  if (version.exitCode !== 0) {
    const last = version.all.trim().split('\n').at(-1) ?? '';
    return { problem: last === '' ? 'it does not run' : last };
  }
  const flags = new Set(help.all.match(/(?<![\w-])--?[a-zA-Z][\w-]*/g) ?? []);
  const line = /version:.*/.exec(version.all)?.[0] ?? 'version unknown';
  return { binary: { path, version: `llama-server ${line.replace(/^version:\s*/, '')}`, flags } };
}

/**
 * Finds a llama-server: the configured path, else LLAMA_SERVER, else PATH, else `bin/` of OUTRIGGER_RUNTIMES.
 * `problem` says why there is none; one that was named and does not run is a problem, one that was only found by
 * search is passed over.
 */
export async function locateServer(
  search: BinarySearch,
): Promise<{ binary?: ServerBinary; problem?: string }> {
  const problems: string[] = [];
  for (const { path, source, binding } of serverCandidates(search)) {
    if (!(await isExecutable(path))) {
      if (binding) return { problem: `${source} names ${path}, which is not an executable file` };
      continue;
    }
    const probed = await probeServer(path);
    if ('binary' in probed) return { binary: probed.binary };
    if (binding) return { problem: `${source} names ${path}, which does not run: ${probed.problem}` };
    problems.push(`${path} does not run: ${probed.problem}`);
  }
  return {
    problem: problems[0] ?? 'no llama-server in the configuration, LLAMA_SERVER, PATH or OUTRIGGER_RUNTIMES',
  };
}
