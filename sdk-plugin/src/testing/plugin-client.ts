import {
  CountTokensRequest,
  EmbedRequest,
  GenerateRequest,
  HealthCheckResponse_ServingStatus,
  HealthDefinition,
  IdentityDefinition,
  InferenceDefinition,
  LifecycleDefinition,
  LoadModelRequest,
  Message,
  ModelsDefinition,
  Part,
  Role,
  TelemetryDefinition,
  methodsOf,
  type CountTokensResponse,
  type DrainResponse,
  type EmbedResponse,
  type GenerateEvent,
  type GenerateResponse,
  type GetCapabilitiesResponse,
  type GetMetricsResponse,
  type GetPluginInfoResponse,
  type ListModelsResponse,
  type LoadModelResponse,
  type Model,
  type ModelState,
  type PullModelResponse,
} from '@outrigger/proto';
import { Transport, type CallOptions } from './transport.js';

export type { CallOptions } from './transport.js';

const identity = methodsOf(IdentityDefinition);
const lifecycle = methodsOf(LifecycleDefinition);
const models = methodsOf(ModelsDefinition);
const inference = methodsOf(InferenceDefinition);
const telemetry = methodsOf(TelemetryDefinition);
const health = methodsOf(HealthDefinition);

/** A request in short: `user` stands for one user message. What is left out has its default. */
export type GenerateFields = Partial<GenerateRequest> & { readonly user?: string };

function generateRequest({ user, ...fields }: GenerateFields): GenerateRequest {
  const request = { ...GenerateRequest.create({}), ...fields };
  if (user === undefined) return request;
  const part = Part.create({ kind: { $case: 'text', value: { text: user } } });
  const message = { ...Message.create({}), role: Role.ROLE_USER, parts: [part] };
  return { ...request, messages: [...request.messages, message] };
}

/** Talks to a plugin as a host does, without hiding anything. All methods throw RpcError. */
export class PluginClient {
  readonly transport: Transport;

  constructor(address: string) {
    this.transport = new Transport(address);
  }

  info(options?: CallOptions): Promise<GetPluginInfoResponse> {
    return this.transport.unary(identity.getPluginInfo, { hostName: 'test', hostVersion: '0' }, options);
  }

  capabilities(options?: CallOptions): Promise<GetCapabilitiesResponse> {
    return this.transport.unary(identity.getCapabilities, {}, options);
  }

  /** `config` is any JSON value; a string is sent as it is. Returns the warnings. */
  async configure(config: unknown, generation = 1, options?: CallOptions): Promise<string[]> {
    const configJson = typeof config === 'string' ? config : JSON.stringify(config);
    const { warnings } = await this.transport.unary(lifecycle.configure, { configJson, generation }, options);
    return warnings;
  }

  drain(reason = 'test', options?: CallOptions): AsyncGenerator<DrainResponse, void, undefined> {
    return this.transport.stream(lifecycle.drain, { reason }, options);
  }

  async shutdown(graceMs = 0, options?: CallOptions): Promise<void> {
    await this.transport.unary(lifecycle.shutdown, { graceMs }, options);
  }

  /** "SERVING" or "NOT_SERVING"; `service` empty is the plugin as a whole. */
  async health(service = '', options?: CallOptions): Promise<string> {
    const { status } = await this.transport.unary(health.check, { service }, options);
    return HealthCheckResponse_ServingStatus[status];
  }

  /** All models, page by page. */
  async listModels(pageSize = 0, options?: CallOptions): Promise<Model[]> {
    const found: Model[] = [];
    let pageToken = '';
    do {
      const page: ListModelsResponse = await this.transport.unary(
        models.listModels,
        { pageSize, pageToken },
        options,
      );
      found.push(...page.models);
      if (page.nextPageToken !== '' && page.nextPageToken === pageToken)
        throw new Error('the page token does not move');
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    return found;
  }

  async getModel(model: string, options?: CallOptions): Promise<Model> {
    const response = await this.transport.unary(models.getModel, { model }, options);
    if (response.model === undefined) throw new Error('GetModel answered without a model');
    return response.model;
  }

  loadModel(
    fields: Partial<LoadModelRequest> & { model: string },
    options?: CallOptions,
  ): AsyncGenerator<LoadModelResponse, void, undefined> {
    return this.transport.stream(models.loadModel, { ...LoadModelRequest.create({}), ...fields }, options);
  }

  async unloadModel(model: string, options?: CallOptions): Promise<ModelState | undefined> {
    return (await this.transport.unary(models.unloadModel, { model }, options)).state;
  }

  pullModel(source: string, options?: CallOptions): AsyncGenerator<PullModelResponse, void, undefined> {
    return this.transport.stream(models.pullModel, { source }, options);
  }

  async deleteModel(model: string, options?: CallOptions): Promise<void> {
    await this.transport.unary(models.deleteModel, { model }, options);
  }

  /** The frames of an answer as they travel. */
  frames(fields: GenerateFields, options?: CallOptions): AsyncGenerator<GenerateResponse, void, undefined> {
    return this.transport.stream(inference.generate, generateRequest(fields), options);
  }

  /** The events of an answer; throws when a frame is missing or empty. */
  async *generate(
    fields: GenerateFields,
    options?: CallOptions,
  ): AsyncGenerator<GenerateEvent, void, undefined> {
    let expected = 0;
    for await (const { seq, events } of this.frames(fields, options)) {
      if (seq !== expected) throw new Error(`frame ${expected} is missing: ${seq} came`);
      if (events.length === 0) throw new Error(`frame ${seq} is empty`);
      expected += 1;
      yield* events;
    }
  }

  /** A plain string in `inputs` is a text. */
  embed(
    fields: Partial<Omit<EmbedRequest, 'inputs'>> & {
      inputs: readonly (string | EmbedRequest['inputs'][number])[];
    },
    options?: CallOptions,
  ): Promise<EmbedResponse> {
    const inputs = fields.inputs.map((input) =>
      typeof input === 'string' ? { kind: { $case: 'text' as const, value: input } } : input,
    );
    return this.transport.unary(inference.embed, { ...EmbedRequest.create({}), ...fields, inputs }, options);
  }

  countTokens(fields: GenerateFields, options?: CallOptions): Promise<CountTokensResponse> {
    const request = { ...CountTokensRequest.create({}), request: generateRequest(fields) };
    return this.transport.unary(inference.countTokens, request, options);
  }

  metrics(options?: CallOptions): Promise<GetMetricsResponse> {
    return this.transport.unary(telemetry.getMetrics, {}, options);
  }

  close(): void {
    this.transport.close();
  }
}

/** Connects to a plugin that listens, for example one that a test spawned. */
export function connectPlugin(address: string): PluginClient {
  return new PluginClient(address);
}
