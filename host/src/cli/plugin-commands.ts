import { InvalidArgumentError, type Command } from 'commander';
import type { Session } from './session.js';
import { shareOf } from './swap-target.js';

/** What a command does: its session, its options and its arguments. Returns the exit code. */
export type Body = (
  session: Session,
  options: Record<string, unknown>,
  ...args: never[]
) => Promise<number | undefined>;

/** Makes a body what the parser calls. */
export type Action = (body: Body) => (...given: unknown[]) => Promise<void>;

/** Adds `plugins …` and `events`; returns the former. */
export function describePlugins(program: Command, action: Action): Command {
  const plugins = program
    .command('plugins')
    .description('look at the plugins of a running host, exchange them, call their tools');
  const look = () => import('./commands/plugins.js');
  const act = () => import('./commands/plugin-actions.js');
  const set = () => import('./commands/plugin-set.js');
  const tools = () => import('./commands/tools.js');
  plugins
    .command('list', { isDefault: true })
    .description('list plugins, their instances and their state')
    .action(action(async (session) => (await look()).listPlugins(session)));
  plugins
    .command('show <name>')
    .description('show all there is to know about one plugin')
    .action(action(async (session, _options, name: string) => (await look()).showPlugin(session, name)));
  plugins
    .command('add <name> <target>')
    .description('add a plugin until the host ends: an address where it listens, or a command line to start')
    .option('--settings <json>', 'settings of the plugin itself', settings)
    .action(
      action(async (session, { settings: own }, name: string, target: string) =>
        (await set()).addPlugin(session, name, target, own as object | undefined),
      ),
    );
  plugins
    .command('remove <name>')
    .description('take out a plugin that was added; its running requests end first')
    .action(action(async (session, _options, name: string) => (await set()).removePlugin(session, name)));
  plugins
    .command('swap <name>')
    .description('exchange the instance of a plugin while requests run')
    .option(
      '--to <target>',
      'command line to start, or address of an instance that runs; its own when absent',
    )
    .option(
      '--canary <share>',
      'share of the requests for the new one before it is committed, such as 5%',
      share,
    )
    .option('--canary-ms <number>', 'longest time as a canary, in milliseconds', integer)
    .option('--canary-requests <number>', 'requests after which a canary is judged', integer)
    .option('--bake-ms <number>', 'how long the old one can come back, in milliseconds', integer)
    .action(
      action(async (session, options, name: string) => (await act()).swapPlugin(session, name, options)),
    );
  plugins
    .command('drain <name>')
    .description('let the running requests of a plugin end and stop it')
    .option('-y, --yes', 'do not ask')
    .action(
      action(async (session, { yes }, name: string) =>
        (await act()).drainPlugin(session, name, yes === true),
      ),
    );
  plugins
    .command('restart <name>')
    .description('start a new instance of a plugin in the place of the old one')
    .action(action(async (session, _options, name: string) => (await act()).restartPlugin(session, name)));
  plugins
    .command('tools [name]')
    .description('list the tools that plugins bring')
    .action(action(async (session, _options, name?: string) => (await tools()).listTools(session, name)));
  plugins
    .command('call <tool> [json]')
    .description('call a tool of a plugin; "-" reads its arguments from stdin')
    .action(
      action(async (session, _options, tool: string, json?: string) =>
        (await tools()).callTool(session, tool, json),
      ),
    );
  program
    .command('events')
    .description('show what happened to the plugins and the host')
    .option('-f, --follow', 'go on with what is to come')
    .option('--since <id>', 'only what came after this event', integer)
    .action(
      action(async (session, options) => (await import('./commands/events.js')).events(session, options)),
    );
  return plugins;
}

/** Reads a whole number of an option. */
export function integer(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

function settings(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError('It must be a JSON object.');
}

function share(text: string): number {
  const value = shareOf(text);
  if (value === undefined) throw new InvalidArgumentError('It must be a share above 0 and at most 100%.');
  return value;
}
