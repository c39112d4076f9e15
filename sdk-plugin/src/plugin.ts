import type {
  CountTokensRequest,
  CountTokensResponse,
  EmbedRequest,
  EmbedResponse,
  GenerateEvent,
  GenerateRequest,
  GetMetricsResponse,
  LoadModelRequest,
  LoadModelResponse,
  Model,
  PullModelRequest,
  PullModelResponse,
  ServiceDefinition,
  MethodsOf,
} from '@outrigger/proto';
import type { Log } from './log.js';

/** What every handler is given beside its request. */
export interface CallContext {
  /** Aborted when the caller leaves, the deadline passes or the plugin stops. Pass it on to whatever waits. */
  readonly signal: AbortSignal;
  /**
   * Calls `listener` with the reason when `signal` aborts, at once when it has; it must not throw. Costs
   * less than the signal, which is made for those who ask for it.
   */
  onAbort(listener: (reason: Error) => void): void;
  /** The host's id of the request; empty for calls that have none. */
  readonly requestId: string;
  /** When the caller stops waiting, in milliseconds since the epoch; undefined without a deadline. */
  readonly deadline: number | undefined;
  /** A log that carries the request id. */
  readonly log: Log;
}

/** A parameter of requests that this plugin honours. */
export interface ParameterDeclaration {
  /** The name callers use: the OpenAI name for common ones ("temperature"), the plugin's own otherwise. */
  readonly name: string;
  /** JSON Schema of the value; needed for the plugin's own parameters, which arrive in `extensions`. */
  readonly schema?: Readonly<Record<string, unknown>>;
  /** One sentence for people. */
  readonly description?: string;
}

/** What the plugin can do; operations are told by which handlers are there. */
export interface CapabilityDeclaration {
  /** Parameters that `generate` honours. A bare string declares a common one. */
  readonly parameters?: readonly (string | ParameterDeclaration)[];
  /** Parameters that `embed` honours. */
  readonly embedParameters?: readonly (string | ParameterDeclaration)[];
  /** `exclusive` when old and new version cannot run side by side. */
  readonly swapMode?: 'overlap' | 'exclusive';
  /** Most requests worked on at once; undefined is no limit of its own. */
  readonly maxConcurrency?: number;
  /** Beginnings of sources that `pullModel` takes, for example "hf:"; an empty one takes any. */
  readonly pullPrefixes?: readonly string[];
  /** Set to false to say that prompts cannot be continued, only messages answered. Default true. */
  readonly completion?: boolean;
  /** Set to false for a plugin whose `generate` takes only prompts. Default true. */
  readonly chat?: boolean;
}

/** Reads the plugin's configuration: a function, or any Standard Schema such as a zod object. */
export type ConfigReader<Config> =
  | ((value: unknown) => Config)
  | {
      readonly '~standard': {
        validate(value: unknown): StandardResult<Config> | Promise<StandardResult<Config>>;
      };
    };

/** What a Standard Schema's validate returns (standardschema.dev, version 1). */
export type StandardResult<Value> =
  | { readonly value: Value; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string;
        readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
      }[];
    };

/** A service of the plugin's own, beside the contract's. */
export interface PluginService<Service extends ServiceDefinition = ServiceDefinition> {
  /** As the generated code describes it (ts-proto `outputServices=generic-definitions`). */
  readonly definition: Service;
  /** The serialized FileDescriptorSet that holds the service, source info included. */
  readonly descriptorSet: Uint8Array;
  /** Unary methods return a promise, server-streaming ones an async iterable. */
  readonly handlers: ServiceHandlers<Service>;
}

/** The functions behind a service's methods. */
export type ServiceHandlers<Service extends ServiceDefinition> = {
  readonly [Key in keyof MethodsOf<Service>]: MethodsOf<Service>[Key] extends {
    request: { decode(...args: never[]): infer Request };
    response: { decode(...args: never[]): infer Response };
  }
    ? Service['methods'][Key]['responseStream'] extends true
      ? (request: Request, context: CallContext) => AsyncIterable<Response>
      : (request: Request, context: CallContext) => Promise<Response>
    : never;
};

/** A service whose types have been checked by `pluginService`. */
export interface AnyPluginService {
  readonly definition: ServiceDefinition;
  readonly descriptorSet: Uint8Array;
  readonly handlers: Readonly<Record<string, (request: never, context: CallContext) => unknown>>;
}

/** Checks the handlers of a service against its definition. */
export function pluginService<Service extends ServiceDefinition>(
  service: PluginService<Service>,
): AnyPluginService {
  return service;
}

/** What a plugin is made of. All functions are optional but the name and the version. */
export interface PluginDefinition<Config = unknown> {
  /** 1 to 63 characters of [a-z0-9-], beginning with a letter. */
  readonly name: string;
  /** Version of this build; semantic versioning preferred. */
  readonly version: string;
  readonly displayName?: string;
  readonly homepage?: string;
  /** Runtime name and version, for people; asked whenever somebody looks. */
  readonly runtime?: () => string;
  /** What it can do; a function when that depends on the configuration. */
  readonly capabilities?: CapabilityDeclaration | (() => CapabilityDeclaration);
  /** Reads and checks the configuration; without it any configuration but `{}` is refused. */
  readonly config?: ConfigReader<Config>;
  /** Takes a new configuration; a throw keeps the old one in force. Called before traffic and
   * again on every change; what it returns are warnings for people. */
  // An async function without a return is the common case, and its type is Promise<void>.
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type
  configure?(config: Config, context: CallContext): Promise<void | readonly string[]>;
  /** Frees everything: engines, sockets, timers. Called once, after draining; bounded by the grace. */
  stop?(context: CallContext): Promise<void>;

  listModels?(context: CallContext): Promise<readonly Model[]>;
  /** Default: looked up in `listModels`. Throw `modelNotFound(id)` for an unknown one. */
  getModel?(id: string, context: CallContext): Promise<Model>;
  loadModel?(request: LoadModelRequest, context: CallContext): AsyncIterable<LoadModelResponse>;
  unloadModel?(id: string, context: CallContext): Promise<void>;
  pullModel?(request: PullModelRequest, context: CallContext): AsyncIterable<PullModelResponse>;
  deleteModel?(id: string, context: CallContext): Promise<void>;

  /**
   * Generates. Yield events made by `text`, `finish`, `usage` … as soon as they
   * are there; a list when several are ready at once. The SDK adds head (unless
   * yielded) and end, numbers the frames and waits when the reader is slow. A
   * generator that returns without a finish is reported as an error: it never
   * looks complete.
   */
  generate?(
    request: GenerateRequest,
    context: CallContext,
  ): AsyncIterable<GenerateEvent | readonly GenerateEvent[]>;
  embed?(request: EmbedRequest, context: CallContext): Promise<EmbedResponse>;
  countTokens?(request: CountTokensRequest, context: CallContext): Promise<CountTokensResponse>;
  metrics?(context: CallContext): Promise<GetMetricsResponse>;

  /** Services of the plugin's own, each made by `pluginService`; methods with the tool option become MCP tools. */
  readonly services?: readonly AnyPluginService[];
}

/** Checks a definition's name and version and returns it, typed. */
export function definePlugin<Config = unknown>(
  definition: PluginDefinition<Config>,
): PluginDefinition<Config> {
  if (!/^[a-z][a-z0-9-]{0,62}$/.test(definition.name)) {
    throw new TypeError(
      `plugin name ${JSON.stringify(definition.name)}: use 1 to 63 characters of a-z, 0-9 and "-", beginning with a letter`,
    );
  }
  if (definition.version === '') throw new TypeError('plugin version: must not be empty');
  return definition;
}
