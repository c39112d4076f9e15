import type { ConfigReader, StandardResult } from './plugin.js';
import { PluginError } from './plugin-error.js';
import { isPluginError } from './status.js';

interface Violation {
  readonly field: string;
  readonly description: string;
}

type Issue = Extract<StandardResult<unknown>, { issues: readonly unknown[] }>['issues'][number];

function pathOf(issue: Issue): string {
  const keys = (issue.path ?? []).map((step) => String(typeof step === 'object' ? step.key : step));
  return keys.join('.');
}

function refusal(violations: readonly Violation[], cause?: unknown): PluginError {
  const first = violations[0];
  const where = first === undefined || first.field === '' ? '' : `${first.field}: `;
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : '';
  return new PluginError(
    'INVALID_REQUEST',
    `configuration refused: ${where}${first?.description ?? ''}${more}`,
    {
      fields: violations,
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

function issuesOf(error: unknown): readonly Issue[] | undefined {
  if (typeof error !== 'object' || error === null || !('issues' in error)) return undefined;
  const { issues } = error;
  return Array.isArray(issues) && issues.length > 0 ? (issues as Issue[]) : undefined;
}

function violationsOf(issues: readonly Issue[]): Violation[] {
  return issues.map((issue) => ({ field: pathOf(issue), description: issue.message }));
}

/** The JSON value of `config_json`; empty is `{}`. */
function parse(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw refusal([{ field: 'config_json', description: `not valid JSON: ${why}` }], cause);
  }
}

function readNothing(value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refusal([{ field: 'config_json', description: 'must be a JSON object' }]);
  }
  const keys = Object.keys(value);
  if (keys.length === 0) return;
  throw refusal(
    keys.map((field) => ({ field, description: 'this plugin takes no configuration; remove it' })),
  );
}

/**
 * Reads a configuration from JSON text.
 * @throws PluginError INVALID_REQUEST that names each wrong field.
 */
export async function readConfig<Config>(
  reader: ConfigReader<Config> | undefined,
  text: string,
): Promise<Config> {
  const value = parse(text);
  if (reader === undefined) {
    readNothing(value);
    return {} as Config;
  }
  // Schema libraries make callable schemas too: the standard interface comes first.
  if ('~standard' in reader) {
    const result = await reader['~standard'].validate(value);
    if (result.issues !== undefined) throw refusal(violationsOf(result.issues));
    return result.value;
  }
  try {
    return reader(value);
  } catch (error) {
    if (isPluginError(error)) throw error;
    const issues = issuesOf(error);
    if (issues !== undefined) throw refusal(violationsOf(issues), error);
    const description = error instanceof Error ? error.message : String(error);
    throw refusal([{ field: '', description }], error);
  }
}
