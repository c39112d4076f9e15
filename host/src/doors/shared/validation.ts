import type { z } from 'zod';
import { GatewayError } from '../../errors/gateway-error.js';

/** Checks a body. Throws invalid_request with the path of the first wrong field in `param`. */
export function validate<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = deepest(result.error.issues);
  const param = pathText(issue.path);
  const problem = describe(issue, body);
  throw new GatewayError(
    'invalid_request',
    param === '' ? `the body ${problem}` : `\`${param}\` ${problem}`,
    {
      ...(param === '' ? {} : { param }),
    },
  );
}

interface Issue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly errors?: readonly (readonly Issue[])[] | undefined;
  readonly expected?: unknown;
  readonly values?: readonly unknown[] | undefined;
  readonly minimum?: number | bigint | undefined;
  readonly maximum?: number | bigint | undefined;
  readonly origin?: unknown;
  readonly options?: readonly unknown[] | undefined;
}

/** In a union, the branch that got furthest is the one that the caller meant. */
function deepest(issues: readonly Issue[], base: readonly PropertyKey[] = []): Issue {
  let best: Issue | undefined;
  for (const issue of issues) {
    const path = [...base, ...issue.path];
    let candidate: Issue = { ...issue, path };
    for (const branch of issue.errors ?? []) {
      if (branch.length === 0) continue;
      const inner = deepest(branch, path);
      if (inner.path.length > candidate.path.length) candidate = inner;
    }
    if (best === undefined || (best.code === 'invalid_union' && candidate.path.length > best.path.length)) {
      best = candidate;
    }
  }
  return best ?? { path: base, message: 'is invalid' };
}

/** `["messages", 0, "content"]` as `messages[0].content`, at most 200 characters. */
export function pathText(path: readonly PropertyKey[]): string {
  let text = '';
  for (const key of path) {
    text += typeof key === 'number' ? `[${key}]` : text === '' ? String(key) : `.${String(key)}`;
  }
  return text.slice(0, 200);
}

function describe(issue: Issue, body: unknown): string {
  const got = kindOf(valueAt(body, issue.path));
  switch (issue.code) {
    case 'invalid_type':
      // JSON can write a number that is none here: 1e999.
      if (got === 'number' && issue.expected === 'number') return 'must be a finite number';
      return got === 'undefined'
        ? 'is missing'
        : `must be ${article(String(issue.expected))}, not ${article(got)}`;
    case 'invalid_value':
      return `must be ${oneOf(issue.values ?? [])}`;
    case 'invalid_union': {
      if (got === 'undefined') return 'is missing';
      const choices = discriminators(issue);
      if (choices !== '') return choices;
      const bounded = outOfBounds(issue);
      if (bounded !== undefined) return limit(bounded);
      const expected = (issue.errors ?? []).flatMap((branch) =>
        branch.flatMap((inner) => (inner.path.length === 0 ? [expectation(inner)] : [])),
      );
      const unique = [...new Set(expected.filter((one) => one !== ''))];
      return unique.length > 0
        ? `must be ${unique.join(' or ')}, not ${article(got)}`
        : 'is of no known form';
    }
    case 'too_small':
    case 'too_big':
      return limit(issue);
    case 'invalid_format':
      return issue.message.startsWith('must') ? issue.message : 'is of the wrong form';
    default:
      return issue.message.charAt(0).toLowerCase() + issue.message.slice(1);
  }
}

/** In a union, a value of a right type that is too small or too big for it. */
function outOfBounds(issue: Issue): Issue | undefined {
  return (issue.errors ?? [])
    .flat()
    .find((inner) => inner.path.length === 0 && (inner.code === 'too_small' || inner.code === 'too_big'));
}

function limit(issue: Issue): string {
  const small = issue.code === 'too_small';
  const bound = small ? issue.minimum : issue.maximum;
  const unit = units[String(issue.origin)];
  return unit === undefined
    ? `must be at ${small ? 'least' : 'most'} ${String(bound)}`
    : `must have at ${small ? 'least' : 'most'} ${String(bound)} ${unit}`;
}

const units: Readonly<Record<string, string>> = { string: 'characters', array: 'entries' };

function expectation(issue: Issue): string {
  if (issue.code === 'invalid_type') return article(String(issue.expected));
  if (issue.code === 'invalid_value') return oneOf(issue.values ?? []);
  return '';
}

function discriminators(issue: Issue): string {
  return issue.options === undefined ? '' : `must be ${oneOf(issue.options)}`;
}

function valueAt(body: unknown, path: readonly PropertyKey[]): unknown {
  let value = body;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value;
}

function oneOf(values: readonly unknown[]): string {
  const shown = values.slice(0, 12).map((one) => JSON.stringify(one));
  return shown.length === 1 ? String(shown[0]) : `one of ${shown.join(', ')}`;
}

function article(kind: string): string {
  if (kind === 'null' || kind === 'undefined') return kind;
  if (kind === 'int') return 'a whole number';
  if (kind === 'record') return 'an object';
  return `${/^[aeiou]/.test(kind) ? 'an' : 'a'} ${kind}`;
}
