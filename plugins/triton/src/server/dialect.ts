import type { dialectNames } from '../config.js';

/** Who speaks the protocol. */
export type DialectName = (typeof dialectNames)[number];

/**
 * Where the servers differ although they share one protocol. The method names do
 * not tell: a Triton stub that reads MLServer's stream takes the model's name for
 * an error. Only ServerMetadata does.
 */
export interface Dialect {
  readonly name: DialectName;
  /** What ModelStreamInfer answers with: Triton's envelope, bare answers, or there is no such method. */
  readonly stream: 'envelope' | 'bare' | 'none';
  /** ModelConfig and ModelStatistics exist. */
  readonly configuration: boolean;
  /** RepositoryIndex exists. */
  readonly index: boolean;
  /** How inputs travel. Outputs are read in both forms. */
  readonly inputs: 'raw' | 'typed';
  /** Tells text apart from bytes, where the server wants that. */
  readonly textContentType: boolean;
}

/** The dialects. */
export const dialects = {
  triton: {
    name: 'triton',
    stream: 'envelope',
    configuration: true,
    index: true,
    inputs: 'raw',
    textContentType: false,
  },
  mlserver: {
    name: 'mlserver',
    stream: 'bare',
    configuration: false,
    index: true,
    inputs: 'raw',
    textContentType: true,
  },
  kserve: {
    name: 'kserve',
    stream: 'none',
    configuration: false,
    index: false,
    inputs: 'typed',
    textContentType: false,
  },
} as const satisfies Record<DialectName, Dialect>;

/** The dialect of a server by what it calls itself. A stranger is asked for no more than the protocol's core. */
export function dialectOf(serverName: string): Dialect {
  const name = serverName.toLowerCase();
  if (name.includes('mlserver')) return dialects.mlserver;
  if (name.includes('triton')) return dialects.triton;
  return dialects.kserve;
}
