import type { InferTensorContents, ModelInferResponse } from '../gen/inference/inference.js';
import { fromBrain, fromHalf, toBrain, toHalf } from './float.js';

/** Element types of the protocol. */
export type DataTypeName = keyof typeof dataTypes;

/** What the values of a tensor are in memory. BYTES are buffers, 64-bit integers bigints. */
export type TensorValues = readonly boolean[] | readonly number[] | readonly bigint[] | readonly Buffer[];

/** A tensor on its way to a model; shape with the batch. */
export interface InputTensor {
  readonly name: string;
  readonly datatype: DataTypeName;
  readonly shape: readonly number[];
  readonly values: TensorValues;
}

/** A tensor as a model answered it; read it with the functions below. */
export interface OutputTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly raw: Buffer | undefined;
  readonly contents: InferTensorContents | undefined;
}

interface Element {
  /** Bytes of one. */
  readonly size: number;
  readonly kind: 'boolean' | 'number' | 'bigint' | 'float';
  read(buffer: Buffer, at: number): boolean | number | bigint;
  write(buffer: Buffer, at: number, value: never): void;
  /** The list that has it in the typed form; FP16 and BF16 have none. */
  readonly list: keyof InferTensorContents | undefined;
}

const element = <Value extends boolean | number | bigint>(
  kind: Element['kind'],
  size: number,
  list: Element['list'],
  read: (buffer: Buffer, at: number) => Value,
  write: (buffer: Buffer, at: number, value: Value) => void,
): Element => ({ kind, size, list, read, write });

const dataTypes = {
  BOOL: element(
    'boolean',
    1,
    'boolContents',
    (b, i) => b[i] !== 0,
    (b, i, v) => void b.writeUInt8(v ? 1 : 0, i),
  ),
  INT8: element(
    'number',
    1,
    'intContents',
    (b, i) => b.readInt8(i),
    (b, i, v: number) => void b.writeInt8(v, i),
  ),
  INT16: element(
    'number',
    2,
    'intContents',
    (b, i) => b.readInt16LE(i),
    (b, i, v: number) => void b.writeInt16LE(v, i),
  ),
  INT32: element(
    'number',
    4,
    'intContents',
    (b, i) => b.readInt32LE(i),
    (b, i, v: number) => void b.writeInt32LE(v, i),
  ),
  INT64: element(
    'bigint',
    8,
    'int64Contents',
    (b, i) => b.readBigInt64LE(i),
    (b, i, v: bigint) => void b.writeBigInt64LE(v, i),
  ),
  UINT8: element(
    'number',
    1,
    'uintContents',
    (b, i) => b.readUInt8(i),
    (b, i, v: number) => void b.writeUInt8(v, i),
  ),
  UINT16: element(
    'number',
    2,
    'uintContents',
    (b, i) => b.readUInt16LE(i),
    (b, i, v: number) => void b.writeUInt16LE(v, i),
  ),
  UINT32: element(
    'number',
    4,
    'uintContents',
    (b, i) => b.readUInt32LE(i),
    (b, i, v: number) => void b.writeUInt32LE(v, i),
  ),
  UINT64: element(
    'bigint',
    8,
    'uint64Contents',
    (b, i) => b.readBigUInt64LE(i),
    (b, i, v: bigint) => void b.writeBigUInt64LE(v, i),
  ),
  FP16: element(
    'float',
    2,
    undefined,
    (b, i) => fromHalf(b.readUInt16LE(i)),
    (b, i, v: number) => void b.writeUInt16LE(toHalf(v), i),
  ),
  BF16: element(
    'float',
    2,
    undefined,
    (b, i) => fromBrain(b.readUInt16LE(i)),
    (b, i, v: number) => void b.writeUInt16LE(toBrain(v), i),
  ),
  FP32: element(
    'float',
    4,
    'fp32Contents',
    (b, i) => b.readFloatLE(i),
    (b, i, v: number) => void b.writeFloatLE(v, i),
  ),
  FP64: element(
    'float',
    8,
    'fp64Contents',
    (b, i) => b.readDoubleLE(i),
    (b, i, v: number) => void b.writeDoubleLE(v, i),
  ),
  BYTES: undefined,
} as const satisfies Record<string, Element | undefined>;

/** Whether this plugin knows an element type. */
export function isDataType(name: string): name is DataTypeName {
  return Object.hasOwn(dataTypes, name);
}

/** What the values of an element type are in memory. */
export function kindOf(datatype: DataTypeName): Element['kind'] | 'bytes' {
  return dataTypes[datatype]?.kind ?? 'bytes';
}

/** How many elements a shape has. */
export function countOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The little-endian form that Triton calls raw. Throws ERR_OUT_OF_RANGE for a number that does not fit. */
export function encodeRaw(datatype: DataTypeName, values: TensorValues): Buffer {
  const type: Element | undefined = dataTypes[datatype];
  if (type === undefined) {
    const parts: Buffer[] = [];
    for (const value of values as readonly Buffer[]) {
      const length = Buffer.allocUnsafe(4);
      length.writeUInt32LE(value.length);
      parts.push(length, value);
    }
    return Buffer.concat(parts);
  }
  const buffer = Buffer.allocUnsafe(type.size * values.length);
  values.forEach((value, index) => {
    type.write(buffer, index * type.size, value as never);
  });
  return buffer;
}

/** The typed form. FP16 and BF16 have none: undefined. */
export function encodeContents(
  datatype: DataTypeName,
  values: TensorValues,
): Partial<InferTensorContents> | undefined {
  if (datatype === 'BYTES') return { bytesContents: [...(values as readonly Buffer[])] };
  const list = dataTypes[datatype].list;
  return list === undefined ? undefined : { [list]: [...values] };
}

/** An answer's tensors. Raw bytes are aligned with the outputs; servers that answer typed send none. */
export function outputsOf(response: ModelInferResponse): OutputTensor[] {
  const raw = response.rawOutputContents;
  return response.outputs.map((output, index) => ({
    name: output.name,
    datatype: output.datatype,
    shape: output.shape.map(Number),
    raw: raw.length === 0 ? undefined : raw[index],
    contents: output.contents,
  }));
}

/** The answer of a server cannot be read. */
export class MalformedTensor extends Error {
  constructor(tensor: OutputTensor, why: string) {
    super(`output ${JSON.stringify(tensor.name)} (${tensor.datatype}): ${why}`);
    this.name = 'MalformedTensor';
  }
}

function readStrings(tensor: OutputTensor, raw: Buffer): Buffer[] {
  const values: Buffer[] = [];
  for (let at = 0; at < raw.length;) {
    if (at + 4 > raw.length) throw new MalformedTensor(tensor, 'ends in the middle of a length');
    const end = at + 4 + raw.readUInt32LE(at);
    if (end > raw.length) throw new MalformedTensor(tensor, 'ends in the middle of an element');
    values.push(raw.subarray(at + 4, end));
    at = end;
  }
  return values;
}

/** The elements of a BYTES tensor; none of another type. */
export function bytesOf(tensor: OutputTensor): readonly Buffer[] {
  if (tensor.datatype !== 'BYTES') throw new MalformedTensor(tensor, 'BYTES was expected');
  return tensor.raw === undefined ? (tensor.contents?.bytesContents ?? []) : readStrings(tensor, tensor.raw);
}

/** The values of a tensor of any type; throws MalformedTensor when bytes and shape do not fit. */
export function valuesOf(tensor: OutputTensor): TensorValues {
  if (!isDataType(tensor.datatype)) throw new MalformedTensor(tensor, 'unknown element type');
  const type: Element | undefined = dataTypes[tensor.datatype];
  let values: TensorValues;
  if (type === undefined) values = bytesOf(tensor);
  else if (tensor.raw !== undefined) values = readRaw(tensor, tensor.raw, type);
  else {
    const list = type.list === undefined ? undefined : tensor.contents?.[type.list];
    values = list ?? [];
  }
  if (values.length !== countOf(tensor.shape)) {
    throw new MalformedTensor(tensor, `has ${values.length} values for shape [${tensor.shape.join(', ')}]`);
  }
  return values;
}

function readRaw(tensor: OutputTensor, raw: Buffer, type: Element): TensorValues {
  if (raw.length % type.size !== 0) throw new MalformedTensor(tensor, 'ends in the middle of an element');
  return Array.from({ length: raw.length / type.size }, (_, i) =>
    type.read(raw, i * type.size),
  ) as TensorValues;
}

/** The values of a floating-point tensor as little-endian 32-bit floats. */
export function float32Of(tensor: OutputTensor): Buffer {
  if (tensor.datatype === 'FP32' && tensor.raw?.length === 4 * countOf(tensor.shape)) return tensor.raw;
  if (!isDataType(tensor.datatype) || kindOf(tensor.datatype) !== 'float') {
    throw new MalformedTensor(tensor, 'floating-point numbers were expected');
  }
  return encodeRaw('FP32', valuesOf(tensor));
}
