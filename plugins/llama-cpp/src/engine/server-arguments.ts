import { availableParallelism } from 'node:os';
import type { ServerAddress } from './server-client.js';
import type { ServerBinary } from './server-binary.js';

export interface ServerSettings {
  /** Path of the GGUF file. */
  model: string;
  /** Tokens per slot. */
  contextLength: number;
  /** Requests worked on at once. */
  slots: number;
  /** Default: see `defaultThreads`. */
  threads?: number | undefined;
  /** How token vectors become an embedding; undefined leaves embeddings off. */
  pooling?: 'mean' | 'cls' | 'last' | undefined;
  /** Further arguments, put last, so that they win. */
  extraArguments?: readonly string[] | undefined;
}

/**
 * Half of the processors, at least one. Threads that outnumber free processors spin against each other and against
 * the rest of the machine: on two processors, two threads made eight concurrent requests some fifty times slower.
 */
export function defaultThreads(processors = availableParallelism()): number {
  return Math.max(1, Math.floor(processors / 2));
}

/** The command line. Options that this version does not know are left out, unless nothing works without them. */
export function serverArguments(
  settings: ServerSettings,
  binary: ServerBinary,
  address: ServerAddress,
): string[] {
  const threads = settings.threads ?? defaultThreads();
  const args = ['--model', settings.model];
  // Always both: builds differ in their default port.
  if (address.kind === 'unix') args.push('--host', address.path, '--port', '0');
  else args.push('--host', '127.0.0.1', '--port', '0');
  args.push('--threads', String(threads), '--parallel', String(settings.slots));
  args.push('--ctx-size', String(settings.contextLength * settings.slots));
  const optional = (flag: string, ...values: string[]): void => {
    if (binary.flags.has(flag)) args.push(flag, ...values);
  };
  optional('--threads-batch', String(threads));
  if (binary.flags.has('--no-ui')) args.push('--no-ui');
  else optional('--no-webui');
  optional('--offline');
  optional('--metrics');
  optional('--jinja');
  // Without it a full context drops the beginning in silence; an honest "length" is better.
  optional('--no-context-shift');
  if (settings.pooling !== undefined) {
    // Without a pooling type, a chat on an embedding server crashes it. One input must fit into one batch.
    const batch = String(Math.min(settings.contextLength, 2048));
    args.push('--embeddings', '--pooling', settings.pooling, '--batch-size', batch, '--ubatch-size', batch);
  }
  args.push(...(settings.extraArguments ?? []));
  return args;
}

/** Variables that would move the server to another address, model or key, and secrets that it has no use for. */
const WITHHELD =
  /^(LLAMA_API_KEY|LLAMA_ARG_(HOST|PORT|MODEL.*|API_.*|SSL_.*|HF_.*|EMBEDDINGS|POOLING|RERANKING|ALIAS|NO_SLOTS|ENDPOINT_.*|LOG_.*)|HF_TOKEN|.*(SECRET|PASSWORD|TOKEN|API_KEY).*)$/i;

/** The environment of the server. */
export function serverEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  address: ServerAddress,
): Record<string, string | undefined> {
  const kept = Object.fromEntries(Object.entries(env).filter(([name]) => !WITHHELD.test(name)));
  // The key travels here and not among the arguments, which every user of the machine can read.
  return address.kind === 'tcp' ? { ...kept, LLAMA_API_KEY: address.apiKey } : kept;
}
