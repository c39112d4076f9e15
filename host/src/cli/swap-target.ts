import { splitCommand } from '../config/command-line.js';
import { pluginAddress } from '../config/plugin-address.js';
import { CliFailure } from './failure.js';

/** Where a new instance comes from, as the host wants it. */
export type SwapTarget =
  { readonly command: readonly string[] } | { readonly address: string } | Readonly<Record<string, never>>;

/** Reads `--to`: an address by its form, else the command line of a program; nothing is the plugin's own. */
export function swapTarget(to: string | undefined): SwapTarget {
  if (to === undefined) return {};
  const text = to.trim();
  if (pluginAddress.test(text)) return { address: text };
  const command = splitCommand(text);
  if (command.length === 0 || command[0] === '') {
    throw new CliFailure('--to names nothing', {
      exitCode: 2,
      hint: 'give a command line, or an address such as unix:/run/name.sock or host:port',
    });
  }
  return { command };
}

/** Reads a share: `5%` or `0.05`. Undefined when it is neither or not above 0 and at most all. */
export function shareOf(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(%?)$/.exec(text.trim());
  if (match === null) return undefined;
  const share = Number(match[1]) / (match[2] === '%' ? 100 : 1);
  return share > 0 && share <= 1 ? share : undefined;
}
