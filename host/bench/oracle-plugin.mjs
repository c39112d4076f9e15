// A plugin for tests and benchmarks: answers by the oracle, one piece at a time.
// The prompt is `seed pieces delayMs`. What goes wrong is told by the
// environment: ORACLE_NAME, ORACLE_VERSION, ORACLE_START_MS (late), ORACLE_EXIT_MS
// (dies after), ORACLE_FAIL (share of failing answers), ORACLE_SLOW_MS (before the
// first piece), ORACLE_MODE (exclusive), ORACLE_NO_EMBED, ORACLE_DEAF (ignores SIGTERM and Shutdown),
// ORACLE_PLAIN (or the argument --plain: does not serve Multiplex, as an older SDK).
import { setTimeout as sleep } from 'node:timers/promises';
import { Model } from '@outrigger/proto';
import {
  definePlugin,
  finish,
  modelNotFound,
  PluginError,
  servePlugin,
  text,
  usage,
} from '@outrigger/sdk-plugin';
import { piece } from './oracle.mjs';

const env = process.env;
const plain = env['ORACLE_PLAIN'] !== undefined || process.argv.includes('--plain');
let greeting = '';
const number = (name) => Number(env[name] ?? 0);

if (number('ORACLE_START_MS') > 0) await sleep(number('ORACLE_START_MS'));
if (number('ORACLE_EXIT_MS') > 0) {
  setTimeout(() => {
    console.error('oracle: the end that was asked for');
    process.exit(5);
  }, number('ORACLE_EXIT_MS'));
}

await servePlugin(
  definePlugin({
    name: env['ORACLE_NAME'] ?? 'oracle',
    version: env['ORACLE_VERSION'] ?? '1.0.0',
    config: (value) => {
      if (value?.refuse === true) throw new Error('refuse: must not be true');
      return value;
    },
    configure: (config) => {
      greeting = config?.greeting ?? '';
      return Promise.resolve();
    },
    // As of plugins that learn from their configuration what they stand in front of.
    runtime: () => (greeting === '' ? '' : `oracle that says ${greeting}`),
    capabilities: env['ORACLE_MODE'] === 'exclusive' ? { swapMode: 'exclusive' } : {},
    stop: () => (env['ORACLE_DEAF'] === undefined ? Promise.resolve() : new Promise(() => undefined)),
    listModels: () => Promise.resolve([Model.create({ id: 'oracle', displayName: greeting })]),
    async *generate(request, { signal }) {
      if (request.model !== 'oracle') throw modelNotFound(request.model);
      if (request.prompt === 'die') process.exit(7);
      const [seed = 0, pieces = 1, delayMs = 0] = (request.prompt ?? '').split(' ').map(Number);
      if (number('ORACLE_SLOW_MS') > 0) await sleep(number('ORACLE_SLOW_MS'), undefined, { signal });
      if (Math.random() < number('ORACLE_FAIL'))
        throw new PluginError('INTERNAL', 'failed as it was asked to');
      for (let index = 0; index < pieces; index++) {
        if (delayMs > 0) await sleep(delayMs, undefined, { signal });
        yield text(`${index}:${piece(seed, index)}:${process.pid} `);
      }
      yield [finish('stop'), usage({ inputTokens: 3, outputTokens: pieces })];
    },
    ...(env['ORACLE_NO_EMBED'] === undefined
      ? {
          embed: async (request) => {
            if (request.model !== 'oracle') throw modelNotFound(request.model);
            return { embeddings: request.inputs.map(() => ({ values: [1] })) };
          },
        }
      : {}),
  }),
  // A plugin that takes small requests only cannot serve it.
  plain ? { maxReceiveBytes: 256 * 1024 } : {},
);
