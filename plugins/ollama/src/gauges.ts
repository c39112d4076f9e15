import { GetMetricsResponse, Sample } from '@outrigger/proto';
import type { Catalog } from './catalog.js';
import type { OllamaClient } from './ollama-client.js';

/** The current figures; what the runtime says while it answers. Rejects as OllamaClient.json. */
export async function gauges(
  client: OllamaClient,
  catalog: Catalog,
  signal: AbortSignal,
): Promise<GetMetricsResponse> {
  const inFlight = client.active;
  const loaded = [...(await catalog.loaded(signal)).values()];
  const sum = (values: readonly (number | undefined)[]): number =>
    values.reduce<number>((all, one) => all + (one ?? 0), 0);
  return GetMetricsResponse.create({
    inFlight,
    memoryBytes: BigInt(Math.trunc(sum(loaded.map(({ size }) => size)))),
    samples: [
      Sample.create({ name: 'ollama_loaded_models', value: loaded.length, help: 'Models in memory.' }),
      Sample.create({
        name: 'ollama_vram_bytes',
        value: sum(loaded.map(({ size_vram: vram }) => vram)),
        help: 'Memory of accelerators that loaded models take.',
      }),
    ],
  });
}
