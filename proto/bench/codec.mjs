// Compares codecs in one run: nanoseconds per message, and each as a ratio to ts-proto as it comes.
//   node proto/bench/codec.mjs [rounds]
import { fileURLToPath } from 'node:url';
import { createRequire } from 'node:module';
import { EmbedResponse, GenerateRequest, GenerateResponse, codecOf } from '../dist/index.js';

const { default: protobuf } = await import('protobufjs');
const protos = fileURLToPath(new URL('../protos/', import.meta.url));
const root = new protobuf.Root();
root.resolvePath = (_, target) => (target.startsWith('google/protobuf/') ? null : protos + target);
root.loadSync('outrigger/plugin/v1/inference.proto');
root.resolveAll();

const text = (value) => ({
  event: { $case: 'delta', value: { candidate: 0, part: 0, kind: { $case: 'text', value }, logprobs: [] } },
});
const words = ['The', ' quick', ' brown', ' fox', ' jumps', ' über', ' the', ' lazy', ' 犬', '.\n'];

const cases = {
  'Generate request, 1 KB': [
    GenerateRequest,
    GenerateRequest.create({
      context: {
        requestId: '0b1f8f1e-6a8e-4f6b-9c39-2d1f8f1e6a8e',
        instanceId: '8e4f6b9c-392d-4f8f-8e6a-8e0b1f8f1e6a',
      },
      model: 'llama-3.2-1b-instruct-q4_k_m',
      messages: [
        {
          role: 1,
          parts: [{ kind: { $case: 'text', value: { text: 'You are a helpful assistant. '.repeat(10) } } }],
        },
        {
          role: 3,
          parts: [{ kind: { $case: 'text', value: { text: 'Tell me about sailing. '.repeat(25) } } }],
        },
      ],
      sampling: { temperature: 0.7, topP: 0.9, maxOutputTokens: 256, stop: ['\n\n'], seed: 42n },
      extensions: { min_p: '0.05' },
    }),
  ],
  'Frame of 1 token': [GenerateResponse, { seq: 17, events: [text(' quick')] }],
  'Frame of 64 tokens': [
    GenerateResponse,
    { seq: 17, events: Array.from({ length: 64 }, (_, i) => text(words[i % words.length])) },
  ],
  'Embedding, 4 KB': [
    EmbedResponse,
    EmbedResponse.create({
      embeddings: [
        { data: Buffer.from(new Float32Array(1024).map((_, i) => Math.sin(i)).buffer), truncated: false },
      ],
      model: 'nomic-embed-text',
      usage: { inputTokens: 12 },
    }),
  ],
};

/** protobufjs reflection with the conversion to and from our shape, which it would need behind the codec. */
function protobufjsCodec(name) {
  const type = root.lookupType(`outrigger.plugin.v1.${name}`);
  const toTheirs = (value) => {
    if (Array.isArray(value)) return value.map(toTheirs);
    if (typeof value === 'bigint') return Number(value);
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
    const out = {};
    for (const key in value) {
      const field = value[key];
      if (field === undefined) continue;
      if (typeof field === 'object' && field !== null && '$case' in field)
        out[field.$case] = toTheirs(field.value);
      else out[key] = toTheirs(field);
    }
    return out;
  };
  const toOurs = (message, type) => {
    const out = {};
    const inOneof = new Set();
    for (const oneof of type.oneofsArray) {
      if (oneof.name.startsWith('_')) continue;
      const key = message[oneof.name];
      oneof.fieldsArray.forEach((field) => inOneof.add(field.name));
      out[oneof.name] =
        key === undefined ? undefined : { $case: key, value: convert(message[key], type.fields[key]) };
    }
    for (const field of type.fieldsArray) {
      if (inOneof.has(field.name)) continue;
      const value = message[field.name];
      out[field.name] = field.repeated ? value.map((item) => convert(item, field)) : convert(value, field);
    }
    return out;
  };
  const convert = (value, field) =>
    field.resolvedType instanceof protobuf.Type && value !== null && !field.map
      ? toOurs(value, field.resolvedType)
      : value;
  return {
    encode: (message) => type.encode(toTheirs(message)).finish(),
    decode: (bytes) => toOurs(type.decode(bytes), type),
    bareEncode: (() => {
      let prepared;
      return (message) => type.encode((prepared ??= toTheirs(message))).finish();
    })(),
    bareDecode: (bytes) => type.decode(bytes),
  };
}

const milliseconds = 150;
function measure(action) {
  for (let i = 0; i < 2_000; i += 1) action();
  let calls = 0;
  const start = process.hrtime.bigint();
  const end = start + BigInt(milliseconds) * 1_000_000n;
  let now = start;
  while (now < end) {
    for (let i = 0; i < 200; i += 1) action();
    calls += 200;
    now = process.hrtime.bigint();
  }
  return Number(now - start) / calls;
}
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

const rounds = Number(process.argv[2] ?? 5);
console.log(
  `Node ${process.version}, median of ${rounds} interleaved rounds; ns per message (ratio to ts-proto as it comes)\n`,
);
for (const [title, [type, message]] of Object.entries(cases)) {
  const name =
    type === GenerateRequest
      ? 'GenerateRequest'
      : type === GenerateResponse
        ? 'GenerateResponse'
        : 'EmbedResponse';
  const ours = codecOf(type);
  const theirs = protobufjsCodec(name);
  const bytes = ours.encode(message);
  const plain = { encode: (m) => type.encode(m).finish(), decode: (b) => type.decode(b) };
  const variants = {
    'ts-proto as it comes': plain,
    'ts-proto, our wire': ours,
    'protobufjs + shape': theirs,
    'protobufjs bare': { encode: theirs.bareEncode, decode: theirs.bareDecode },
  };
  for (const direction of ['encode', 'decode']) {
    const input = direction === 'encode' ? message : bytes;
    const samples = Object.fromEntries(Object.keys(variants).map((key) => [key, []]));
    for (let round = 0; round < rounds; round += 1) {
      for (const [key, codec] of Object.entries(variants))
        samples[key].push(measure(() => codec[direction](input)));
    }
    const base = median(samples['ts-proto as it comes']);
    const row = Object.entries(samples).map(
      ([key, values]) => `${key} ${median(values).toFixed(0)} (${(median(values) / base).toFixed(2)})`,
    );
    console.log(`${title}, ${bytes.length} B, ${direction}: ${row.join('   ')}`);
  }
}
