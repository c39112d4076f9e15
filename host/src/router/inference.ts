import type {
  EmbedRequest,
  EmbedResponse,
  GenerateEvent,
  GenerateRequest,
  LoadModelResponse,
  Model,
  PullModelResponse,
  Warning,
} from '@outrigger/proto';
import type { GatewayError } from '../errors/gateway-error.js';
import type { RequestContext } from '../request-context.js';

/**
 * The port between doors and router: what every door calls and nothing else.
 * Messages of the contract are the host's own model; OpenAI, REST and MCP
 * shapes stop at the doors.
 */
export interface Inference {
  /**
   * Finds the model, leases an instance and begins to generate. Resolves as soon
   * as the call is under way, before the first token.
   * Rejects with GatewayError: model_not_found, unsupported_parameter, plugin_unavailable, …
   */
  generate(call: GenerateCall, context: RequestContext): Promise<Generation>;
  embed(call: EmbedCall, context: RequestContext): Promise<Embedded>;
  countTokens(
    call: GenerateCall,
    context: RequestContext,
  ): Promise<{ inputTokens: number; estimated: boolean }>;
  /** All models of all plugins, in a stable order. */
  listModels(): Promise<readonly ModelEntry[]>;
  /** One model by any of its names; rejects with model_not_found, naming near ones. */
  getModel(name: string): Promise<ModelEntry>;
  loadModel(name: string, context: RequestContext): AsyncIterable<LoadModelResponse>;
  unloadModel(name: string, context: RequestContext): Promise<void>;
  /** Without a plugin name, the only plugin that can pull, else an invalid_request that lists them. */
  pullModel(
    source: string,
    plugin: string | undefined,
    context: RequestContext,
  ): AsyncIterable<PullModelResponse>;
  deleteModel(name: string, context: RequestContext): Promise<void>;
}

/** A request to generate as a door hands it over. */
export interface GenerateCall {
  /** The model as the caller named it; empty for the default model. */
  readonly model: string;
  /** The request; the router fills in `context` and `model`. */
  readonly request: GenerateRequest;
  /**
   * Every optional parameter that the caller set, by the name of the OpenAI API
   * ("temperature", "tools", "max_tokens" for both spellings …) or of the plugin, with
   * its JSON value. What no typed field of `request` holds travels from here.
   */
  readonly parameters: ReadonlyMap<string, unknown>;
}

/** A request to embed as a door hands it over. */
export interface EmbedCall {
  readonly model: string;
  readonly request: EmbedRequest;
  readonly parameters: ReadonlyMap<string, unknown>;
}

/** Who works on a request. */
export interface Served {
  /** `plugin/model`. */
  readonly model: string;
  readonly plugin: string;
  readonly pluginVersion: string;
  readonly instanceId: string;
  /** Parameters that were left out because the plugin does not know them. */
  readonly ignoredParams: readonly string[];
}

/** An answer that is being generated. Exactly one sink must be attached. */
export interface Generation {
  readonly served: Served;
  /** Begins to deliver. Call once. */
  attach(sink: GenerationSink): void;
  /** Holds delivery back, all the way to the plugin. */
  pause(): void;
  resume(): void;
  /** The caller has left: stops the work. The sink hears nothing more. */
  cancel(): void;
}

/** Where an answer goes. After `complete` or `fail` nothing more comes. */
export interface GenerationSink {
  /** Events that were ready at one moment, in order: head first, `end` never (it is `complete`). */
  events(events: readonly GenerateEvent[]): void;
  /** The answer is whole: the plugin said so. */
  complete(): void;
  /** The answer was cut or refused. What came before stands, but the answer is not whole. */
  fail(error: GatewayError): void;
}

/** Embeddings and who made them. */
export interface Embedded {
  readonly served: Served;
  readonly response: EmbedResponse;
}

/** A model and where it lives. */
export interface ModelEntry {
  /** `plugin/model`: always accepted. */
  readonly id: string;
  /** Other names that mean it now: the bare name when it is unique, aliases. */
  readonly names: readonly string[];
  readonly plugin: string;
  readonly pluginVersion: string;
  readonly model: Model;
}

/** A warning as doors report it. */
export type CallWarning = Warning;
