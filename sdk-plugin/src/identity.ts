import {
  IdentityDefinition,
  Operation,
  SwapMode,
  methodsOf,
  type GetCapabilitiesResponse,
  type Parameter,
} from '@outrigger/proto';
import type { Handlers } from './caller.js';
import type { Calls } from './calls.js';
import type { PluginInstance } from './instance.js';
import type { CapabilityDeclaration, ParameterDeclaration, PluginDefinition } from './plugin.js';

function parameter(declared: string | ParameterDeclaration): Parameter {
  if (typeof declared === 'string') return { name: declared, schemaJson: '', description: '' };
  return {
    name: declared.name,
    schemaJson: declared.schema === undefined ? '' : JSON.stringify(declared.schema),
    description: declared.description ?? '',
  };
}

function operations(definition: PluginDefinition, declared: CapabilityDeclaration): Operation[] {
  const table: readonly (readonly [boolean, Operation])[] = [
    [definition.generate !== undefined && declared.chat !== false, Operation.OPERATION_CHAT],
    [definition.generate !== undefined && declared.completion !== false, Operation.OPERATION_COMPLETION],
    [definition.embed !== undefined, Operation.OPERATION_EMBED],
    [definition.countTokens !== undefined, Operation.OPERATION_COUNT_TOKENS],
    [definition.listModels !== undefined, Operation.OPERATION_LIST_MODELS],
    [definition.loadModel !== undefined, Operation.OPERATION_LOAD_MODEL],
    [definition.unloadModel !== undefined, Operation.OPERATION_UNLOAD_MODEL],
    [definition.pullModel !== undefined, Operation.OPERATION_PULL_MODEL],
    [definition.deleteModel !== undefined, Operation.OPERATION_DELETE_MODEL],
    [definition.metrics !== undefined, Operation.OPERATION_METRICS],
  ];
  return table.filter(([served]) => served).map(([, operation]) => operation);
}

/** What a definition can do, in the contract's words. */
export function capabilitiesOf(
  definition: PluginDefinition,
  maxRequestBytes: number,
): GetCapabilitiesResponse {
  const { capabilities } = definition;
  const declared = (typeof capabilities === 'function' ? capabilities() : capabilities) ?? {};
  return {
    operations: operations(definition, declared),
    parameters: (declared.parameters ?? []).map(parameter),
    embedParameters: (declared.embedParameters ?? []).map(parameter),
    swapMode: declared.swapMode === 'exclusive' ? SwapMode.SWAP_MODE_EXCLUSIVE : SwapMode.SWAP_MODE_OVERLAP,
    maxConcurrency: declared.maxConcurrency ?? 0,
    maxRequestBytes,
    pullPrefixes: [...(declared.pullPrefixes ?? [])],
  };
}

/** Identity: who the plugin is and what it can do. */
export function identityService(instance: PluginInstance, calls: Calls, digest: () => string): Handlers {
  const methods = methodsOf(IdentityDefinition);
  const { definition } = instance;
  return {
    getPluginInfo: calls.unary(methods.getPluginInfo, {}, (request, context) => {
      context.log.debug('asked who is here', { host: request.hostName, hostVersion: request.hostVersion });
      return Promise.resolve({
        name: definition.name,
        buildVersion: definition.version,
        instanceId: instance.instanceId,
        displayName: definition.displayName ?? '',
        descriptorDigest: digest(),
        descriptorSet: Buffer.alloc(0),
        runtime: definition.runtime?.() ?? '',
        homepage: definition.homepage ?? '',
      });
    }),
    getCapabilities: calls.unary(methods.getCapabilities, {}, () =>
      Promise.resolve(capabilitiesOf(definition, instance.maxReceiveBytes)),
    ),
  };
}
