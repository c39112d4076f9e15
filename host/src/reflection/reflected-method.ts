import { setImmediate as turn } from 'node:timers/promises';
import {
  fromBinary,
  fromJson,
  getExtension,
  hasExtension,
  toBinary,
  toJson,
  type DescMethod,
  type FileRegistry,
  type JsonValue,
} from '@bufbuild/protobuf';
import type { Method } from '@outrigger/proto';
import { GatewayError } from '../errors/gateway-error.js';
import { commentOf } from './comments.js';
import { messageSchema, type Schema } from './json-schema.js';

/** A method of a plugin's own service that is a tool. */
export interface ReflectedMethod {
  /** Full name of the service. */
  readonly service: string;
  readonly method: string;
  /** Name of the tool, without the plugin's prefix. */
  readonly tool: string;
  readonly title: string;
  readonly description: string;
  readonly inputSchema: Schema;
  readonly outputSchema: Schema;
  readonly streaming: boolean;
  readonly readOnly: boolean;
  readonly destructive: boolean;
  readonly idempotent: boolean;
  readonly openWorld: boolean;
  /** The answer is our ToolCallResult: typed content instead of data. */
  readonly typedContent: boolean;
  /** For calls: JSON in, JSON out. */
  readonly wire: Method<JsonValue, JsonValue>;
}

const toolOption = 'outrigger.plugin.v1.tool';
const optionsMessage = 'outrigger.plugin.v1.ToolOptions';
/** Most tools taken from one plugin. */
const maxTools = 1000;

const typedResult = 'outrigger.plugin.v1.ToolCallResult';

interface ToolOptions {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly readOnly: boolean;
  readonly destructive: boolean;
  readonly idempotent: boolean;
  readonly openWorld: boolean;
}

/** Methods that are made into tools before others get a turn: schemas take time. */
const atOnce = 10;

/** The methods of some services that carry the tool option, in the order of their full names. */
export async function reflectedMethods(
  registry: FileRegistry,
  services: readonly string[],
): Promise<readonly ReflectedMethod[]> {
  const extension = registry.getExtension(toolOption);
  // A stranger may call something else by this name.
  if (extension?.message?.typeName !== optionsMessage) return [];
  const methods = services
    .flatMap((name) => registry.getService(name)?.methods ?? [])
    .filter((method) => method.methodKind === 'unary' || method.methodKind === 'server_streaming')
    .filter(({ proto: { options } }) => options !== undefined && hasExtension(options, extension))
    .slice(0, maxTools);
  const tools: ReflectedMethod[] = [];
  for (const [index, method] of methods.entries()) {
    if (index % atOnce === atOnce - 1) await turn();
    const { options } = method.proto;
    if (options === undefined) continue;
    tools.push(reflect(method, readOptions(getExtension(options, extension)), registry));
  }
  return tools.sort((a, b) => (`${a.service}.${a.method}` < `${b.service}.${b.method}` ? -1 : 1));
}

/** The options as the plugin's own descriptors have them: fields may be missing or of other types. */
function readOptions(value: unknown): ToolOptions {
  const given = value as Readonly<Record<string, unknown>>;
  const text = (name: string): string => (typeof given[name] === 'string' ? given[name] : '');
  return {
    name: text('name'),
    title: text('title'),
    description: text('description'),
    readOnly: given['readOnly'] === true,
    destructive: given['destructive'] === true,
    idempotent: given['idempotent'] === true,
    openWorld: given['openWorld'] === true,
  };
}

function reflect(method: DescMethod, options: ToolOptions, registry: FileRegistry): ReflectedMethod {
  const typedContent = method.output.typeName === typedResult;
  return {
    service: method.parent.typeName,
    method: method.name,
    tool: toolName(options.name === '' ? snakeCase(method.name) : options.name),
    title: options.title,
    description: options.description === '' ? commentOf(method) : options.description,
    inputSchema: messageSchema(method.input, true),
    outputSchema: messageSchema(method.output, false),
    streaming: method.methodKind === 'server_streaming',
    readOnly: options.readOnly,
    destructive: options.destructive,
    idempotent: options.idempotent,
    openWorld: options.openWorld,
    typedContent,
    wire: wireOf(method, registry),
  };
}

function wireOf(method: DescMethod, registry: FileRegistry): Method<JsonValue, JsonValue> {
  const json = { registry };
  const unreadable = (): never => {
    throw new GatewayError(
      'internal',
      `${method.parent.typeName}.${method.name}: this direction is the plugin's`,
    );
  };
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    request: {
      encode: (value) => {
        try {
          return Buffer.from(toBinary(method.input, fromJson(method.input, value, json)));
        } catch (thrown) {
          throw new GatewayError('invalid_request', reason(thrown), { cause: thrown });
        }
      },
      decode: unreadable,
    },
    response: {
      encode: unreadable,
      decode: (bytes) =>
        toJson(method.output, fromBinary(method.output, bytes), { registry, alwaysEmitImplicit: true }),
    },
    requestStream: false,
    responseStream: method.methodKind === 'server_streaming',
  };
}

function reason(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : 'the arguments do not fit the message';
}

function snakeCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .toLowerCase();
}

function toolName(name: string): string {
  return name.replace(/[^A-Za-z0-9_.-]/g, '_').slice(0, 64);
}
