import { createRequire } from 'node:module';
import type { ValidateFunction } from 'ajv';
import type { Ajv2020 } from 'ajv/dist/2020.js';
import type { GetCapabilitiesResponse, Parameter } from '@outrigger/proto';

/** A parameter that a plugin understands. */
export interface KnownParameter {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the value; undefined for the common parameters. */
  readonly schema: unknown;
  /** What is wrong with a value, or undefined. */
  check(value: unknown): string | undefined;
}

/** Parameters of a plugin by operation and name. */
export interface ParameterSet {
  readonly generate: ReadonlyMap<string, KnownParameter>;
  readonly embed: ReadonlyMap<string, KnownParameter>;
}

// Loaded when a value is checked first: the host listens sooner.
const require = createRequire(import.meta.url);

/** Most parameters taken from one plugin per operation, and the longest schema. */
const maxParameters = 500;
const maxSchemaLength = 64 * 1024;

/** Reads what a plugin announced. A schema that cannot be compiled accepts any value. */
export function readParameters(capabilities: GetCapabilitiesResponse): ParameterSet {
  return { generate: index(capabilities.parameters), embed: index(capabilities.embedParameters) };
}

function index(parameters: readonly Parameter[]): ReadonlyMap<string, KnownParameter> {
  // Schemas are a stranger's: one Ajv per plugin, gone with it; nothing is fetched.
  let made: Ajv2020 | undefined;
  const ajv = (): Ajv2020 => (made ??= newAjv());
  return new Map(
    parameters.slice(0, maxParameters).map((parameter) => [parameter.name, read(ajv, parameter)]),
  );
}

function newAjv(): Ajv2020 {
  const { Ajv2020: Ajv } = require('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
  return new Ajv({ strict: false, allErrors: false, validateFormats: false, code: { regExp: unmatched } });
}

/** A stranger's pattern can take for ever on a harmless text: the plugin runs its own. */
const unmatched = Object.assign(() => ({ test: () => true }), { code: '() => ({ test: () => true })' });

function read(ajv: () => Ajv2020, { name, description, schemaJson }: Parameter): KnownParameter {
  if (schemaJson === '' || schemaJson.length > maxSchemaLength) {
    return { name, description, schema: undefined, check: () => undefined };
  }
  let schema: unknown;
  try {
    schema = JSON.parse(schemaJson);
  } catch {
    return { name, description, schema: undefined, check: () => undefined };
  }
  let validate: ValidateFunction | undefined;
  return {
    name,
    description,
    schema,
    check: (value) => {
      try {
        validate ??= ajv().compile(schema as object);
      } catch {
        return undefined;
      }
      if (validate(value)) return undefined;
      const error = validate.errors?.[0];
      return `${name}${error?.instancePath.replaceAll('/', '.') ?? ''} ${error?.message ?? 'is not valid'}`;
    },
  };
}
