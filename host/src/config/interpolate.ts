/** What `${…}` in a configuration may refer to. */
export interface InterpolationSource {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads a file named by `${file:…}`; throws when it cannot. */
  readonly readFile: (path: string) => string;
}

/** The finished text and where its pieces came from. */
export interface Interpolated {
  readonly text: string;
  /** Whether anything was put in. */
  readonly changed: boolean;
  /** Whether a file or a variable named like a secret was put in. */
  readonly secret: boolean;
  readonly files: readonly string[];
  /** Pieces that could not be put in, as sentences. */
  readonly problems: readonly { readonly message: string; readonly hint: string }[];
}

const reference = /\$\$\{|\$\{([^{}]*)\}|\$\{/g;
const variable = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;
const secretName = /KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL/i;

/** Whether a name sounds like that of a secret. */
export function isSecretName(name: string): boolean {
  return secretName.test(name);
}

/**
 * Replaces `${VAR}`, `${VAR:-default}` and `${file:/path}` (without its last
 * newline); `$${` stands for `${`. What is put in is never read again, so a
 * value cannot smuggle in a further reference.
 */
export function interpolate(input: string, source: InterpolationSource): Interpolated {
  const problems: { message: string; hint: string }[] = [];
  const files: string[] = [];
  let changed = false;
  let secret = false;
  const text = input.replace(reference, (whole: string, inner: string | undefined) => {
    changed = true;
    if (whole === '$${') return '${';
    if (inner === undefined) {
      problems.push({ message: '`${` without its `}`', hint: 'write `$${` for a literal `${`' });
      return '';
    }
    if (inner.startsWith('file:')) {
      const path = inner.slice('file:'.length);
      secret = true;
      files.push(path);
      try {
        return source.readFile(path).replace(/\r?\n$/, '');
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        problems.push({
          message: `cannot read the file in \`\${file:${path}}\` (${reason})`,
          hint: 'create it or correct the path',
        });
        return '';
      }
    }
    const match = variable.exec(inner);
    const name = match?.[1];
    if (name === undefined) {
      problems.push({
        message: `\`\${${inner}}\` is not understood`,
        hint: 'write `${NAME}`, `${NAME:-default}` or `${file:/path}`, or `$${` for a literal `${`',
      });
      return '';
    }
    if (isSecretName(name)) secret = true;
    const value = source.env[name];
    const fallback = match?.[2];
    // As in a shell, `:-` also stands in for a variable that is set to nothing.
    if (value !== undefined && (value !== '' || fallback === undefined)) return value;
    if (fallback !== undefined) return fallback;
    problems.push({
      message: `the environment variable ${name} is not set`,
      hint: `set it, or write \`\${${name}:-default}\``,
    });
    return '';
  });
  return { text, changed, secret, files, problems };
}
