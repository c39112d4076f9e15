// Runs one command of an installer: own process group, a deadline, output kept in a log file.
import { spawn } from 'node:child_process';
import { createWriteStream, accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const TAIL_BYTES = 64 * 1024;

/** Keeps the last bytes of a stream, so that a chatty compiler cannot fill the memory. */
function tail() {
  let text = '';
  return {
    add(chunk) {
      text += chunk;
      if (text.length > TAIL_BYTES) text = text.slice(-TAIL_BYTES);
    },
    text: () => text,
  };
}

function killGroup(child, signal) {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}

/** Where util-linux has setpriv, the kernel ends the command when this process is killed: nothing builds on unseen. */
function underGuard(command, args) {
  const setpriv = process.platform === 'linux' ? which('setpriv') : undefined;
  return setpriv ? { command: setpriv, args: ['--pdeathsig', 'KILL', command, ...args] } : { command, args };
}

/**
 * Runs `command` and resolves with `{ stdout, stderr }` (the last 64 KiB of each).
 * Rejects when it exits with a code that is not in `accept`, when `seconds` pass or when `signal` aborts; the whole
 * process group is killed in the last two cases. The message holds the last lines of the output and the log's path.
 */
export function run(command, args, { cwd, env, log, seconds = 600, signal, accept = [0] } = {}) {
  const line = [command, ...args].join(' ');
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new Error(`stopped before: ${line}`));
    const sink = log ? createWriteStream(log, { flags: 'a' }) : undefined;
    sink?.on('error', () => undefined);
    sink?.write(`\n$ ${line}\n`);
    const guarded = underGuard(command, args);
    const child = spawn(guarded.command, guarded.args, {
      cwd,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const stdout = tail();
    const stderr = tail();
    let cut;
    const stop = (why) => {
      cut ??= why;
      killGroup(child, 'SIGKILL');
    };
    const timer = setTimeout(() => stop(`it did not finish within ${seconds} s`), seconds * 1000);
    const abort = () => stop('it was stopped');
    signal?.addEventListener('abort', abort, { once: true });
    for (const [stream, keep] of [
      [child.stdout, stdout],
      [child.stderr, stderr],
    ]) {
      stream.setEncoding('utf8');
      stream.on('data', (chunk) => {
        keep.add(chunk);
        sink?.write(chunk);
      });
    }
    const finish = (error) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      sink?.end();
      if (error) reject(error);
      else resolve({ stdout: stdout.text(), stderr: stderr.text() });
    };
    child.once('error', (error) => finish(new Error(`cannot start ${command}: ${error.message}`)));
    child.once('close', (code, by) => {
      if (cut === undefined && accept.includes(code)) return finish();
      const reason = cut ?? (by ? `it was ended by ${by}` : `it exited with ${code}`);
      const last = `${stdout.text()}\n${stderr.text()}`.trim().split('\n').slice(-6).join('\n    ');
      finish(new Error(`${line}: ${reason}\n    ${last}${log ? `\n    (log: ${log})` : ''}`));
    });
  });
}

/** The path of an executable on PATH, or undefined. */
export function which(name, path = process.env.PATH ?? '') {
  for (const folder of path.split(delimiter)) {
    if (folder === '') continue;
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}
