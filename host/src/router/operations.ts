import { Operation } from '@outrigger/proto';
import { GatewayError } from '../errors/gateway-error.js';
import type { PluginInstance } from '../registry/instance.js';

/** The contract's operations under the names that callers read. */
export const OPERATIONS = {
  chat: Operation.OPERATION_CHAT,
  completion: Operation.OPERATION_COMPLETION,
  embed: Operation.OPERATION_EMBED,
  countTokens: Operation.OPERATION_COUNT_TOKENS,
  listModels: Operation.OPERATION_LIST_MODELS,
  loadModel: Operation.OPERATION_LOAD_MODEL,
  unloadModel: Operation.OPERATION_UNLOAD_MODEL,
  pullModel: Operation.OPERATION_PULL_MODEL,
  deleteModel: Operation.OPERATION_DELETE_MODEL,
  metrics: Operation.OPERATION_METRICS,
} as const satisfies Record<string, Operation>;

/** An operation by its name. */
export type OperationName = keyof typeof OPERATIONS;

/** True when the plugin announces the operation. */
export function offers(instance: PluginInstance, operation: OperationName): boolean {
  return instance.manifest?.capabilities.operations.includes(OPERATIONS[operation]) ?? false;
}

/** Throws unsupported_operation unless the plugin announces the operation. */
export function requireOperation(instance: PluginInstance, operation: OperationName): void {
  if (offers(instance, operation)) return;
  throw new GatewayError('unsupported_operation', `plugin ${instance.plugin} does not offer ${operation}`, {
    plugin: instance.plugin,
  });
}
