import { POOLING_TYPES, quantizationName, type PoolingType } from './format.js';
import { numberOf, textOf, type GgufHeader } from './reader.js';

/** What a model's file says about it. Absent is unknown. */
export interface ModelFacts {
  readonly architecture: string;
  readonly name?: string;
  readonly sizeBytes: number;
  readonly parameterCount: number;
  readonly quantization?: string;
  readonly contextLength?: number;
  readonly embeddingLength?: number;
  /** How the file says that embeddings are made; absent when it says nothing, as chat models do. */
  readonly pooling?: PoolingType;
  /** The model only encodes: it makes embeddings and cannot generate. */
  readonly encoderOnly: boolean;
  /** Not a model of its own but a part of one: a projector, an adapter. */
  readonly auxiliary: boolean;
  readonly chatTemplate?: string;
  /** The chat template has a place for tools. */
  readonly tools: boolean;
  /** The chat template knows reasoning. */
  readonly reasoning: boolean;
  /** Bytes of cache that one token of context costs with 16-bit numbers. */
  readonly cacheBytesPerToken?: number;
}

const ENCODERS = /^(.*bert.*|t5encoder|gritlm)$/;

/** The facts in a header. */
export function modelFacts({ metadata, fileSize, parameterCount }: GgufHeader): ModelFacts {
  const architecture = textOf(metadata, 'general.architecture') ?? 'unknown';
  const number = (key: string): number | undefined => numberOf(metadata, `${architecture}.${key}`);
  const name = textOf(metadata, 'general.name');
  const fileType = numberOf(metadata, 'general.file_type');
  const quantization = fileType === undefined ? undefined : quantizationName(fileType);
  const pooling = POOLING_TYPES[number('pooling_type') ?? -1];
  const chatTemplate = textOf(metadata, 'tokenizer.chat_template');
  const type = textOf(metadata, 'general.type');
  const contextLength = number('context_length');
  const embeddingLength = number('embedding_length');
  const cacheBytesPerToken = cacheCost({ metadata, architecture });
  return {
    architecture,
    sizeBytes: fileSize,
    parameterCount,
    encoderOnly: ENCODERS.test(architecture),
    auxiliary: architecture === 'clip' || type === 'mmproj' || type === 'adapter' || type === 'imatrix',
    tools: chatTemplate !== undefined && /\btools\b/.test(chatTemplate),
    reasoning: chatTemplate !== undefined && /<think>|enable_thinking|reasoning_content/.test(chatTemplate),
    ...(name === undefined ? {} : { name }),
    ...(quantization === undefined ? {} : { quantization }),
    ...(contextLength === undefined ? {} : { contextLength }),
    ...(embeddingLength === undefined ? {} : { embeddingLength }),
    ...(pooling === undefined ? {} : { pooling }),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    ...(cacheBytesPerToken === undefined ? {} : { cacheBytesPerToken }),
  };
}

/** Keys and values of all layers, two bytes each. Some architectures need less; none needs more. */
function cacheCost({
  metadata,
  architecture,
}: {
  metadata: GgufHeader['metadata'];
  architecture: string;
}): number | undefined {
  const number = (key: string): number | undefined => numberOf(metadata, `${architecture}.${key}`);
  const layers = number('block_count');
  const width = number('embedding_length');
  const heads = number('attention.head_count');
  if (layers === undefined || width === undefined || heads === undefined || heads === 0) return undefined;
  const perLayer = metadata.get(`${architecture}.attention.head_count_kv`);
  const numbers = perLayer?.kind === 'array' ? perLayer.numbers : undefined;
  const allHeads =
    numbers?.reduce((sum, item) => sum + item, 0) ?? layers * (number('attention.head_count_kv') ?? heads);
  const keys = number('attention.key_length') ?? width / heads;
  const values = number('attention.value_length') ?? width / heads;
  return Math.ceil(allHeads * (keys + values) * 2);
}
