import type { Generation } from '../../router/inference.js';
import type { Exchange } from '../http/exchange.js';

/**
 * Waits for a generation to be under way and ties it to the client: when the client leaves it
 * is cancelled. Undefined when the client has left meanwhile.
 */
export async function begin(
  exchange: Exchange,
  starting: Promise<Generation>,
): Promise<Generation | undefined> {
  const generation = await starting;
  if (exchange.closed) {
    generation.cancel();
    return undefined;
  }
  exchange.onLeave = () => generation.cancel();
  exchange.onShutdown = (error) => {
    generation.cancel();
    exchange.fail(error);
  };
  return generation;
}
