export type RuntimeName =
  | 'llama-server'
  | 'ollama'
  | 'ghz'
  | 'node24'
  | 'tritonserver'
  | 'tritonclient'
  | 'mlserver'
  | 'python-judges'
  | 'metrics-judge'
  | 'inspector'
  | 'mcp-conformance'
  | 'ai-sdk-mcp'
  | 'openai-node'
  | 'portkey'
  | 'chromium';

export interface FoundRuntime {
  /**
   * What to start: the program of llama-server, ollama, ghz, node24, tritonserver, mlserver and chromium; the python of
   * tritonclient, python-judges and metrics-judge; the script for `node` of inspector, mcp-conformance and portkey. For
   * ai-sdk-mcp and openai-node the folder whose node_modules holds the package: `createRequire(join(path, 'package.json'))`.
   */
  readonly path: string;
  readonly version: string;
  /** The python of the environment, for what is written in Python. */
  readonly python?: string;
  /** The folder with package.json and node_modules, for what comes from npm. */
  readonly home?: string;
  /** llama-server only, when it comes from the cache: llama-quantize beside it. */
  readonly quantize?: string;
  readonly missing?: never;
}

export interface MissingRuntime {
  /** Why it is missing and the command that installs it, in one line. */
  readonly missing: string;
  readonly path?: never;
  readonly version?: never;
}

/** The runtime from the cache of `npm run runtimes`, else from PATH, else the reason why there is none. */
export function runtime(name: RuntimeName): FoundRuntime | MissingRuntime;
