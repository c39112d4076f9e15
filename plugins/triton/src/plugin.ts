import { readFileSync } from 'node:fs';
import type { GenerateEvent } from '@outrigger/proto';
import {
  PluginError,
  definePlugin,
  type ParameterDeclaration,
  type PluginDefinition,
} from '@outrigger/sdk-plugin';
import { Catalog } from './catalog/catalog.js';
import { configSchema, type TritonConfig } from './config.js';
import { embed } from './embed.js';
import { generate } from './generate/generate.js';
import { getModel, listModels, loadModel, unloadModel } from './loading.js';
import { metrics } from './metrics.js';
import { tensorsService } from './tensors.js';

/** Version of this build. */
export const version = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

const parameters: readonly (string | ParameterDeclaration)[] = [
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'frequency_penalty',
  'presence_penalty',
  'repetition_penalty',
  'seed',
  'stop',
  'max_tokens',
  'response_format',
  {
    name: 'sampling_parameters',
    schema: { type: 'object' },
    description:
      'Further sampling parameters of vLLM by its own names, for example lora_name or ignore_eos; they win over the common ones.',
  },
  {
    name: 'inputs',
    schema: {
      type: 'object',
      additionalProperties: { type: ['string', 'number', 'boolean', 'array'] },
    },
    description: 'Further input tensors of the model, by name: a value, or a list of values.',
  },
];

interface Running {
  readonly catalog: Catalog;
  readonly config: TritonConfig;
}

/** Words about the servers, for people. */
function runtimeOf(running: Running | undefined): string {
  const words = new Set(
    running?.catalog.endpoints.flatMap(({ known }) =>
      known === undefined ? [] : [`${known.name} ${known.version}`],
    ),
  );
  return words.size === 0 ? 'KServe v2 (not reached yet)' : [...words].join(', ');
}

/** The plugin: any number of servers that speak KServe v2. */
export function tritonPlugin(): PluginDefinition<TritonConfig> {
  let running: Running | undefined;
  let inFlight = 0;
  const current = (): Running => {
    if (running === undefined) throw new PluginError('STARTING', 'the plugin is not configured yet');
    return running;
  };

  return definePlugin<TritonConfig>({
    name: 'triton',
    version,
    displayName: 'Triton',
    homepage: 'https://github.com/triton-inference-server/server',
    runtime: () => runtimeOf(running),
    config: configSchema,
    capabilities: { parameters, embedParameters: [] },

    async configure(config, context) {
      const next = { catalog: new Catalog(config), config };
      const previous = running;
      running = next;
      // What is open on the old connections goes on to its end.
      previous?.catalog.close();
      const checks = next.catalog.endpoints.map(async (endpoint) => {
        try {
          const { name, dialect } = await endpoint.facts(context.signal);
          const stranger =
            dialect.name === 'kserve' && !/kserve/i.test(name) && endpoint.settings.dialect === undefined;
          return stranger
            ? [
                `endpoint ${endpoint.name}: ${JSON.stringify(name)} is not known; it is spoken to in plain KServe v2, without streams`,
              ]
            : [];
        } catch {
          return [`endpoint ${endpoint.name} does not answer yet`];
        }
      });
      return (await Promise.all(checks)).flat();
    },

    stop() {
      running?.catalog.close();
      return Promise.resolve();
    },

    listModels: (context) => listModels(current().catalog, current().config, context),
    getModel: (id, context) => getModel(current().catalog, current().config, id, context),
    loadModel: (request, context) => loadModel(current().catalog, request, context),
    unloadModel: (id, context) => unloadModel(current().catalog, id, context),

    async *generate(request, context): AsyncGenerator<readonly GenerateEvent[], void, undefined> {
      const { catalog, config } = current();
      inFlight += 1;
      try {
        yield* generate(catalog, config, request, context);
      } finally {
        inFlight -= 1;
      }
    },

    async embed(request, context) {
      const { catalog, config } = current();
      inFlight += 1;
      try {
        return await embed(catalog, config, request, context);
      } finally {
        inFlight -= 1;
      }
    },

    metrics: (context) => metrics(current().catalog, inFlight, context.signal),
    services: [tensorsService(current)],
  });
}
