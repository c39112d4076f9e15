import { Operation, grpcCode } from '@outrigger/proto';
import { known, operations, type KnownOperation } from './operation-probes.js';
import { Unanswered } from './probes.js';
import { nameOf, quoted, type SmokeCheck } from './smoke-check.js';

/** Operations that may be called without being announced and without any effect. */
const harmless = [
  Operation.OPERATION_CHAT,
  Operation.OPERATION_COMPLETION,
  Operation.OPERATION_EMBED,
  Operation.OPERATION_COUNT_TOKENS,
  Operation.OPERATION_METRICS,
] as const;
/** What an operator does with models; a runtime may take its time for it. */
const administering: ReadonlySet<KnownOperation> = new Set<KnownOperation>([
  Operation.OPERATION_LOAD_MODEL,
  Operation.OPERATION_UNLOAD_MODEL,
  Operation.OPERATION_PULL_MODEL,
  Operation.OPERATION_DELETE_MODEL,
  Operation.OPERATION_METRICS,
]);

/** Services that operations live in. */
const serviceOf = (operation: KnownOperation): string => {
  const { rpc } = operations[operation];
  if (/^(Generate|Embed|CountTokens)/.test(rpc)) return 'outrigger.plugin.v1.Inference';
  return rpc === 'GetMetrics' ? 'outrigger.plugin.v1.Telemetry' : 'outrigger.plugin.v1.Models';
};

/** Who it is and what it says that it can do. */
export const identityChecks: readonly SmokeCheck[] = [
  {
    id: 'ID-03',
    what: 'GetPluginInfo gives the same name, version and instance again',
    severity: 'refuse',
    find: async (probes) => {
      const { code, answer } = await probes.info();
      const { info } = probes.manifest;
      if (answer === undefined)
        return `answered GetPluginInfo, and the second time ended it with ${nameOf(code)}`;
      const changed = (['name', 'buildVersion', 'instanceId'] as const).find(
        (key) => answer[key] !== info[key],
      );
      if (changed === undefined) return undefined;
      const field = { name: 'name', buildVersion: 'build_version', instanceId: 'instance_id' }[changed];
      return `gave ${field} ${quoted(info[changed])}, and then ${quoted(answer[changed])}`;
    },
  },
  {
    id: 'ID-05',
    what: 'GetCapabilities gives the same operations and parameters again',
    severity: 'refuse',
    find: async (probes) => {
      const { code, answer } = await probes.capabilities();
      if (answer === undefined)
        return `answered GetCapabilities, and the second time ended it with ${nameOf(code)}`;
      const { capabilities: before } = probes.manifest;
      const same =
        sameSet(before.operations, answer.operations) &&
        sameSet(before.parameters.map(named), answer.parameters.map(named)) &&
        before.swapMode === answer.swapMode;
      return same ? undefined : 'announced other capabilities the second time';
    },
  },
  {
    id: 'ID-06',
    what: 'every operation that it announces is served',
    severity: 'refuse',
    find: async (probes) => {
      const announced = known.filter((operation) => probes.offers(operation));
      const outcomes = await Promise.all(
        announced.map(async (operation) => {
          try {
            return await operations[operation].ask(probes);
          } catch (thrown) {
            if (thrown instanceof Unanswered && administering.has(operation)) return undefined;
            throw thrown;
          }
        }),
      );
      const missing = announced.filter(
        (_operation, index) => outcomes[index]?.code === grpcCode.UNIMPLEMENTED,
      );
      if (probes.offers(Operation.OPERATION_LIST_MODELS)) {
        if ((await probes.unknownModel()).code === grpcCode.UNIMPLEMENTED) return announcedOnly('GetModel');
      }
      return missing[0] === undefined ? undefined : announcedOnly(operations[missing[0]].rpc);
    },
  },
  {
    id: 'ID-07',
    what: 'what it does not announce it does not serve',
    severity: 'warn',
    find: async (probes) => {
      const silent = harmless.filter((operation) => !probes.offers(operation));
      const outcomes = await Promise.all(silent.map((operation) => operations[operation].ask(probes)));
      const served = silent.filter((_operation, index) => {
        const code = outcomes[index]?.code;
        return code === grpcCode.OK || code === grpcCode.NOT_FOUND;
      });
      if (served.length === 0) return undefined;
      return `serves ${served.map((one) => operations[one].rpc).join(' and ')} without announcing it`;
    },
  },
  {
    id: 'ID-08',
    what: 'a field that it does not know is ignored',
    severity: 'warn',
    find: async (probes) => {
      const { code } = await probes.infoWithUnknownField();
      return code === grpcCode.OK ? undefined : `answers an unknown request field with ${nameOf(code)}`;
    },
  },
  {
    id: 'REF-01',
    what: 'reflection lists the services of what it announces',
    severity: 'warn',
    find: (probes) => {
      const wanted = new Set(known.filter((one) => probes.offers(one)).map(serviceOf));
      const missing = [...wanted].filter((service) => !probes.manifest.services.includes(service));
      return Promise.resolve(
        missing.length === 0 ? undefined : `does not list ${missing.join(' and ')} by reflection`,
      );
    },
  },
  {
    id: 'HLT-03',
    what: 'Health.Check of a service that it does not have is NOT_FOUND',
    severity: 'warn',
    find: async (probes) => {
      const { code } = await probes.healthOfUnknownService();
      if (code === grpcCode.NOT_FOUND) return undefined;
      return `answers Health.Check of an unknown service with ${nameOf(code)} instead of NOT_FOUND`;
    },
  },
];

function announcedOnly(rpc: string): string {
  return `announces ${rpc} and answers it with UNIMPLEMENTED`;
}

function named({ name }: { name: string }): string {
  return name;
}

function sameSet<T>(a: readonly T[], b: readonly T[]): boolean {
  return new Set([...a, ...b]).size === new Set(a).size && new Set(a).size === new Set(b).size;
}
