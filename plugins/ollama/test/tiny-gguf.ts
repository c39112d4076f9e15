// Writes model files of a few megabytes that a real engine loads: a llama whose
// weights make it say one sentence, token after token, or nothing but vectors.

/** What the model does. */
export interface TinyModel {
  /** What it says, in pieces that are all different; then it ends. */
  readonly script: readonly string[];
  /** Begins anew instead of ending. */
  readonly endless?: boolean;
  /** It embeds instead of talking. */
  readonly embedding?: boolean;
}

const alignment = 32;
const context = 2048;
const layers = 1;
const heads = 4;
const feedForward = 64;

const template =
  "{%- if tools %}{{- '<|im_start|>system\\n# Tools\\n<tools>' }}{%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{%- endfor %}" +
  '{{- \'\\n</tools>\\nReply with <tool_call>\\n{"name": <function-name>, "arguments": <args-json-object>}\\n</tool_call><|im_end|>\\n\' }}{%- endif %}\n' +
  "{%- for m in messages %}{%- if m.role == 'tool' %}{{- '<|im_start|>user\\n<tool_response>\\n' + m.content + '\\n</tool_response><|im_end|>\\n' }}" +
  "{%- elif m.role == 'assistant' and m.tool_calls %}{{- '<|im_start|>assistant' }}{%- if m.content %}{{- '\\n' + m.content }}{%- endif %}" +
  '{%- for tc in m.tool_calls %}{%- if tc.function %}{%- set tc = tc.function %}{%- endif %}' +
  "{{- '\\n<tool_call>\\n{\"name\": \"' + tc.name + '\", \"arguments\": ' + (tc.arguments | tojson) + '}\\n</tool_call>' }}{%- endfor %}{{- '<|im_end|>\\n' }}" +
  "{%- else %}{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{%- endif %}{%- endfor %}" +
  "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";

class Bytes {
  readonly #parts: Buffer[] = [];
  length = 0;
  raw(bytes: Buffer): this {
    this.#parts.push(bytes);
    this.length += bytes.length;
    return this;
  }
  u32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return this.raw(bytes);
  }
  f32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    return this.raw(bytes);
  }
  u64(value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return this.raw(bytes);
  }
  text(value: string): this {
    const bytes = Buffer.from(value);
    return this.u64(bytes.length).raw(bytes);
  }
  pad(): this {
    return this.raw(Buffer.alloc((alignment - (this.length % alignment)) % alignment));
  }
  all(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

const spaced = (piece: string): string => piece.replaceAll(' ', '\u2581');

function vocabulary(script: readonly string[]): { token: string; score: number; type: number }[] {
  const tokens = ['<unk>', '<s>', '</s>'].map((token, at) => ({ token, score: 0, type: at === 0 ? 2 : 3 }));
  for (let byte = 0; byte < 256; byte += 1) {
    tokens.push({ token: `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`, score: 0, type: 6 });
  }
  tokens.push({ token: '<|im_start|>', score: 0, type: 3 }, { token: '<|im_end|>', score: 0, type: 3 });
  const pieces = new Set([...script.map(spaced), '\u2581']);
  for (let code = 33; code < 127; code += 1) pieces.add(String.fromCharCode(code));
  for (const token of pieces) tokens.push({ token, score: -tokens.length, type: 1 });
  return tokens;
}

/** The bytes of the file. */
export function tinyGguf({ script, endless = false, embedding = false }: TinyModel): Buffer {
  const tokens = vocabulary(script);
  const count = tokens.length;
  // One dimension per token, so that the embedding can be one-hot.
  const width = Math.ceil(count / 32) * 32;
  const id = new Map(tokens.map(({ token }, at) => [token, at]));
  const words = script.map((piece) => id.get(spaced(piece)) ?? 0);
  const endOfTurn = id.get('<|im_end|>') ?? 0;
  const first = words[0] ?? endOfTurn;
  const next = new Map(words.map((word, at) => [word, words[at + 1] ?? (endless ? first : endOfTurn)]));

  const tensors: { name: string; dims: number[]; data: Float32Array }[] = [];
  const add = (name: string, dims: number[], fill?: (data: Float32Array) => void): void => {
    const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
    fill?.(data);
    tensors.push({ name, dims, data });
  };
  const ones = (data: Float32Array): void => void data.fill(1);
  add('token_embd.weight', [width, count], (data) => {
    for (let token = 0; token < count; token += 1) data[token * width + token] = 1;
  });
  add('output_norm.weight', [width], ones);
  add('output.weight', [width, count], (data) => {
    const boost = 20 / Math.sqrt(width);
    for (let token = 0; token < count; token += 1) data[(next.get(token) ?? first) * width + token] = boost;
  });
  for (let layer = 0; layer < layers; layer += 1) {
    const name = (suffix: string): string => `blk.${layer}.${suffix}.weight`;
    add(name('attn_norm'), [width], ones);
    for (const part of ['attn_q', 'attn_k', 'attn_v', 'attn_output']) add(name(part), [width, width]);
    add(name('ffn_norm'), [width], ones);
    add(name('ffn_gate'), [width, feedForward]);
    add(name('ffn_up'), [width, feedForward]);
    add(name('ffn_down'), [feedForward, width]);
  }

  const meta = new Bytes();
  let entries = 0;
  const key = (name: string, type: number): Bytes => {
    entries += 1;
    return meta.text(name).u32(type);
  };
  const u32 = (name: string, value: number): void => void key(name, 4).u32(value);
  const f32 = (name: string, value: number): void => void key(name, 6).f32(value);
  const bool = (name: string, value: boolean): void => void key(name, 7).raw(Buffer.of(value ? 1 : 0));
  const text = (name: string, value: string): void => void key(name, 8).text(value);
  text('general.architecture', 'llama');
  text('general.name', 'tiny');
  u32('general.file_type', 0);
  u32('general.alignment', alignment);
  u32('llama.context_length', context);
  u32('llama.embedding_length', width);
  u32('llama.block_count', layers);
  u32('llama.feed_forward_length', feedForward);
  u32('llama.attention.head_count', heads);
  u32('llama.attention.head_count_kv', heads);
  f32('llama.attention.layer_norm_rms_epsilon', 1e-6);
  u32('llama.rope.dimension_count', width / heads);
  f32('llama.rope.freq_base', 10_000);
  u32('llama.vocab_size', count);
  if (embedding) u32('llama.pooling_type', 1);
  text('tokenizer.ggml.model', 'llama');
  text('tokenizer.ggml.pre', 'default');
  bool('tokenizer.ggml.add_space_prefix', false);
  const scores = key('tokenizer.ggml.scores', 9).u32(6).u64(count);
  for (const { score } of tokens) scores.f32(score);
  const names = key('tokenizer.ggml.tokens', 9).u32(8).u64(count);
  for (const { token } of tokens) names.text(token);
  const types = key('tokenizer.ggml.token_type', 9).u32(5).u64(count);
  for (const { type } of tokens) types.u32(type);
  u32('tokenizer.ggml.unknown_token_id', 0);
  u32('tokenizer.ggml.bos_token_id', 1);
  u32('tokenizer.ggml.eos_token_id', 2);
  u32('tokenizer.ggml.eot_token_id', endOfTurn);
  bool('tokenizer.ggml.add_bos_token', true);
  text('tokenizer.chat_template', template);

  const file = new Bytes().raw(Buffer.from('GGUF')).u32(3).u64(tensors.length).u64(entries).raw(meta.all());
  const data = new Bytes();
  for (const tensor of tensors) {
    file.text(tensor.name).u32(tensor.dims.length);
    for (const dim of tensor.dims) file.u64(dim);
    file.u32(0).u64(data.length);
    data.raw(Buffer.from(tensor.data.buffer)).pad();
  }
  return file.pad().raw(data.all()).all();
}
