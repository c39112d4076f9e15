import { isSecretName } from './interpolate.js';
import { listOptions } from './options.js';
import { dotted, mapLeaves, type ConfigPath } from './paths.js';

/** What stands in the place of a secret. */
export const redacted = '***';

const secretOptions = listOptions()
  .filter(({ secret }) => secret)
  .map(({ path }) => path);

/** Whether the value at a path is one by its option: keys, private keys, the environment of plugins. */
function isSecret(path: ConfigPath): boolean {
  if (path[0] === 'plugins' && path[2] === 'env') return true;
  if (path[0] === 'plugins' && path[2] === 'config' && path.slice(3).some((key) => isSecretName(String(key))))
    return true;
  return secretOptions.some((option) => option.every((key, i) => key === '*' || key === path[i]));
}

/**
 * A copy of a configuration that may be shown: secrets are `***`, that is
 * keys, environment values of plugins, everything from `${file:}` or from a
 * variable named like a secret (`secretPaths`, see LoadedConfig), and
 * passwords inside addresses.
 */
export function redact<T extends object>(config: T, secretPaths: Iterable<string> = []): T {
  const tainted = new Set(secretPaths);
  return mapLeaves(config, (leaf, path) => {
    if (isSecret(path) || tainted.has(dotted(path))) return leaf === undefined ? leaf : redacted;
    return typeof leaf === 'string' ? leaf.replace(/(\/\/[^/@\s:]*):[^/@\s]+@/g, `$1:${redacted}@`) : leaf;
  }) as T;
}
