/** The numbers of the GGUF v3 file format that the writer and the reader share. */

export const GGUF_MAGIC = 'GGUF';
export const GGUF_VERSION = 3;
/** Tensor data starts, and each tensor is padded, to a multiple of this many bytes unless the file says otherwise. */
export const DEFAULT_ALIGNMENT = 32;

/** Metadata value types, by their number in the file. */
export const ValueType = {
  uint8: 0,
  int8: 1,
  uint16: 2,
  int16: 3,
  uint32: 4,
  int32: 5,
  float32: 6,
  bool: 7,
  string: 8,
  array: 9,
  uint64: 10,
  int64: 11,
  float64: 12,
} as const;
export type ValueTypeNumber = (typeof ValueType)[keyof typeof ValueType];

/** Bytes of one fixed-size metadata value; strings and arrays have no fixed size and are absent. */
export const FIXED_SIZES: ReadonlyMap<number, number> = new Map([
  [ValueType.uint8, 1],
  [ValueType.int8, 1],
  [ValueType.uint16, 2],
  [ValueType.int16, 2],
  [ValueType.uint32, 4],
  [ValueType.int32, 4],
  [ValueType.float32, 4],
  [ValueType.bool, 1],
  [ValueType.uint64, 8],
  [ValueType.int64, 8],
  [ValueType.float64, 8],
]);

/** Names of `general.file_type`, the quantization most tensors of the file use. */
const FILE_TYPES: ReadonlyMap<number, string> = new Map([
  [0, 'F32'],
  [1, 'F16'],
  [2, 'Q4_0'],
  [3, 'Q4_1'],
  [7, 'Q8_0'],
  [8, 'Q5_0'],
  [9, 'Q5_1'],
  [10, 'Q2_K'],
  [11, 'Q3_K_S'],
  [12, 'Q3_K_M'],
  [13, 'Q3_K_L'],
  [14, 'Q4_K_S'],
  [15, 'Q4_K_M'],
  [16, 'Q5_K_S'],
  [17, 'Q5_K_M'],
  [18, 'Q6_K'],
  [19, 'IQ2_XXS'],
  [20, 'IQ2_XS'],
  [21, 'Q2_K_S'],
  [22, 'IQ3_XS'],
  [23, 'IQ3_XXS'],
  [24, 'IQ1_S'],
  [25, 'IQ4_NL'],
  [26, 'IQ3_S'],
  [27, 'IQ3_M'],
  [28, 'IQ2_S'],
  [29, 'IQ2_M'],
  [30, 'IQ4_XS'],
  [31, 'IQ1_M'],
  [32, 'BF16'],
  [36, 'TQ1_0'],
  [37, 'TQ2_0'],
  [38, 'MXFP4'],
]);

/** The quantization name for a `general.file_type` number, or undefined for one this table does not know. */
export function quantizationName(fileType: number): string | undefined {
  // Bit 10 says that the type was guessed from the tensors; the rest is the type.
  return FILE_TYPES.get(fileType & ~1024);
}

/** `<arch>.pooling_type`: how an embedding is made from the vectors of all tokens. */
export const POOLING_TYPES = ['none', 'mean', 'cls', 'last', 'rank'] as const;
export type PoolingType = (typeof POOLING_TYPES)[number];
