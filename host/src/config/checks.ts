import { isIP } from 'node:net';
import type { PlacedProblem } from './problems.js';
import type { Config } from './schema.js';

/** Whether an address can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  if (bare === 'localhost' || bare.endsWith('.localhost')) return true;
  if (isIP(bare) === 4) return bare.startsWith('127.');
  return bare === '::1' || bare.startsWith('::ffff:127.');
}

/** What no single option shows: rules between options. */
export function checkTogether(config: Config, bundledNames: readonly string[]): PlacedProblem[] {
  return [...checkListener(config), ...checkPlugins(config, bundledNames), ...checkAliases(config)];
}

function checkListener({ server, auth }: Config): PlacedProblem[] {
  if (isLoopback(server.host) || auth.apiKeys.length > 0 || auth.insecure) return [];
  return [
    {
      at: ['server', 'host'],
      message: `${server.host} can be reached from other machines and nothing asks callers for a key`,
      hint: 'set auth.apiKeys, listen on 127.0.0.1, or set auth.insecure: true when something in front checks callers',
    },
  ];
}

function checkPlugins({ plugins }: Config, bundledNames: readonly string[]): PlacedProblem[] {
  return Object.entries(plugins).flatMap(([name, plugin]): PlacedProblem[] => {
    const at = ['plugins', name];
    if (plugin.command?.[0]?.trim() === '' || plugin.command?.length === 0) {
      return [{ at: [...at, 'command'], message: 'names no program' }];
    }
    if (plugin.enabled && plugin.command === undefined && plugin.address === undefined) {
      const bundled =
        bundledNames.length === 0 ? 'there are no bundled plugins' : `bundled: ${bundledNames.join(', ')}`;
      return [{ at, message: 'has neither `command` nor `address` and is no bundled plugin', hint: bundled }];
    }
    if (plugin.tls !== undefined && plugin.address === undefined) {
      return [
        {
          at: [...at, 'tls'],
          message: 'is for plugins attached by `address` only',
          hint: 'leave it out: plugins that are started talk over a private socket',
        },
      ];
    }
    if (plugin.tls !== undefined && (plugin.tls.cert === undefined) !== (plugin.tls.key === undefined)) {
      return [{ at: [...at, 'tls'], message: '`cert` and `key` only work together' }];
    }
    return [];
  });
}

function checkAliases({ models }: Config): PlacedProblem[] {
  return Object.keys(models.aliases).flatMap((alias): PlacedProblem[] => {
    const seen = new Set<string>();
    for (let name: string | undefined = alias; name !== undefined; name = models.aliases[name]) {
      if (seen.has(name)) {
        return name === alias ? [{ at: ['models', 'aliases', alias], message: 'leads back to itself' }] : [];
      }
      seen.add(name);
    }
    return [];
  });
}
