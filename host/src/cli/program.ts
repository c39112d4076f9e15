import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { nearest } from '../config/nearest.js';
import { hostVersion } from '../version.js';
import { clientNames } from './client-names.js';
import { CliFailure } from './failure.js';
import { describePlugins, integer, type Action } from './plugin-commands.js';
import { Session, type GlobalOptions, type Surroundings } from './session.js';

// Each command loads its code when it runs, so that `serve` starts and `--help` answers at once.

/**
 * Runs the command line. Returns the exit code: 0 it worked, 1 it failed, 2 it
 * was called wrongly. Never throws.
 */
export async function run(args: readonly string[], around: Surroundings): Promise<number> {
  let code = 0;
  const program = describe(around, (result) => {
    code = result ?? 0;
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    // A failure before or outside any command.
    return new Session(around, program.opts<GlobalOptions>()).report(error);
  }
}

function describe(around: Surroundings, done: (code: number | undefined) => void): Command {
  const program = new Command('outrigger')
    .description('A thin host that speaks MCP, OpenAI and REST over model plugins in processes of their own.')
    .version(hostVersion, '-V, --version', 'print the version')
    .option('-c, --config <file>', 'configuration file')
    .option('-C, --directory <path>', 'directory to work in')
    .option('--set <option=value>', 'set any option of the configuration by name', collect)
    .option('--url <url>', 'host to talk to instead of the configured one')
    .option('--api-key <key>', 'key for that host')
    .option('--json', 'print results as JSON')
    .option('-q, --quiet', 'print results and errors only')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(outrigger --help lists everything)')
    .configureOutput({
      writeOut: (text) => around.stdout.write(text),
      writeErr: (text) => around.stderr.write(text),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride();

  // Runs the body of a command and turns whatever it throws into an exit code.
  const action: Action =
    (body) =>
    async (...given: unknown[]): Promise<void> => {
      const command = given.at(-1) as Command;
      const options = command.optsWithGlobals<GlobalOptions & Record<string, unknown>>();
      const session = new Session(around, options);
      try {
        done(await body(session, options, ...(given.slice(0, -2) as never[])));
      } catch (error) {
        done(session.report(error));
      }
    };

  program
    .command('serve', { isDefault: true })
    .description('run the host (the default)')
    .argument('[unexpected...]')
    .option('-p, --port <number>', 'port to listen on, 0 for any')
    .option('--host <address>', 'address to listen on')
    .option('-m, --default-model <name>', 'model for requests that name none')
    .option('--log-level <level>', 'trace, debug, info, warn, error, fatal or silent')
    .option('--log-format <format>', 'json or pretty')
    .usage('[options]')
    .action(
      action(async (session, options, unexpected: string[]) => {
        const [word] = unexpected;
        if (word !== undefined) throw unknownCommand(word, program);
        return (await import('./commands/serve.js')).serve(session, options);
      }),
    );

  program
    .command('mcp')
    .description('speak MCP on stdin and stdout, through a running host or one of its own')
    .action(action(async (session) => (await import('./commands/mcp.js')).mcp(session)));

  program
    .command('chat')
    .description('talk to a model; reads the prompt from stdin when that is no terminal')
    .argument('[prompt...]', 'what to say; without it a conversation begins')
    .option('-m, --model <name>', 'model to talk to')
    .option('-s, --system <text>', 'instructions for the model')
    .option('-n, --max-tokens <number>', 'longest answer', integer)
    .option('-t, --temperature <number>', 'how freely to choose words', decimal)
    .action(
      action(async (session, options, prompt: string[]) =>
        (await import('./commands/chat.js')).chat(session, prompt, options),
      ),
    );

  const models = program.command('models').description('list, fetch, load and delete models');
  const models_ = () => import('./commands/models.js');
  models
    .command('list', { isDefault: true })
    .description('list the models of all plugins')
    .action(action(async (session) => (await models_()).listModels(session)));
  models
    .command('pull <source>')
    .description('fetch a model, for example hf:OWNER/REPO/FILE or a URL')
    .option('--plugin <name>', 'plugin that fetches it, where several can')
    .action(
      action(async (session, { plugin }, source: string) =>
        (await models_()).pullModel(session, source, plugin as string | undefined),
      ),
    );
  for (const verb of ['load', 'unload', 'delete'] as const) {
    models
      .command(`${verb} <model>`)
      .description(
        {
          load: 'load a model into memory',
          unload: 'free the memory of a model',
          delete: 'delete a model from disk',
        }[verb],
      )
      .action(
        action(async (session, _options, model: string) =>
          (await models_()).changeModel(session, verb, model),
        ),
      );
  }

  const plugins = describePlugins(program, action);

  const config = program.command('config').description('check and show the configuration');
  const config_ = () => import('./commands/config.js');
  config
    .command('validate')
    .description('check the configuration and report every problem')
    .argument('[file]', 'file to check instead of the one that would be used')
    .action(
      action(async (session, _options, file?: string) => (await config_()).validateConfig(session, file)),
    );
  config
    .command('print')
    .description('print the complete configuration, secrets hidden')
    .option('--redacted', 'hide secrets (they always are)')
    .action(action(async (session) => (await config_()).printConfig(session)));
  config
    .command('schema')
    .description('print the JSON Schema of the configuration')
    .action(action(async (session) => (await config_()).printSchema(session)));
  config
    .command('reload')
    .description('have the running host take its configuration again')
    .action(action(async (session) => (await import('./commands/reload.js')).reloadConfig(session)));

  program
    .command('client-config')
    .description('print the configuration block that connects an MCP client')
    .addOption(new Option('--client <name>', 'MCP client').choices(clientNames).makeOptionMandatory())
    .option('--http', 'connect to a running host instead of starting `outrigger mcp`')
    .option('--name <name>', 'name of the server inside the client', 'outrigger')
    .action(
      action(async (session, options) =>
        (await import('./commands/client-config.js')).clientConfig(session, options),
      ),
    );

  program
    .command('version')
    .description('print the version')
    .action(
      action(async (session) => {
        (await import('./commands/version.js')).printVersion(session.out.json);
        return 0;
      }),
    );

  for (const command of [
    program,
    ...program.commands,
    ...models.commands,
    ...plugins.commands,
    ...config.commands,
  ]) {
    command.allowExcessArguments(false).exitOverride().copyInheritedSettings(program);
  }
  return program;
}

function unknownCommand(word: string, program: Command): CliFailure {
  const near = nearest(
    word,
    program.commands.map((command) => command.name()),
  );
  return new CliFailure(`there is no command "${word}"`, {
    exitCode: 2,
    hint: near === undefined ? 'outrigger --help lists all' : `did you mean "${near}"?`,
  });
}

const collect = (text: string, before: string[] = []) => [...before, text];

function decimal(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It must be a number.');
  return value;
}
