import type { ModelSettings } from '../config.js';
import type { Endpoint } from '../server/endpoint.js';
import { shapeOf, type Shape, type TensorSpec } from './shape.js';

/** A model that the plugin serves. */
export interface ModelPlace {
  /** What callers name it. */
  readonly id: string;
  readonly endpoint: Endpoint;
  /** Its name on the server. */
  readonly name: string;
  readonly settings: ModelSettings;
}

/** What is known of a model that can be used. */
export interface ModelDescription {
  readonly platform: string;
  readonly versions: readonly string[];
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Largest batch; 0 without a batch dimension. Undefined when nobody says. */
  readonly maxBatchSize: number | undefined;
  /** One request has any number of answers. Undefined when nobody says. */
  readonly decoupled: boolean | undefined;
  readonly parameters: Readonly<Record<string, string>>;
  readonly shape: Shape;
}

/** A model with all that is needed to use it. */
export interface DescribedModel {
  readonly place: ModelPlace;
  readonly description: ModelDescription;
}

/** Asks a server about one of its models. Throws ServerError. */
export async function describe(place: ModelPlace, signal: AbortSignal): Promise<ModelDescription> {
  const { endpoint, name, settings } = place;
  const version = settings.version ?? '';
  const [metadata, config] = await Promise.all([
    endpoint.metadata(name, version, signal),
    endpoint.configuration(name, version, signal),
  ]);
  const optional = new Map(config?.input.map((input) => [input.name, input.optional]));
  const specs = (tensors: typeof metadata.inputs): TensorSpec[] =>
    tensors.map((tensor) => ({
      name: tensor.name,
      datatype: tensor.datatype,
      shape: tensor.shape.map(Number),
      // Without a configuration nothing is known to be required.
      optional:
        config === undefined ? !/text|prompt/i.test(tensor.name) : (optional.get(tensor.name) ?? false),
    }));
  const parameters: Record<string, string> = {};
  for (const [key, value] of Object.entries(config?.parameters ?? {})) parameters[key] = value.stringValue;
  const maxBatchSize = settings.maxBatchSize ?? config?.maxBatchSize;
  const tensors = {
    inputs: specs(metadata.inputs),
    outputs: specs(metadata.outputs),
    batched: (maxBatchSize ?? 0) > 0,
    parameters,
  };
  return {
    platform: config?.backend || metadata.platform,
    versions: metadata.versions,
    inputs: tensors.inputs,
    outputs: tensors.outputs,
    maxBatchSize,
    decoupled:
      settings.decoupled ??
      config?.modelTransactionPolicy?.decoupled ??
      (config === undefined ? undefined : false),
    parameters,
    shape: shapeOf(tensors, settings),
  };
}
