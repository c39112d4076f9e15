import { describe, it, expect } from '@jest/globals';
import { ConfigError } from './config-error.js';
import { loadConfig, type LoadOptions } from './load.js';
import { redact } from './redact.js';

const file = '/etc/here/outrigger.yaml';
const none = { plugins: [], warnings: [] };

function load(
  text: string | undefined,
  options: Partial<LoadOptions> & { files?: Record<string, string> } = {},
) {
  const files: Record<string, string> = { ...(text === undefined ? {} : { [file]: text }), ...options.files };
  return loadConfig({
    env: {},
    cwd: '/etc/here',
    home: '/home/me',
    bundled: none,
    readFile: (path) => {
      const content = files[path];
      if (content === undefined) throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
      return content;
    },
    ...options,
  });
}

async function problems(text: string | undefined, options: Parameters<typeof load>[1] = {}) {
  const thrown: unknown = await load(text, options).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof ConfigError)) throw new Error(`expected a ConfigError, got ${String(thrown)}`);
  return thrown.problems;
}

describe('where the configuration comes from', () => {
  it('works without any file', async () => {
    const { config, file: found } = await load(undefined);
    expect(found).toBeUndefined();
    expect(config.server).toMatchObject({ host: '127.0.0.1', port: 7070, maxBodyBytes: 16 * 1024 * 1024 });
    expect(config.plugins).toEqual({});
  });

  const yaml = 'server: { port: 2 }\n';
  it.each<[string, number, Parameters<typeof load>[1], string | undefined]>([
    ['default', 7070, {}, undefined],
    ['weak default of the command', 9, { defaults: { 'server.port': 9 } }, undefined],
    ['file', 2, { defaults: { 'server.port': 9 } }, yaml],
    ['short variable', 3, { env: { PORT: '3' } }, yaml],
    ['long variable', 4, { env: { PORT: '3', OUTRIGGER_SERVER__PORT: '4' } }, yaml],
    ['flag', 5, { env: { OUTRIGGER_SERVER__PORT: '4' }, flags: { 'server.port': '5' } }, yaml],
    [
      'flag left away',
      4,
      { env: { OUTRIGGER_SERVER__PORT: '4' }, flags: { 'server.port': undefined } },
      yaml,
    ],
    ['empty variable', 2, { env: { PORT: '' } }, yaml],
    [
      'file by flag',
      6,
      { file: 'other.json', files: { '/etc/here/other.json': '{"server":{"port":6}}' } },
      yaml,
    ],
    [
      'file by variable',
      7,
      { env: { OUTRIGGER_CONFIG: '/x.yml' }, files: { '/x.yml': 'server:\n  port: 7' } },
      yaml,
    ],
    ['home', 8, { files: { '/home/me/.config/outrigger/config.yaml': 'server: {port: 8}' } }, undefined],
    [
      'XDG home',
      9,
      { env: { XDG_CONFIG_HOME: '/xdg' }, files: { '/xdg/outrigger/config.yaml': 'server: {port: 9}' } },
      undefined,
    ],
  ])('%s gives %d', async (_name, port, options, text) => {
    expect((await load(text, options)).config.server.port).toBe(port);
  });

  it('turns the text of variables into what options accept', async () => {
    const { config } = await load(undefined, {
      env: {
        OUTRIGGER_SERVER__MAX_BODY_BYTES: '2048',
        OUTRIGGER_STRICT_PARAMS: 'true',
        OUTRIGGER_AUTH__API_KEYS: 'first-key-1, second-key-2',
        OUTRIGGER_PLUGINS__MY_PLUGIN__ADDRESS: 'unix:/run/x.sock',
        OUTRIGGER_PLUGINS__MY_PLUGIN__CONFIG: '{"a":[1]}',
        TIMEOUT: '1.5',
        LOG_LEVEL: 'WARN',
        DEFAULT_MODEL: '123',
      },
    });
    expect(config.server.maxBodyBytes).toBe(2048);
    expect(config.server.requestTimeoutMs).toBe(1500);
    expect(config.strictParams).toBe(true);
    expect(config.auth.apiKeys).toEqual(['first-key-1', 'second-key-2']);
    expect(config.plugins['my-plugin']).toMatchObject({ address: 'unix:/run/x.sock', config: { a: [1] } });
    expect(config.log.level).toBe('warn');
    expect(config.models.default).toBe('123');
  });

  it('leaves the name of the machine in HOST alone', async () => {
    const { config, warnings } = await load(undefined, { env: { HOST: 'my-laptop' } });
    expect(config.server.host).toBe('127.0.0.1');
    expect(warnings.join()).toContain('HOST=my-laptop');
    expect((await load(undefined, { env: { HOST: '::1' } })).config.server.host).toBe('::1');
  });

  it('names the option that an abbreviated variable was meant for', async () => {
    const { warnings } = await load(undefined, { env: { OUTRIGGER_PORT: '7171', OUTRIGGER_LEVEL: 'debug' } });
    expect(warnings.join()).toContain('did you mean OUTRIGGER_SERVER__PORT?');
    expect(warnings.join()).toContain('did you mean OUTRIGGER_LOG__LEVEL?');
  });

  it('ignores what a platform sets for a service of our name', async () => {
    await load(undefined, {
      env: { OUTRIGGER_PORT: 'tcp://10.0.0.1:7070', OUTRIGGER_SERVICE_HOST: '10.0.0.1' },
    });
  });
});

describe('references', () => {
  it.each<[string, string, unknown]>([
    ['a variable', 'models: { default: "${M}" }', 'm1'],
    ['a default', 'models: { default: "${NONE:-d}" }', 'd'],
    ['a default for an empty variable', 'models: { default: "${EMPTY:-d}" }', 'd'],
    ['a default with a colon', 'models: { default: "${NONE:-a:b}" }', 'a:b'],
    ['an empty variable', 'models: { default: "x${EMPTY}" }', 'x'],
    ['text around', 'models: { default: "a-${M}-${M}" }', 'a-m1-m1'],
    ['an escape', 'models: { default: "$${M}" }', '${M}'],
    ['a lonely dollar', 'models: { default: "$M $ 5" }', '$M $ 5'],
    ['no second reading', 'models: { default: "${SNEAKY}" }', '${file:/etc/shadow}'],
    ['a file', 'models: { default: "${file:/secret}" }', 's3cret'],
    ['a file beside the configuration', 'models: { default: "${file:near}" }', 'near'],
  ])('%s', async (_name, text, wanted) => {
    const { config } = await load(text, {
      env: { M: 'm1', EMPTY: '', SNEAKY: '${file:/etc/shadow}' },
      files: { '/secret': 's3cret\n', '/etc/here/near': 'near' },
    });
    expect(config.models.default).toBe(wanted);
  });

  it('become numbers and switches where those are wanted', async () => {
    const { config } = await load(
      'server: { port: "${P}" }\nstrictParams: ${S}\nplugins:\n  a:\n    address: x:1\n    config:\n      n: ${N}\n      t: "${N}"\n      s: ${T}',
      { env: { P: '81', S: 'true', N: '4096', T: 'word' } },
    );
    expect(config.server.port).toBe(81);
    expect(config.strictParams).toBe(true);
    expect(config.plugins['a']?.config).toEqual({ n: 4096, t: '4096', s: 'word' });
  });

  it('that fail name the option, the line and the way out, once each', async () => {
    const found = await problems(
      'server:\n  port: ${NOPE}\nmodels:\n  default: "${file:/gone}"\nlog: { level: "${9x}" }',
    );
    expect(found).toEqual([
      expect.objectContaining({
        path: 'server.port',
        line: 2,
        message: expect.stringContaining('NOPE is not set'),
      }),
      expect.objectContaining({ path: 'models.default', line: 4, message: expect.stringContaining('/gone') }),
      expect.objectContaining({ path: 'log.level', line: 5, hint: expect.stringContaining('${NAME}') }),
    ]);
  });
});

describe('mistakes', () => {
  it('are reported all at once, with lines and near names', async () => {
    const found = await problems(
      [
        'server:',
        '  prot: 1',
        '  host: 127.0.0.1',
        '  maxInFlight: many',
        'Loggg: 1',
        'plugins:',
        '  Bad_Name: { address: "x:1" }',
        '  a: { address: "x:1", swapMode: both }',
      ].join('\n'),
      { env: { OUTRIGGER_SERVER__PROT: '1', PORT: '70700' } },
    );
    const seen = found.map(({ path, line, origin, hint }) => [path, line ?? origin, hint]);
    expect(seen).toEqual(
      expect.arrayContaining([
        ['server.prot', 2, 'did you mean "port"?'],
        ['server.maxInFlight', 4, undefined],
        ['Loggg', 5, 'did you mean "log"?'],
        ['plugins.Bad_Name', 7, undefined],
        ['plugins.a.swapMode', 8, undefined],
        ['', 'environment variable OUTRIGGER_SERVER__PROT', 'did you mean OUTRIGGER_SERVER__PORT?'],
        ['server.port', 'environment variable PORT', undefined],
      ]),
    );
    expect(found).toHaveLength(7);
  });

  it.each<[string, string, string, string]>([
    ['broken YAML', 'server: [1, 2', '', ''],
    ['twice the same name', 'log: {}\nlog: {}', '', 'unique'],
    ['a list', '- 1', '', 'options by name'],
    ['text for a number', 'server: { port: many }', 'server.port', 'must be a number, not text'],
    ['a fraction', 'server: { port: 1.5 }', 'server.port', 'must be a whole number, not a fraction'],
    ['too large', 'server: { port: 65536 }', 'server.port', 'at most 65535'],
    ['zero time', 'server: { idleTimeoutMs: 0 }', 'server.idleTimeoutMs', 'at least 1'],
    ['a word outside the list', 'log: { level: loud }', 'log.level', 'one of trace, debug'],
    [
      'command and address',
      'plugins: { a: { command: x, address: "y:1" } }',
      'plugins.a',
      'both `command` and `address`',
    ],
    ['an address of the web', 'plugins: { a: { address: "http://x:1" } }', 'plugins.a.address', 'unix:/run/'],
    ['an address without a port', 'plugins: { a: { address: x } }', 'plugins.a.address', 'host:port'],
    ['neither', 'plugins: { a: {} }', 'plugins.a', 'neither `command` nor `address`'],
    ['an empty command', 'plugins: { a: { command: " " } }', 'plugins.a.command', 'names no program'],
    ['TLS for a child', 'plugins: { a: { command: x, tls: {} } }', 'plugins.a.tls', '`address` only'],
    [
      'a missing certificate',
      'plugins: { a: { address: "x:1", tls: { ca: gone.pem } } }',
      'plugins.a.tls.ca',
      'neither PEM',
    ],
    ['an open door', 'server: { host: 0.0.0.0 }', 'server.host', 'other machines'],
    ['a circle', 'models: { aliases: { a: b, b: a } }', 'models.aliases.a', 'leads back to itself'],
    ['a short key', 'auth: { apiKeys: [abc] }', 'auth.apiKeys.0', 'at least 8'],
    ['the prototype', '__proto__: { x: 1 }', '__proto__', 'unknown option'],
    ['the prototype inside', 'server: { __proto__: { port: 1 } }', 'server.__proto__', 'unknown option'],
  ])('%s', async (_name, text, path, message) => {
    const [first] = await problems(text);
    expect(first?.path).toBe(path);
    expect(first?.message).toContain(message);
  });

  it('in flags and files that were named are blamed on them', async () => {
    expect(await problems(undefined, { flags: { 'server.prot': 1 } })).toEqual([
      {
        path: 'server.prot',
        message: 'unknown option',
        hint: 'did you mean "port"?',
        origin: 'flag for server.prot',
      },
    ]);
    const [missing] = await problems(undefined, { file: 'gone.yaml' });
    expect(missing?.message).toBe('there is no such file');
    await problems(undefined, { flags: { '__proto__.polluted': 1 } });
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('a reference without quotes inside braces gets a hint', async () => {
    expect((await problems('server: { port: ${P} }'))[0]).toMatchObject({
      line: 1,
      hint: expect.stringContaining('quotes'),
    });
  });

  it('an alias bomb is refused', async () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) =>
        `a${i}: &a${i} [${Array(9)
          .fill(i === 0 ? 'x' : `*a${i - 1}`)
          .join(',')}]`,
    );
    expect((await problems(levels.join('\n')))[0]?.message).toContain('alias');
  });

  it.each([
    ['server: { host: 0.0.0.0 }\nauth: { apiKeys: [long-enough-key] }'],
    ['server: { host: 0.0.0.0 }\nauth: { insecure: true }'],
    ['server: { host: localhost }'],
    ['server: { host: 127.1.2.3 }'],
  ])('%j may listen', async (text) => {
    await load(text);
  });
});

describe('plugins', () => {
  const bundled = {
    plugins: [
      {
        name: 'one',
        autostart: true,
        command: ['node', '/one.js'],
        env: ['ONE_*'],
        config: { a: 1, b: 2 },
        directory: '/one',
      },
      { name: 'two', autostart: false, command: ['node', '/two.js'], env: [], config: {}, directory: '/two' },
    ],
    warnings: ['the bundled plugin three is not built'],
  };
  const pluginsOf = async (text: string) => (await load(text, { bundled })).config.plugins;

  it('that are bundled start by themselves when they say so', async () => {
    const { config, warnings } = await load(undefined, { bundled });
    expect(Object.keys(config.plugins)).toEqual(['one']);
    expect(config.plugins['one']).toMatchObject({
      command: ['node', '/one.js'],
      config: { a: 1, b: 2 },
      cwd: '/etc/here',
      enabled: true,
    });
    expect(warnings).toEqual(['the bundled plugin three is not built']);
  });

  it('that are bundled can be added to, replaced and turned off', async () => {
    expect((await pluginsOf('plugins: { one: { config: { b: 3 } } }'))['one']).toMatchObject({
      command: ['node', '/one.js'],
      config: { a: 1, b: 3 },
    });
    expect((await pluginsOf('plugins: { one: { address: "x:1" } }'))['one']).toMatchObject({
      address: 'x:1',
      config: {},
    });
    expect((await pluginsOf('plugins: { one: { address: "x:1" } }'))['one']?.command).toBeUndefined();
    expect((await pluginsOf('plugins: { one: { enabled: false } }'))['one']?.enabled).toBe(false);
    expect((await pluginsOf('plugins:\n  two:\n'))['two']?.command).toEqual(['node', '/two.js']);
    expect(Object.keys(await pluginsOf('bundledPlugins: false'))).toEqual([]);
    expect(Object.keys(await pluginsOf('bundledPlugins: false\nplugins: { two: {} }'))).toEqual(['two']);
  });

  it('that are bundled get the variables they ask for beside those that are granted', async () => {
    expect((await pluginsOf('{}'))['one']?.secrets).toEqual(['ONE_*']);
    const granted = 'plugins: { one: { secrets: [KEY, "ONE_*"] }, two: { secrets: [TWO] } }';
    const plugins = await pluginsOf(granted);
    expect(plugins['one']?.secrets).toEqual(['ONE_*', 'KEY']);
    expect(plugins['two']?.secrets).toEqual(['TWO']);
    expect((await pluginsOf('plugins: { one: { address: "x:1" } }'))['one']?.secrets).toEqual([]);
    for (const name of ['"*"', 'A*B', '"A B"', '1A']) {
      expect(await problems(`plugins: { one: { secrets: [${name}] } }`, { bundled })).toMatchObject([
        {
          path: 'plugins.one.secrets.1',
          message: expect.stringContaining('environment variable') as unknown,
        },
      ]);
    }
  });

  it('keep commands as lists, resolve directories and fill in the rest', async () => {
    const plugins = await pluginsOf(
      `plugins:\n  a: { command: "node './my plugin.js' --x=1", cwd: sub, env: { N: 1, B: true } }\npluginDirectory: run`,
    );
    expect(plugins['a']).toMatchObject({
      command: ['node', './my plugin.js', '--x=1'],
      cwd: '/etc/here/sub',
      env: { N: '1', B: 'true' },
      restart: { minDelayMs: 200 },
      limits: { maxInFlight: 4096 },
    });
  });
});

describe('redaction', () => {
  it('hides keys, environments, references to secrets and passwords in addresses', async () => {
    const { config, secretPaths, files } = await load(
      [
        'auth: { apiKeys: [literal-key] }',
        'admin: { apiKey: admin-literal }',
        'models: { default: "${MY_TOKEN}", aliases: { open: "${M}" } }',
        'plugins:',
        '  a:',
        '    command: [run, "--key=${file:/k}"]',
        '    env: { SOME: env-literal }',
        '    config: { url: "http://me:passw0rd@there/", apiKey: config-literal, nested: [{ db_password: nested-literal }], open: shown }',
        '  b: { address: "x:1", tls: { cert: "-----BEGIN c", key: "-----BEGIN private" } }',
      ].join('\n'),
      { env: { MY_TOKEN: 'token-value', M: 'model-shown' }, files: { '/k': 'file-value' } },
    );
    const shown = JSON.stringify(redact(config, secretPaths));
    for (const hidden of ['literal', 'token-value', 'file-value', 'passw0rd', 'private'])
      expect(shown).not.toContain(hidden);
    for (const open of ['model-shown', 'shown', 'http://me:***@there/', '-----BEGIN c'])
      expect(shown).toContain(open);
    expect(config.auth.apiKeys).toEqual(['literal-key']);
    expect(files).toEqual([file, '/k']);
  });
});
