import { basename } from 'node:path';
import type { PullModelResponse } from '@outrigger/proto';
import { PluginError } from '@outrigger/sdk-plugin';
import type { ErrorReason } from '@outrigger/proto';
import { PullError, type PullErrorKind } from '../pull/pull-error.js';
import { parseSource } from '../pull/source.js';
import type { PluginState } from './state.js';

const REASONS = {
  invalid: 'INVALID_REQUEST',
  not_found: 'MODEL_NOT_FOUND',
  denied: 'UPSTREAM_PERMISSION_DENIED',
  unavailable: 'UPSTREAM_UNAVAILABLE',
  checksum: 'CHECKSUM_MISMATCH',
  conflict: 'CONFLICT',
  disk: 'UPSTREAM_ERROR',
} as const satisfies Record<PullErrorKind, ErrorReason>;

/** Fetches models; one fetch per file at a time. */
export class Fetching {
  readonly #underWay = new Set<string>();

  async *pull(
    source: string,
    state: PluginState,
    signal: AbortSignal,
  ): AsyncGenerator<PullModelResponse, void, void> {
    try {
      const parsed = parseSource(source, state.config.hub.endpoint);
      if (this.#underWay.has(parsed.fileName)) {
        throw new PullError('conflict', `${parsed.fileName} is being fetched already`);
      }
      this.#underWay.add(parsed.fileName);
      try {
        const { token } = state.config.hub;
        const { download } = await import('../pull/download.js');
        const steps = download(parsed, await state.pullFolder(), parsed.hub ? token : undefined, signal);
        let step = await steps.next();
        try {
          while (step.done !== true) {
            const { status, totalBytes, completedBytes } = step.value;
            yield response(status, totalBytes, completedBytes, '');
            step = await steps.next();
          }
        } finally {
          await steps.return('');
        }
        await state.catalog.refresh();
        yield response('ready', undefined, undefined, idOf(step.value, state));
      } finally {
        this.#underWay.delete(parsed.fileName);
      }
    } catch (error) {
      if (!(error instanceof PullError)) throw error;
      throw new PluginError(REASONS[error.kind], error.message, {
        cause: error,
        ...(error.kind === 'invalid' ? { fields: [{ field: 'source', description: error.message }] } : {}),
      });
    }
  }
}

function response(
  status: string,
  total: number | undefined,
  completed: number | undefined,
  model: string,
): PullModelResponse {
  return {
    status,
    model,
    totalBytes: total === undefined ? undefined : BigInt(total),
    completedBytes: completed === undefined ? undefined : BigInt(completed),
  };
}

/** The id under which a file is offered now. */
function idOf(path: string, state: PluginState): string {
  for (const model of state.catalog.models().values()) if (model.path === path) return model.id;
  return basename(path).replace(/\.gguf$/i, '');
}
