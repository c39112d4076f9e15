import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import type { Ajv2020, ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import { nearestAll } from '../../config/nearest.js';
import type { JsonSchema } from './catalog.js';

/** What is wrong with a value. */
export interface Flaw {
  readonly message: string;
  /** The field, as the other doors name it: `messages[0].role`. Empty when it is the value as a whole. */
  readonly field: string;
}

/** Says what is wrong with a value, or undefined when nothing is. */
export type Check = (value: unknown) => Flaw | undefined;

// Loaded when a schema is compiled first: a client that connects need not wait for it.
const require = createRequire(import.meta.url);

const MAX_DEPTH = 64;
const MAX_BYTES = 256 * 1024;
const MAX_COMPILED = 512;

/**
 * Compiles JSON Schemas once per content. Every schema gets an Ajv of its own, which goes
 * when the schema does: one shared Ajv would keep what it has ever compiled. What a schema
 * may look like is compiled once for all, as that costs more than most schemas.
 */
export class SchemaCompiler {
  readonly #compiled = new Map<string, ValidateFunction>();
  #dialect: Ajv2020 | undefined;

  /** `root` is how messages call the value, for example "arguments". Throws when the schema is no valid one. */
  compile(schema: JsonSchema, root: string): Check {
    return checkBy(this.#validate(schema, true), root);
  }

  /** As `compile`, for a schema that is known to be a valid one: compiled when the first value comes. */
  compileLater(schema: JsonSchema, root: string): Check {
    let check: Check | undefined;
    return (value) => (check ??= checkBy(this.#validate(schema, false), root))(value);
  }

  #validate(schema: JsonSchema, isStrange: boolean): ValidateFunction {
    const key = createHash('sha256').update(JSON.stringify(schema)).digest('base64');
    let validate = this.#compiled.get(key);
    if (validate === undefined) {
      // Dialect, ids and formats are not ours to insist on: a plugin may come with any.
      const { $schema: _dialect, $id: _id, ...plain } = schema;
      const { Ajv2020: Ajv } = require('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
      if (isStrange) {
        this.#dialect ??= new Ajv({ strict: false, validateFormats: false, logger: false });
        // Throws when the schema is no valid one.
        void this.#dialect.validateSchema(plain, true);
      }
      validate = new Ajv({
        strict: false,
        validateFormats: false,
        verbose: true,
        logger: false,
        meta: false,
        validateSchema: false,
      }).compile(plain);
      const oldest = this.#compiled.keys().next();
      if (this.#compiled.size >= MAX_COMPILED && !oldest.done) this.#compiled.delete(oldest.value);
    } else this.#compiled.delete(key);
    this.#compiled.set(key, validate);
    return validate;
  }
}

/**
 * Why a schema that a plugin brings must not be shown to clients, or undefined.
 * A network reference would make clients or us fetch what the plugin names, and a header
 * mapping would have to be enforced by the transport, which it is not.
 */
export function schemaRefusal(schema: JsonSchema): string | undefined {
  const stack: { value: unknown; depth: number }[] = [{ value: schema, depth: 0 }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { value, depth } = next;
    if (typeof value !== 'object' || value === null) continue;
    if (depth > MAX_DEPTH) return `the schema is nested deeper than ${MAX_DEPTH}`;
    for (const [key, child] of Object.entries(value)) {
      if ((key === '$ref' || key === '$dynamicRef') && typeof child === 'string' && !child.startsWith('#'))
        return `${key} ${JSON.stringify(child)} points outside the schema`;
      if (key === 'x-mcp-header') return 'x-mcp-header is not supported';
      stack.push({ value: child, depth: depth + 1 });
    }
  }
  if (JSON.stringify(schema).length > MAX_BYTES) return `the schema is larger than ${MAX_BYTES} bytes`;
  return undefined;
}

function checkBy(validate: ValidateFunction, root: string): Check {
  return (value) => (validate(value) ? undefined : describe(validate.errors?.[0], root));
}

/** `/messages/0/role` as `messages[0].role`. */
function pathOf(pointer: string): string {
  let path = '';
  for (const raw of pointer.split('/').slice(1)) {
    const name = raw.replaceAll('~1', '/').replaceAll('~0', '~');
    if (/^\d+$/.test(name)) path += `[${name}]`;
    else path += /^[A-Za-z_$][\w$-]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
  }
  return path;
}

/** Names shown when none is near; a tool of a plugin may have any number of them. */
const MOST_KNOWN = 40;

function describe(error: ErrorObject | undefined, root: string): Flaw {
  if (error === undefined) return { message: `${root} is not valid`, field: '' };
  const params = error.params as Record<string, unknown>;
  const named = { required: params.missingProperty, additionalProperties: params.additionalProperty };
  const name = named[error.keyword as keyof typeof named] as string | undefined;
  const path = pathOf(error.instancePath + (name === undefined ? '' : `/${pointerPart(name)}`));
  const known = Object.keys((error.parentSchema?.properties as object | undefined) ?? {});
  return {
    message: `${root}${path} ${problem(error, params, name ?? '', known)}`,
    field: path.replace(/^\./, ''),
  };
}

function pointerPart(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

function problem(
  error: ErrorObject,
  params: Readonly<Record<string, unknown>>,
  name: string,
  known: readonly string[],
): string {
  switch (error.keyword) {
    case 'required':
      return 'is missing';
    case 'additionalProperties': {
      const near = nearestAll(name, known);
      if (near.length > 0) return `is not known; did you mean ${near.join(' or ')}?`;
      return `is not known${known.length > 0 ? `; known are ${known.slice(0, MOST_KNOWN).join(', ')}` : ''}`;
    }
    case 'enum':
      return `must be one of ${(params.allowedValues as unknown[]).map((value) => JSON.stringify(value)).join(', ')}`;
    default:
      return error.message ?? 'is not valid';
  }
}
