import { homedir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';

const GiB = 1024 ** 3;

const loading = {
  contextLength: z
    .int()
    .min(256)
    .max(16_777_216)
    .optional()
    .describe('Tokens of one request, prompt and answer together.'),
  slots: z
    .int()
    .min(1)
    .max(256)
    .optional()
    .describe('Requests worked on at the same time; each gets the full context.'),
  threads: z
    .int()
    .min(1)
    .max(1024)
    .optional()
    .describe('Threads of computation; half of the processors when absent.'),
  arguments: z
    .array(z.string())
    .max(100)
    .optional()
    .describe('Further arguments for llama-server, put last.'),
};

const milliseconds = (fallback: number) => z.int().min(1).max(86_400_000).default(fallback);

/** The configuration of this plugin as it is written. */
export const configSchema = z.strictObject({
  engine: z
    .enum(['auto', 'llama-server', 'embedded'])
    .default('auto')
    .describe('`auto` takes llama-server when there is one, and the engine inside the plugin otherwise.'),
  llamaServer: z.string().min(1).optional().describe('Path of llama-server; else LLAMA_SERVER, else PATH.'),
  modelFolders: z
    .array(z.string().min(1))
    .max(20)
    .default(['models'])
    .describe('Folders watched for .gguf files.'),
  dataFolder: z.string().min(1).optional().describe('For generated and fetched models.'),
  demo: z
    .union([z.boolean(), z.literal('auto')])
    .default('auto')
    .describe('Whether demo models are offered; `auto` when there is no other model at the start.'),
  maxLoaded: z
    .int()
    .min(1)
    .max(64)
    .default(3)
    .describe('Models in memory; the one unused longest makes room.'),
  cacheBytes: z
    .int()
    .min(1)
    .optional()
    .describe('Memory for the context of one model, when contextLength is not set.'),
  keepAliveMs: z
    .int()
    .min(0)
    .max(2_147_483_647)
    .optional()
    .describe('Unloads a model after so long without a request.'),
  ...loading,
  models: z
    .record(
      z.string().min(1).max(256),
      z.strictObject({
        path: z.string().min(1).optional().describe('A file outside the model folders.'),
        embeddings: z
          .boolean()
          .optional()
          .describe('Load it for embeddings as well; when absent the file decides.'),
        ...loading,
      }),
    )
    .default({})
    .describe('Settings of single models, by id.'),
  hub: z
    .strictObject({ endpoint: z.url().optional(), token: z.string().min(1).optional() })
    .default({})
    .describe('Where `hf:` sources are fetched from; else HF_ENDPOINT and HF_TOKEN.'),
  loadTimeoutMs: milliseconds(600_000),
  firstByteTimeoutMs: milliseconds(1_800_000),
  idleTimeoutMs: milliseconds(120_000),
  rescanMs: milliseconds(5_000),
});

type Written = z.output<typeof configSchema>;

/** The configuration with paths made absolute and the environment's part filled in. */
export interface LlamaCppConfig extends Omit<Written, 'dataFolder' | 'modelFolders' | 'hub' | 'cacheBytes'> {
  readonly modelFolders: readonly string[];
  readonly dataFolder: string;
  readonly cacheBytes: number;
  readonly hub: { readonly endpoint: string; readonly token?: string };
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads configurations; relative paths are relative to the working directory. */
export function configReader(env: Environment): z.ZodType<LlamaCppConfig> {
  return configSchema.transform((written): LlamaCppConfig => {
    const token = written.hub.token ?? env['HF_TOKEN'];
    return {
      ...written,
      modelFolders: written.modelFolders.map((folder) => resolve(folder)),
      dataFolder: resolve(written.dataFolder ?? dataFolder(env)),
      cacheBytes: written.cacheBytes ?? Math.min(2 * GiB, Math.floor(totalmem() / 4)),
      hub: {
        endpoint: (written.hub.endpoint ?? (env['HF_ENDPOINT'] || 'https://huggingface.co')).replace(
          /\/+$/,
          '',
        ),
        ...(token === undefined || token === '' ? {} : { token }),
      },
    };
  });
}

/** XDG_DATA_HOME/outrigger, or its default place. */
function dataFolder(env: Environment): string {
  const base = env['XDG_DATA_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.local', 'share') : base, 'outrigger');
}
