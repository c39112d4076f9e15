import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { ClientName } from '../client-names.js';
import { CliFailure } from '../failure.js';
import { expectedHost } from '../locate-host.js';
import type { Session } from '../session.js';

/** How a client starts `outrigger mcp`. */
interface Launch {
  readonly command: string;
  readonly args: readonly string[];
}

/** What a block is made of. */
interface Parts {
  readonly name: string;
  readonly http: boolean;
  readonly launch: Launch;
  readonly url: string;
  /** Whether the host asks for a key. */
  readonly keyed: boolean;
}

/** A block and where it goes. */
interface Block {
  readonly file: string;
  readonly content: object;
  readonly notes?: readonly string[];
}

const keyName = 'OUTRIGGER_API_KEY';

// Clients differ in the name of the map, in the name of the address and in how a secret is referred to.
const blocks = {
  claude: ({ name, http, launch, url, keyed }) => ({
    file: 'claude_desktop_config.json (macOS: ~/Library/Application Support/Claude/, Windows: %APPDATA%\\Claude\\)',
    content: {
      mcpServers: {
        // This client only starts programs, so over HTTP our own bridge stands between.
        [name]: {
          ...(http ? { ...launch, args: [...launch.args, '--url', url] } : launch),
          ...(keyed ? { env: { [keyName]: `<your key>` } } : {}),
        },
      },
    },
    notes: [
      'Restart Claude Desktop afterwards.',
      ...(http ? ['It only starts programs, so the block starts a bridge to the host.'] : []),
    ],
  }),
  'claude-code': ({ name, http, launch, url, keyed }) => ({
    file: '.mcp.json in the project',
    content: {
      mcpServers: {
        [name]: http
          ? { type: 'http', url: `${url}/mcp`, ...(keyed ? { headers: bearer(`\${${keyName}}`) } : {}) }
          : { type: 'stdio', ...launch, ...(keyed ? { env: { [keyName]: `\${${keyName}}` } } : {}) },
      },
    },
  }),
  vscode: ({ name, http, launch, url, keyed }) => ({
    file: '.vscode/mcp.json',
    content: {
      servers: {
        [name]: http
          ? {
              type: 'http',
              url: `${url}/mcp`,
              ...(keyed ? { headers: bearer('${input:outrigger-key}') } : {}),
            }
          : { type: 'stdio', ...launch, ...(keyed ? { env: { [keyName]: '${input:outrigger-key}' } } : {}) },
      },
      ...(keyed
        ? {
            inputs: [
              { type: 'promptString', id: 'outrigger-key', description: 'Outrigger API key', password: true },
            ],
          }
        : {}),
    },
  }),
  windsurf: ({ name, http, launch, url, keyed }) => ({
    file: '~/.codeium/windsurf/mcp_config.json',
    content: {
      mcpServers: {
        [name]: http
          ? { serverUrl: `${url}/mcp`, ...(keyed ? { headers: bearer(`\${env:${keyName}}`) } : {}) }
          : { ...launch, ...(keyed ? { env: { [keyName]: `\${env:${keyName}}` } } : {}) },
      },
    },
  }),
  cursor: ({ name, http, launch, url, keyed }) => ({
    file: '~/.cursor/mcp.json, or .cursor/mcp.json in the project',
    content: {
      mcpServers: {
        [name]: http
          ? { url: `${url}/mcp`, ...(keyed ? { headers: bearer(`\${env:${keyName}}`) } : {}) }
          : { ...launch, ...(keyed ? { env: { [keyName]: `\${env:${keyName}}` } } : {}) },
      },
    },
  }),
  // Containers reach a host that runs already; there is no image of it to start.
  docker: ({ name, url, keyed }) => ({
    // Not NAME.yaml: outrigger.yaml is what the host reads as its configuration.
    file: `${name}-server.yaml, then: docker mcp profile server add <profile> --server file://./${name}-server.yaml`,
    content: {
      name,
      title: 'Outrigger',
      description: 'Local and remote language models as MCP tools',
      type: 'remote',
      remote: {
        transport_type: 'streamable-http',
        url: `${fromContainer(url)}/mcp`,
        ...(keyed ? { headers: bearer(`\${${keyName}}`) } : {}),
      },
      ...(keyed ? { secrets: [{ name: `${name}.api_key`, env: keyName }] } : {}),
    },
    notes: [
      'The host must be running and listen where containers reach it (server.host, with auth.apiKeys).',
    ],
  }),
} as const satisfies Record<ClientName, (parts: Parts) => Block>;

const bearer = (key: string) => ({ Authorization: `Bearer ${key}` });

function fromContainer(url: string): string {
  return url.replace(/\/\/(127\.0\.0\.1|localhost|\[::1\])(?=[:/]|$)/, '//host.docker.internal');
}

/** `client-config`: the block on stdout, where it goes on stderr. */
export async function clientConfig(
  session: Session,
  options: Readonly<Record<string, unknown>>,
): Promise<number> {
  const { out } = session;
  const client = options['client'] as ClientName;
  const name = String(options['name']);
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
    throw new CliFailure(`--name ${name} is not usable`, {
      exitCode: 2,
      hint: 'use letters, digits, `-` and `_`',
    });
  }
  const { config, file } = await session.load();
  const { url, apiKey, named } = await expectedHost(session);
  const launch = launchOf(session, file, named ? url : undefined);
  const parts = { name, http: options['http'] === true, launch, url, keyed: apiKey !== undefined };
  const block: Block = blocks[client](parts);
  if (out.json) {
    out.value({ client, file: block.file, config: block.content, notes: block.notes ?? [] });
    return 0;
  }
  if (client === 'docker') out.stdout.write(stringify(block.content));
  else out.value(block.content);
  out.note(`\nPut this into ${block.file}`);
  for (const note of block.notes ?? []) out.note(note);
  if (parts.http && !named)
    out.note(
      `The host must be running: outrigger serve${config.server.port === 0 ? ' (with a fixed port)' : ''}`,
    );
  return 0;
}

/** Through npx when installed from npm; otherwise this program by its path, as clients start anywhere. */
function launchOf(session: Session, file: string | undefined, url: string | undefined): Launch {
  const { program, execPath } = session.around;
  const target = [
    ...(file === undefined ? [] : ['--config', file]),
    ...(url === undefined ? [] : ['--url', url]),
  ];
  if (/[\\/]node_modules[\\/]/.test(program)) {
    const args = ['-y', '@outrigger/host', 'mcp', ...target];
    return process.platform === 'win32'
      ? { command: 'cmd', args: ['/c', 'npx', ...args] }
      : { command: 'npx', args };
  }
  const here =
    existsSync(join(session.cwd, 'package.json')) || file !== undefined ? ['--directory', session.cwd] : [];
  return { command: execPath, args: [program, 'mcp', ...here, ...target] };
}
