import { codecOf, grpcCode, methodsOf, type Method } from '@outrigger/proto';
import type { EndpointSettings, TritonConfig } from '../config.js';
import {
  GRPCInferenceServiceDefinition,
  ModelInferRequest,
  ModelInferResponse,
  type ModelConfig,
  type ModelMetadataResponse,
  type ModelStatistics,
  type ModelStreamInferResponse,
} from '../gen/inference/inference.js';
import { Connection, ServerError, type Wait } from './connection.js';
import { dialectOf, dialects, type Dialect } from './dialect.js';
import { encodeContents, encodeRaw, outputsOf, type InputTensor, type OutputTensor } from './tensor.js';

const methods = methodsOf(GRPCInferenceServiceDefinition);
const bareStream: Method<ModelInferRequest, ModelInferResponse> = {
  ...methods.modelStreamInfer,
  response: codecOf(ModelInferResponse),
};

/** What a server says of itself. */
export interface ServerFacts {
  readonly dialect: Dialect;
  readonly name: string;
  readonly version: string;
}

/** A line of the repository's index. */
export interface IndexEntry {
  readonly name: string;
  readonly version: string;
  /** LOADING, READY, UNLOADING, UNAVAILABLE, or empty when it was never loaded. */
  readonly state: string;
  readonly reason: string;
}

/** A value of a request parameter. */
export type ParameterScalar = boolean | bigint | number | string;

/** What is to be inferred. */
export interface InferenceRequest {
  readonly model: string;
  readonly version: string;
  readonly id: string;
  readonly inputs: readonly InputTensor[];
  /** Names of outputs wanted; empty for all. */
  readonly outputs: readonly string[];
  readonly parameters: Readonly<Record<string, ParameterScalar>>;
}

/** One answer of a model. */
export interface InferenceAnswer {
  readonly version: string;
  readonly outputs: readonly OutputTensor[];
}

function parameterOf(value: ParameterScalar): ModelInferRequest['parameters'][string] {
  switch (typeof value) {
    case 'boolean':
      return { parameterChoice: { $case: 'boolParam', value } };
    case 'bigint':
      return { parameterChoice: { $case: 'int64Param', value } };
    case 'number':
      return { parameterChoice: { $case: 'doubleParam', value } };
    case 'string':
      return { parameterChoice: { $case: 'stringParam', value } };
  }
}

function wire(request: InferenceRequest, dialect: Dialect): ModelInferRequest {
  const parameters: ModelInferRequest['parameters'] = {};
  for (const [name, value] of Object.entries(request.parameters)) parameters[name] = parameterOf(value);
  // Without this Triton does not mark the end of an answer whose last piece was not the last word.
  if (dialect.stream === 'envelope') parameters['triton_enable_empty_final_response'] = parameterOf(true);
  const typed =
    dialect.inputs === 'typed' &&
    request.inputs.every((input) => encodeContents(input.datatype, []) !== undefined);
  return ModelInferRequest.fromPartial({
    modelName: request.model,
    modelVersion: request.version,
    id: request.id,
    parameters,
    inputs: request.inputs.map((input) => ({
      name: input.name,
      datatype: input.datatype,
      shape: input.shape.map(BigInt),
      ...(dialect.textContentType && input.datatype === 'BYTES'
        ? { parameters: { content_type: parameterOf('str') } }
        : {}),
      ...(typed ? { contents: encodeContents(input.datatype, input.values) as object } : {}),
    })),
    outputs: request.outputs.map((name) => ({ name })),
    rawInputContents: typed ? [] : request.inputs.map((input) => encodeRaw(input.datatype, input.values)),
  });
}

function answerOf(response: ModelInferResponse): InferenceAnswer {
  return { version: response.modelVersion, outputs: outputsOf(response) };
}

function isFinal(response: ModelInferResponse | undefined): boolean {
  const flag = response?.parameters['triton_final_response']?.parameterChoice;
  return flag?.$case === 'boolParam' && flag.value;
}

/** One server: its dialect, its models, its work. Errors are ServerErrors. */
export class Endpoint {
  readonly settings: EndpointSettings;
  readonly #connection: Connection;
  readonly #timeouts: Pick<TritonConfig, 'metadataTimeoutMs' | 'loadTimeoutMs'>;
  #facts: ServerFacts | undefined;

  constructor(settings: EndpointSettings, config: TritonConfig) {
    this.settings = settings;
    this.#connection = new Connection(settings, config.maxReceiveBytes);
    this.#timeouts = config;
  }

  get name(): string {
    return this.settings.name;
  }

  /** What was last known of the server, without asking. */
  get known(): ServerFacts | undefined {
    return this.#facts;
  }

  /** Which server this is; asked once, and again after it was gone. */
  async facts(signal: AbortSignal): Promise<ServerFacts> {
    if (this.#facts !== undefined) return this.#facts;
    const { name, version } = await this.#ask(methods.serverMetadata, {}, signal);
    const declared = this.settings.dialect;
    this.#facts = { name, version, dialect: declared === undefined ? dialectOf(name) : dialects[declared] };
    return this.#facts;
  }

  /** The repository's index; undefined where there is none. */
  async index(signal: AbortSignal): Promise<IndexEntry[] | undefined> {
    const { dialect } = await this.facts(signal);
    if (!dialect.index) return undefined;
    const { models } = await this.#ask(methods.repositoryIndex, { repositoryName: '', ready: false }, signal);
    // MLServer writes "State.READY"; what it loads is "UNKNOWN" to it.
    return models.map((entry) => ({
      ...entry,
      state: entry.state.replace(/^State\./, '').replace(/^UNKNOWN$/, 'LOADING'),
    }));
  }

  /** True when the server would take a request for the model; false when not, or when it does not know it. */
  async ready(model: string, version: string, signal: AbortSignal): Promise<boolean> {
    try {
      return (await this.#ask(methods.modelReady, { name: model, version }, signal)).ready;
    } catch (error) {
      // MLServer answers UNKNOWN for a model that it does not know, others NOT_FOUND.
      if (
        error instanceof ServerError &&
        (error.code === grpcCode.UNKNOWN || error.code === grpcCode.NOT_FOUND)
      )
        return false;
      throw error;
    }
  }

  /** Names and types of a model's tensors. */
  async metadata(model: string, version: string, signal: AbortSignal): Promise<ModelMetadataResponse> {
    return this.#ask(methods.modelMetadata, { name: model, version }, signal);
  }

  /** A model's configuration; undefined where servers have none. */
  async configuration(model: string, version: string, signal: AbortSignal): Promise<ModelConfig | undefined> {
    const { dialect } = await this.facts(signal);
    if (!dialect.configuration) return undefined;
    return (await this.#ask(methods.modelConfig, { name: model, version }, signal)).config;
  }

  /** What the server has counted; empty where servers do not count. */
  async statistics(signal: AbortSignal): Promise<ModelStatistics[]> {
    const { dialect } = await this.facts(signal);
    if (!dialect.configuration) return [];
    return (await this.#ask(methods.modelStatistics, { name: '', version: '' }, signal)).modelStats;
  }

  /** Loads a model, or loads it again; `config` is a configuration to use instead of its own, as JSON text. */
  async load(model: string, config: string | undefined, signal: AbortSignal): Promise<void> {
    const parameters =
      config === undefined
        ? {}
        : { config: { parameterChoice: { $case: 'stringParam', value: config } as const } };
    const wait = { signal, deadline: Date.now() + this.#timeouts.loadTimeoutMs };
    await this.#watched(
      this.#connection.unary(
        methods.repositoryModelLoad,
        { repositoryName: '', modelName: model, parameters },
        wait,
      ),
    );
  }

  /** Begins to unload a model. */
  async unload(model: string, signal: AbortSignal): Promise<void> {
    await this.#ask(
      methods.repositoryModelUnload,
      { repositoryName: '', modelName: model, parameters: {} },
      signal,
    );
  }

  /** One answer to one request; models that answer many times refuse this. */
  async infer(request: InferenceRequest, wait: Wait): Promise<InferenceAnswer> {
    const { dialect } = await this.facts(wait.signal);
    const response = await this.#watched(
      this.#connection.unary(methods.modelInfer, wire(request, dialect), wait),
    );
    return answerOf(response);
  }

  /** Whether models can answer many times here. */
  async streams(signal: AbortSignal): Promise<boolean> {
    return (await this.facts(signal)).dialect.stream !== 'none';
  }

  /**
   * The answers to one request, in lists of what was there at one moment. Returns
   * only when the server has said that the answer is whole; a stream that ends
   * otherwise throws, also where its gRPC status is OK.
   */
  async *inferStream(
    request: InferenceRequest,
    wait: Wait,
  ): AsyncGenerator<readonly InferenceAnswer[], void, undefined> {
    const { dialect } = await this.facts(wait.signal);
    const message = wire(request, dialect);
    try {
      if (dialect.stream === 'envelope') yield* this.#envelopes(message, wait);
      else {
        for await (const responses of this.#connection.stream(bareStream, message, {}, () => false, wait))
          yield responses.map(answerOf);
      }
    } catch (error) {
      this.#notice(error);
      throw error;
    }
  }

  /** One stream per request, and Triton is asked for real codes; still some errors come with status OK. */
  async *#envelopes(
    message: ModelInferRequest,
    wait: Wait,
  ): AsyncGenerator<readonly InferenceAnswer[], void, undefined> {
    const headers = { triton_grpc_error: 'true' };
    const isLast = (envelope: ModelStreamInferResponse): boolean =>
      envelope.errorMessage !== '' || isFinal(envelope.inferResponse);
    let final = false;
    let failure: ServerError | undefined;
    for await (const envelopes of this.#connection.stream(
      methods.modelStreamInfer,
      message,
      headers,
      isLast,
      wait,
    )) {
      const answers: InferenceAnswer[] = [];
      for (const { errorMessage, inferResponse } of envelopes) {
        if (errorMessage !== '')
          failure ??= new ServerError(grpcCode.OK, errorMessage, isFinal(inferResponse));
        if (inferResponse === undefined || failure !== undefined) continue;
        final ||= isFinal(inferResponse);
        if (inferResponse.outputs.length > 0) answers.push(answerOf(inferResponse));
      }
      if (answers.length > 0) yield answers;
    }
    if (failure !== undefined) throw failure;
    if (final) return;
    throw new ServerError(grpcCode.DATA_LOSS, 'the stream ended before the answer did');
  }

  /** Closes the connection once what is open has ended. */
  close(): void {
    this.#connection.close();
  }

  async #ask<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    signal: AbortSignal,
  ): Promise<Response> {
    const wait = { signal, deadline: Date.now() + this.#timeouts.metadataTimeoutMs };
    return this.#watched(this.#connection.unary(method, request, wait));
  }

  async #watched<Result>(work: Promise<Result>): Promise<Result> {
    try {
      return await work;
    } catch (error) {
      this.#notice(error);
      throw error;
    }
  }

  /** Who comes back after it was gone may be another server. */
  #notice(error: unknown): void {
    if (error instanceof ServerError && error.code === grpcCode.UNAVAILABLE) this.#facts = undefined;
  }
}
