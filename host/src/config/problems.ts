import type { z } from 'zod';
import type { ConfigProblem } from './config-error.js';
import { nearest } from './nearest.js';
import { keysAt } from './options.js';
import { valueAt, type ConfigPath } from './paths.js';

/** A problem whose place in file or environment is still to be found. */
export interface PlacedProblem extends Omit<ConfigProblem, 'path'> {
  readonly at: ConfigPath;
}

/** Turns what the schema refused into sentences, one problem for each misspelt name. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], tree: unknown): PlacedProblem[] {
  return issues.flatMap((issue) => {
    const at = issue.path as ConfigPath;
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(at, key));
    return [{ at, message: sentence(issue, valueAt(tree, at)) }];
  });
}

function unknownKey(parent: ConfigPath, key: string): PlacedProblem {
  const known = keysAt(parent);
  const near = nearest(key, known);
  return {
    at: [...parent, key],
    message: 'unknown option',
    hint:
      near === undefined
        ? `known here: ${known.filter((name) => name !== '$schema').join(', ')}`
        : `did you mean "${near}"?`,
  };
}

function sentence(issue: z.core.$ZodIssue, value: unknown): string {
  // Messages of zod begin with a capital; those written in the schema do not and are kept.
  if (/^[a-z]/.test(issue.message)) return issue.message;
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${article(issue.expected)}, not ${kindOf(value)}`;
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return issue.origin === 'number' || issue.origin === 'int'
        ? `must be at least ${issue.minimum}`
        : 'is too short or empty';
    case 'too_big':
      return issue.origin === 'number' || issue.origin === 'int'
        ? `must be at most ${issue.maximum}`
        : `is longer than ${issue.maximum}`;
    case 'invalid_key':
      return issue.issues[0]?.message ?? 'this name is not allowed';
    case 'invalid_union':
      return `cannot be ${kindOf(value)}`;
    default:
      return issue.message;
  }
}

const articles: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'a set of options',
  record: 'a set of names and values',
};

const article = (type: string) => articles[type] ?? type;

function kindOf(value: unknown): string {
  if (value === undefined) return 'absent';
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a set of options';
  if (typeof value === 'string') return 'text';
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : 'a fraction';
  return typeof value === 'boolean' ? String(value) : typeof value;
}
