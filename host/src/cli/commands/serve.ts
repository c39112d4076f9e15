import { productName, hostVersion } from '../../version.js';
import { chatModel } from '../answer-fields.js';
import { CliFailure } from '../failure.js';
import type { HostEvent, HostPort } from '../host-port.js';
import { ProgressLine } from '../progress-line.js';
import { reasonOf } from '../reason.js';
import { printable, type Sink } from '../output.js';
import type { Session } from '../session.js';
import { stopSignals } from '../stop-signals.js';

/** A stop that was asked for must be over within five seconds. */
const stopWithinMs = 4800;

/** `serve`: runs the host until a signal. */
export async function serve(session: Session, options: Readonly<Record<string, unknown>>): Promise<number> {
  const { out, around } = session;
  const onTerminal = around.stdout.isTTY === true;
  const flags = {
    'server.port': options['port'],
    'server.host': options['host'],
    'models.default': options['defaultModel'],
    'log.level': options['logLevel'],
    'log.format': options['logFormat'],
  };
  // Both take a while; what is wrong with the configuration is told first.
  const loading = around.loadHost();
  loading.catch(() => undefined);
  const load = () => session.load(flags, onTerminal ? session.quietLogs : {});
  const loaded = await load();
  const { config, file, warnings } = loaded;
  const createHost = await loading;
  const host = await createHost(config, { env: around.env, origin: { loaded, load } });
  // The outcome is in the log, in the events and on the terminal.
  const signals = stopSignals(() => void host.reload?.('SIGHUP').catch(() => undefined));
  // What people read goes to standard output; standard error carries the log and nothing else.
  const sink = around.stdout;
  const line = new ProgressLine(sink);
  const say = (text: string) => {
    if (!out.quiet) line.say(text);
  };
  const unwatch = out.quiet ? undefined : host.onStatus?.((event) => showStatus(line, event));
  try {
    await host.start();
  } catch (error) {
    await host.close(0);
    signals.dispose();
    throw startFailure(error, config.server);
  }
  for (const warning of warnings) say(`warning: ${warning}`);
  say(
    `${out.style('bold', `${productName} ${hostVersion}`, sink)} runs on ${out.style('cyan', host.address.url, sink)} ` +
      `(${file === undefined ? 'no configuration file, defaults' : file})`,
  );
  if (Object.values(config.plugins).every(({ enabled }) => !enabled)) {
    say('No plugin is configured, so there are no models. host/docs/config.md shows how to name one.');
  }
  const leaving = new AbortController();
  const hints = suggest(session, host, config.auth.apiKeys[0], leaving.signal, sink, say);

  const signal = await signals.first;
  leaving.abort();
  unwatch?.();
  line.clear();
  await hints;
  say(`${signal}: finishing running requests; once more stops at once`);
  return stop(host, config.server.shutdownGraceMs, session);
}

async function stop(host: HostPort, graceMs: number, session: Session): Promise<number> {
  let late: NodeJS.Timeout | undefined;
  const limit = new Promise<'late'>((resolve) => {
    late = setTimeout(() => resolve('late'), stopWithinMs);
  });
  try {
    const result = await Promise.race([host.close(Math.min(graceMs, stopWithinMs - 800)), limit]);
    if (result === 'late') {
      session.out.note('Not everything ended in time; leaving anyway.');
      // Whatever still runs is a child that ends with this process.
      setImmediate(() => process.exit(0));
    }
    return 0;
  } finally {
    clearTimeout(late);
  }
}

/** Waits for a model and prints three things to try with it. */
async function suggest(
  session: Session,
  host: HostPort,
  apiKey: string | undefined,
  signal: AbortSignal,
  sink: Sink,
  say: (text: string) => void,
): Promise<void> {
  const model = await firstModel(host, signal);
  if (signal.aborted) return;
  const { url } = host.address;
  const key = apiKey === undefined ? '' : ` -H 'authorization: Bearer <key>'`;
  const body = JSON.stringify({ model: model ?? 'MODEL', messages: [{ role: 'user', content: 'Hello' }] });
  const head = (text: string) => session.out.style('bold', text, sink);
  say('');
  if (model === undefined) say('No model is there yet. `outrigger models list` shows when one is.');
  say(head('Three things to try:'));
  say(
    `  1. curl ${url}/v1/chat/completions -H 'content-type: application/json'${key} -d '${body.replaceAll("'", "'\\''")}'`,
  );
  say(
    `  2. Any OpenAI SDK with base URL ${url}/v1 and ${apiKey === undefined ? 'any key' : 'one of your keys'}`,
  );
  say('  3. outrigger client-config --client claude   (or claude-code, vscode, cursor, windsurf, docker)');
  say('');
}

async function firstModel(host: HostPort, signal: AbortSignal): Promise<string | undefined> {
  const deadline = performance.now() + 60_000;
  const left = new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  while (!signal.aborted && performance.now() < deadline) {
    const model = await Promise.race([host.listModels().then(chatModel, () => undefined), left]);
    if (model !== undefined) return printable(model);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, 200);
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      }
      signal.addEventListener('abort', done, { once: true });
    });
  }
  return undefined;
}

/** A model that loads is drawn, everything else is told. */
function showStatus(line: ProgressLine, event: HostEvent): void {
  const { kind, name, state, progress } = event;
  if (kind === 'model') {
    if (state === 'loading' || state === 'fetching') {
      line.show(name, state, progress);
      return;
    }
    line.remove(name);
  }
  line.say(`  ${describeEvent(event)}`);
}

/** One line about a change. */
export function describeEvent({ kind, name, state, message }: HostEvent): string {
  if (kind === 'configuration') return printable(state);
  const why = message === undefined ? '' : ` (${printable(message)})`;
  return `${kind} ${printable(name)}: ${printable(state)}${why}`;
}

function startFailure(error: unknown, { host, port }: { host: string; port: number }): CliFailure {
  const code = reasonOf(error);
  const hints: Readonly<Record<string, string>> = {
    EADDRINUSE: `something listens there already, maybe another host; choose a port with --port, or talk to it with \`${productName} chat\``,
    EACCES: 'ports below 1024 need privileges; choose another with --port',
    EADDRNOTAVAIL: 'this machine has no such address; choose another with --host',
    ENOTFOUND: 'that name has no address; choose another with --host',
  };
  const hint = hints[code];
  return new CliFailure(`cannot listen on ${host}:${port} (${code})`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}
