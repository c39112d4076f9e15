import { join } from 'node:path';
import { stat } from 'node:fs/promises';
import { encodeGguf, writeFileWhole, type F32Tensor, type MetadataValue } from '../gguf/writer.js';
import { DEFAULT_ALIGNMENT, POOLING_TYPES } from '../gguf/format.js';
import { bigramTable } from './bigram.js';
import { demoChatTemplate } from './chat-template.js';
import { demoScript, DEMO_VARIANTS, scriptPieces, type DemoVariant } from './scripts.js';
import { DemoVocabulary } from './vocabulary.js';

/** Raised whenever the bytes of the demo models change, so that older generated files are written again. */
const REVISION = 1;
/** Long enough for the endless demo; a token costs only 64 bytes of cache, so even all of it is 8 MiB. */
const CONTEXT_LENGTH = 131_072;
const HEAD_SIZE = 16;
const FEED_FORWARD = 32;

/**
 * The bytes of a demo model: a real llama graph of one layer with weights set by hand. Each token's embedding is a
 * dimension of its own, attention and feed-forward add nothing, and the output matrix holds the bigram table. So the
 * engine does all its true work and the answer is known beforehand. The same variant always gives the same bytes.
 */
export function encodeDemoModel(variant: DemoVariant): Buffer {
  const script = demoScript(variant);
  const vocabulary = new DemoVocabulary(scriptPieces(script));
  const tokens = vocabulary.tokens.length;
  const width = Math.ceil(tokens / 32) * 32;

  const embedding = new Float32Array(width * tokens);
  for (let token = 0; token < tokens; token++) embedding[token * width + token] = 1;
  // The norm turns the single 1 of an embedding into sqrt(width), which the output weights divide away again.
  const output = new Float32Array(width * tokens);
  for (const [last, logits] of bigramTable(vocabulary, script)) {
    for (const [next, logit] of logits) output[next * width + last] = logit / Math.sqrt(width);
  }
  const zeros = (name: string, ...dims: [number, number]): F32Tensor => ({
    name,
    dims,
    data: new Float32Array(dims[0] * dims[1]),
  });
  const ones = (name: string): F32Tensor => ({ name, dims: [width], data: new Float32Array(width).fill(1) });
  const tensors: F32Tensor[] = [
    { name: 'token_embd.weight', dims: [width, tokens], data: embedding },
    ones('output_norm.weight'),
    { name: 'output.weight', dims: [width, tokens], data: output },
    ones('blk.0.attn_norm.weight'),
    zeros('blk.0.attn_q.weight', width, HEAD_SIZE),
    zeros('blk.0.attn_k.weight', width, HEAD_SIZE),
    zeros('blk.0.attn_v.weight', width, HEAD_SIZE),
    zeros('blk.0.attn_output.weight', HEAD_SIZE, width),
    ones('blk.0.ffn_norm.weight'),
    zeros('blk.0.ffn_gate.weight', width, FEED_FORWARD),
    zeros('blk.0.ffn_up.weight', width, FEED_FORWARD),
    zeros('blk.0.ffn_down.weight', FEED_FORWARD, width),
  ];
  return encodeGguf(metadata(variant, vocabulary, width), tensors);
}

function metadata(
  variant: DemoVariant,
  vocabulary: DemoVocabulary,
  width: number,
): Map<string, MetadataValue> {
  const u32 = (value: number): MetadataValue => ({ type: 'uint32', value });
  const text = (value: string): MetadataValue => ({ type: 'string', value });
  const float = (value: number): MetadataValue => ({ type: 'float32', value });
  const tokens = vocabulary.tokens;
  return new Map<string, MetadataValue>([
    ['general.architecture', text('llama')],
    ['general.name', text(`Outrigger ${variant}`)],
    ['general.description', text('Weights set by hand: it always gives the same answer.')],
    ['general.version', text(`r${REVISION}`)],
    ['general.file_type', u32(0)],
    ['general.alignment', u32(DEFAULT_ALIGNMENT)],
    ['llama.context_length', u32(CONTEXT_LENGTH)],
    ['llama.embedding_length', u32(width)],
    ['llama.block_count', u32(1)],
    ['llama.feed_forward_length', u32(FEED_FORWARD)],
    ['llama.attention.head_count', u32(1)],
    ['llama.attention.head_count_kv', u32(1)],
    ['llama.attention.key_length', u32(HEAD_SIZE)],
    ['llama.attention.value_length', u32(HEAD_SIZE)],
    ['llama.attention.layer_norm_rms_epsilon', float(1e-6)],
    ['llama.rope.dimension_count', u32(HEAD_SIZE)],
    ['llama.rope.freq_base', float(10_000)],
    ['llama.vocab_size', u32(tokens.length)],
    ...(demoScript(variant).embeds
      ? ([['llama.pooling_type', u32(POOLING_TYPES.indexOf('mean'))]] as [string, MetadataValue][])
      : []),
    ['tokenizer.ggml.model', text('llama')],
    ['tokenizer.ggml.pre', text('default')],
    ['tokenizer.ggml.tokens', { type: 'array', of: 'string', value: tokens.map((token) => token.piece) }],
    ['tokenizer.ggml.scores', { type: 'array', of: 'float32', value: tokens.map((token) => token.score) }],
    ['tokenizer.ggml.token_type', { type: 'array', of: 'int32', value: tokens.map((token) => token.kind) }],
    ['tokenizer.ggml.unknown_token_id', u32(vocabulary.unknown)],
    ['tokenizer.ggml.bos_token_id', u32(vocabulary.begin)],
    ['tokenizer.ggml.eos_token_id', u32(vocabulary.end)],
    ['tokenizer.ggml.eot_token_id', u32(vocabulary.endOfTurn)],
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: true }],
    // A space put before the text would break output forced into JSON: the prompt's last word would tokenize anew.
    ['tokenizer.ggml.add_space_prefix', { type: 'bool', value: false }],
    ['tokenizer.chat_template', text(demoChatTemplate(demoScript(variant).thought !== undefined))],
  ]);
}

/** Writes the demo model to `path` (whole or not at all; about 1.5 MB, about 0.05 s). Folders are made as needed. */
export async function writeDemoModel(path: string, variant: DemoVariant): Promise<void> {
  await writeFileWhole(path, encodeDemoModel(variant));
}

/**
 * Makes sure that `folder` holds the demo models (`demo.gguf`, …) and returns their paths by variant. A file of the
 * right size is left alone, so a running engine keeps its mapping; anything else is written anew.
 */
export async function ensureDemoModels(
  folder: string,
  variants: readonly DemoVariant[] = DEMO_VARIANTS,
): Promise<Map<DemoVariant, string>> {
  const paths = new Map<DemoVariant, string>();
  for (const variant of variants) {
    const path = join(folder, `${variant}.gguf`);
    const bytes = encodeDemoModel(variant);
    const present = await stat(path).catch(() => undefined);
    if (present?.isFile() !== true || present.size !== bytes.length) await writeFileWhole(path, bytes);
    paths.set(variant, path);
  }
  return paths;
}
