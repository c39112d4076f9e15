import { readFileSync } from 'node:fs';
import { Template } from '@huggingface/jinja';
import { z } from 'zod';

/** Ways to use a model; see catalog/shape.ts. */
export const shapeNames = ['vllm', 'tensorrt-llm', 'text', 'embedding', 'raw'] as const;

/** Dialects of the protocol; see server/dialect.ts. */
export const dialectNames = ['triton', 'mlserver', 'kserve'] as const;

const milliseconds = (fallback: number) => z.int().min(1).max(86_400_000).default(fallback);
const line = z.string().min(1).max(1_000);

const customTemplate = z
  .strictObject({
    jinja: z.string().min(1).max(200_000),
    /** What ends a turn of this template, where the backend does not know. */
    stop: z.array(line).max(16).default([]),
    bosToken: z.string().default(''),
    eosToken: z.string().default(''),
  })
  .superRefine(({ jinja }, context) => {
    try {
      new Template(jinja);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      context.addIssue({ code: 'custom', path: ['jinja'], message: `not a Jinja template: ${why}` });
    }
  });

const template = z.union([z.enum(['plain', 'chatml', 'llama3', 'mistral']), customTemplate]);

const modelSettings = z.strictObject({
  shape: z.enum(shapeNames).optional(),
  template: template.optional(),
  /** Stop sequences of every request. */
  stop: z.array(line).max(16).default([]),
  /** Our name of a tensor ("text_input", "text_output", "embedding", …) to the model's. */
  tensors: z.record(z.string(), line).default({}),
  /** The version to use; the server's choice without. */
  version: z.string().optional(),
  /** Answers come as a stream; for servers that do not tell. */
  decoupled: z.boolean().optional(),
  /** Largest batch; for servers that do not tell. */
  maxBatchSize: z.int().min(0).max(65_536).optional(),
  /** Streamed text is the piece that is new, or all so far. */
  streamedText: z.enum(['delta', 'cumulative']).default('delta'),
  /** The model repeats the prompt before its answer: take it out. */
  echo: z.boolean().default(false),
  contextLength: z.int().min(1).optional(),
  /** Limit for requests that have none. */
  maxOutputTokens: z.int().min(1).optional(),
});

const tlsSettings = z.strictObject({
  /** Paths of PEM files. */
  ca: line.optional(),
  cert: line.optional(),
  key: line.optional(),
  /** The name in the server's certificate, when it is not that of the address. */
  serverName: line.optional(),
});

const metadataKey = z
  .string()
  .regex(/^[a-z0-9_.-]+$/, 'use lower-case letters, digits and "-", "_", "."')
  .refine((key) => !key.endsWith('-bin'), 'binary metadata is not supported')
  .refine((key) => !key.startsWith('grpc-'), 'names beginning with "grpc-" belong to the transport');

const endpointSettings = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/, 'use letters, digits, "-", "_" and "."')
      .default('default'),
    url: line,
    tls: tlsSettings.optional(),
    metadata: z.record(metadataKey, z.string().max(8_192)).default({}),
    dialect: z.enum(dialectNames).optional(),
    /** Settings of this server's models, by name; before those of all endpoints. */
    models: z.record(line, modelSettings).default({}),
  })
  .superRefine((endpoint, context) => {
    if (parseAddress(endpoint.url) === undefined) {
      const message = 'use grpc://host:port, grpcs://host:port, host:port or unix:/path';
      context.addIssue({ code: 'custom', path: ['url'], message });
    }
    for (const key of ['ca', 'cert', 'key'] as const) {
      const path = endpoint.tls?.[key];
      if (path !== undefined && readPem(path) === undefined) {
        context.addIssue({ code: 'custom', path: ['tls', key], message: 'this file cannot be read' });
      }
    }
    if ((endpoint.tls?.cert === undefined) !== (endpoint.tls?.key === undefined)) {
      const message = 'cert and key go together; give both or none';
      context.addIssue({ code: 'custom', path: ['tls'], message });
    }
  });

/** The configuration, checked. */
export const configSchema = z
  .strictObject({
    endpoints: z
      .array(endpointSettings)
      .min(1)
      .max(64)
      .default([{ name: 'default', url: 'grpc://127.0.0.1:8001', metadata: {}, models: {} }]),
    /** Settings of models on any endpoint, by name. */
    models: z.record(line, modelSettings).default({}),
    /** Template of models without one of their own. */
    template: template.default('plain'),
    /** Most bytes of one answer of a server. */
    maxReceiveBytes: z.int().min(65_536).max(2_147_483_647).default(268_435_456),
    /** For questions about server and models. */
    metadataTimeoutMs: milliseconds(5_000),
    loadTimeoutMs: milliseconds(600_000),
    /** How long a stream may be silent before its model is asked whether it lives; 0 never asks. */
    silenceProbeMs: z.int().min(0).max(86_400_000).default(10_000),
    /** For requests that come without a deadline. */
    inferenceTimeoutMs: milliseconds(600_000),
  })
  .superRefine((config, context) => {
    const names = new Set<string>();
    for (const [index, { name }] of config.endpoints.entries()) {
      if (names.has(name)) {
        const message = `another endpoint has the name ${JSON.stringify(name)}; give each its own`;
        context.addIssue({ code: 'custom', path: ['endpoints', index, 'name'], message });
      }
      names.add(name);
    }
  });

export type TritonConfig = z.output<typeof configSchema>;
export type EndpointSettings = TritonConfig['endpoints'][number];
export type ModelSettings = z.output<typeof modelSettings>;
export type TemplateSettings = TritonConfig['template'];

/** The settings of a model of which nothing is said. */
export const noSettings: ModelSettings = modelSettings.parse({});

/** Reads a PEM file; undefined when that fails. */
export function readPem(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** Where a server is, as gRPC writes it. */
export interface Address {
  readonly target: string;
  readonly secure: boolean;
}

/** Reads an endpoint's address; undefined when it is none. */
export function parseAddress(url: string): Address | undefined {
  const unix = /^unix:(?:\/\/)?(\/.+)$/.exec(url);
  if (unix?.[1] !== undefined) return { target: `unix:${unix[1]}`, secure: false };
  const match =
    /^(?:(grpcs?|https?):\/\/|dns:\/\/\/|dns:|ipv[46]:)?((?:\[[0-9A-Fa-f:.]+\]|[\w.-]+):(\d{1,5}))\/?$/.exec(
      url,
    );
  const [, scheme, authority, port] = match ?? [];
  if (authority === undefined || Number(port) < 1 || Number(port) > 65_535) return undefined;
  return { target: authority, secure: scheme === 'grpcs' || scheme === 'https' };
}
