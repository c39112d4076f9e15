import { Operation, errorDomain, grpcCode, type ListModelsResponse } from '@outrigger/proto';
import { askAnotherInstance, operations } from './operation-probes.js';
import { pageSize, unknownModel, type Outcome, type Probes } from './probes.js';
import { nameOf, quoted, type SmokeCheck } from './smoke-check.js';

/** Operations that answer about a model. */
const inferring = [
  Operation.OPERATION_CHAT,
  Operation.OPERATION_COMPLETION,
  Operation.OPERATION_EMBED,
] as const;

/** Pages of models that are looked at. */
const maxPages = 4;

/** Its models, and its errors for what is not there. */
export const modelChecks: readonly SmokeCheck[] = [
  {
    id: 'MDL-01',
    what: 'each model has an id of its own, and the list of models ends',
    severity: 'refuse',
    find: async (probes) => {
      if (!probes.offers(Operation.OPERATION_LIST_MODELS)) return undefined;
      const seen = new Set<string>();
      const tokens = new Set<string>();
      let token = '';
      for (let pages = 0; pages < maxPages; pages++) {
        const { answer } = await probes.page(pageSize, token);
        if (answer === undefined) return undefined;
        for (const { id } of answer.models) {
          if (id === '') return 'lists a model without an id';
          if (seen.has(id)) return `lists the model ${quoted(id)} twice`;
          seen.add(id);
        }
        token = answer.nextPageToken;
        if (token === '') return undefined;
        if (tokens.has(token)) return 'gives the same page_token again: its list of models never ends';
        tokens.add(token);
      }
      return undefined;
    },
  },
  {
    id: 'MDL-01',
    what: 'a page has as many models as were asked for, in the same order',
    severity: 'warn',
    find: async (probes) => {
      if (!probes.offers(Operation.OPERATION_LIST_MODELS)) return undefined;
      const [all, few] = await Promise.all([probes.page(pageSize), probes.page(2)]);
      if (all.answer === undefined || few.answer === undefined) return undefined;
      if (few.answer.models.length > 2) {
        return `returns ${few.answer.models.length} models on a page of at most 2`;
      }
      const [was, is] = [idsOf(all.answer), idsOf(few.answer)];
      // Models may come and go between two calls; those that stay keep their order.
      const kept = is.filter((id) => was.includes(id));
      const order = was.filter((id) => kept.includes(id));
      return kept.join('\0') === order.join('\0') ? undefined : 'lists its models in another order each time';
    },
  },
  {
    id: 'MDL-02',
    what: 'GetModel does not find a model that is not there',
    severity: 'refuse',
    find: async (probes) => {
      if (!probes.offers(Operation.OPERATION_LIST_MODELS)) return undefined;
      const { code } = await probes.unknownModel();
      return code === grpcCode.OK ? answersForUnknown('GetModel') : undefined;
    },
  },
  {
    // Many runtimes answer with the one model that they have, whatever name they are given.
    id: 'MDL-02',
    what: 'nobody answers for a model that is not there',
    severity: 'warn',
    find: async (probes) => {
      const answered = (await askedForUnknown(probes)).find(
        ([rpc, { code }]) => rpc !== 'GetModel' && code === grpcCode.OK,
      );
      return answered === undefined ? undefined : answersForUnknown(answered[0]);
    },
  },
  {
    id: 'ERR-01',
    what: 'the error for a model that is not there is NOT_FOUND with the reason MODEL_NOT_FOUND',
    severity: 'warn',
    find: async (probes) => {
      for (const [rpc, outcome] of await askedForUnknown(probes)) {
        const { code, reason, domain } = outcome;
        if (code === grpcCode.OK || code === grpcCode.UNKNOWN || cannotTell(outcome)) continue;
        if (code !== grpcCode.NOT_FOUND) {
          return `ends ${rpc} of a model that is not there with ${nameOf(code)} instead of NOT_FOUND`;
        }
        if (reason !== 'MODEL_NOT_FOUND' || domain !== errorDomain) {
          const said =
            reason === undefined
              ? 'no google.rpc.ErrorInfo'
              : `the reason ${reason} of ${quoted(domain ?? '')}`;
          return `ends ${rpc} of a model that is not there with ${said} instead of MODEL_NOT_FOUND of ${quoted(errorDomain)}`;
        }
      }
      return undefined;
    },
  },
  {
    id: 'ERR-02',
    what: 'no call ends with UNKNOWN',
    severity: 'refuse',
    find: async (probes) => {
      const asked = await askedForUnknown(probes);
      if (probes.offers(Operation.OPERATION_LIST_MODELS))
        asked.push(['ListModels', await probes.page(pageSize)]);
      const failed = asked.find(([, { code }]) => code === grpcCode.UNKNOWN);
      return failed === undefined
        ? undefined
        : `ends ${failed[0]} with UNKNOWN, which is no error of the contract`;
    },
  },
  {
    id: 'LIF-09',
    what: 'a request for another instance is refused with INSTANCE_MISMATCH',
    severity: 'warn',
    find: async (probes) => {
      const outcome = await askAnotherInstance(probes);
      if (outcome === undefined || outcome.reason === 'INSTANCE_MISMATCH' || cannotTell(outcome))
        return undefined;
      return `does not refuse a request that names another instance_id (${nameOf(outcome.code)})`;
    },
  },
];

function answersForUnknown(rpc: string): string {
  return `answers ${rpc} for a model that it does not list (${unknownModel})`;
}

/** What came of asking for a model that is not there, by RPC. */
async function askedForUnknown(probes: Probes): Promise<[string, Outcome][]> {
  const asked: [string, Promise<Outcome>][] = inferring
    .filter((operation) => probes.offers(operation))
    .map((operation) => [operations[operation].rpc, operations[operation].ask(probes)]);
  if (probes.offers(Operation.OPERATION_LIST_MODELS)) asked.push(['GetModel', probes.unknownModel()]);
  return Promise.all(asked.map(async ([rpc, outcome]): Promise<[string, Outcome]> => [rpc, await outcome]));
}

/** Codes that say nothing about the plugin: its runtime is away or busy, or does not know it. */
const outside: ReadonlySet<number> = new Set([
  grpcCode.UNAVAILABLE,
  grpcCode.RESOURCE_EXHAUSTED,
  grpcCode.DEADLINE_EXCEEDED,
  grpcCode.UNAUTHENTICATED,
  grpcCode.PERMISSION_DENIED,
]);

function cannotTell({ code, reason }: Outcome): boolean {
  return outside.has(code) || (reason?.startsWith('UPSTREAM_') ?? false);
}

function idsOf({ models }: ListModelsResponse): string[] {
  return models.map(({ id }) => id);
}
