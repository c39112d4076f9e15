/** Variables that a program needs to run at all; none of them is a secret. */
const common = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LANGUAGE',
  'LC_*',
  'TZ',
  'TMPDIR',
  'TEMP',
  'TMP',
  'XDG_*',
  'LD_LIBRARY_PATH',
  'DYLD_LIBRARY_PATH',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'NODE_EXTRA_CA_CERTS',
  'NODE_COMPILE_CACHE',
  'NODE_DISABLE_COMPILE_CACHE',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'LOG_LEVEL',
  'SYSTEMROOT',
];

/**
 * The environment of a plugin process: what every program needs, and the
 * variables that this plugin was granted by name (`SERVICE_KEY`) or by prefix
 * (`SERVICE_*`). No other variable of the host reaches a plugin.
 */
export function childEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  granted: readonly string[],
): Record<string, string> {
  const rules = [...common, ...granted];
  const exact = new Set(rules.filter((rule) => !rule.endsWith('*')));
  const prefixes = rules.filter((rule) => rule.endsWith('*')).map((rule) => rule.slice(0, -1));
  const chosen: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined) continue;
    if (exact.has(name) || prefixes.some((prefix) => name.startsWith(prefix))) chosen[name] = value;
  }
  return chosen;
}
