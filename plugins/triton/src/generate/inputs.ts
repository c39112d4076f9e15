import type { ModelDescription } from '../catalog/description.js';
import type { TensorSpec } from '../catalog/shape.js';
import { countOf, isDataType, kindOf, type InputTensor, type TensorValues } from '../server/tensor.js';
import { invalid } from '../unsupported.js';

/** A value before it has the type of its tensor. */
export type LooseValue = string | number | boolean | bigint;

/**
 * The shape for so many values: open dimensions are 1, and the last open one
 * takes what is left. Undefined when the count does not fit.
 */
export function shapeFor(spec: readonly number[], count: number): number[] | undefined {
  const fixed = countOf(spec.filter((size) => size >= 0));
  const open = spec.filter((size) => size < 0).length;
  if (open === 0) return fixed === count ? [...spec] : undefined;
  if (fixed === 0 || count % fixed !== 0) return undefined;
  let seen = 0;
  return spec.map((size) => {
    if (size >= 0) return size;
    seen += 1;
    return seen === open ? count / fixed : 1;
  });
}

/** Values in the type of a tensor; undefined when one of them has no such form. */
export function typed(datatype: string, values: readonly LooseValue[]): TensorValues | undefined {
  if (!isDataType(datatype)) return undefined;
  switch (kindOf(datatype)) {
    case 'bytes':
      return values.map((value) => Buffer.from(String(value), 'utf8'));
    case 'boolean':
      return values.every((value) => typeof value === 'boolean') ? values : undefined;
    case 'float':
      return values.every((value) => typeof value === 'number' || typeof value === 'bigint')
        ? values.map(Number)
        : undefined;
    case 'number':
      return values.every((value) => typeof value !== 'string' && Number.isInteger(Number(value)))
        ? values.map(Number)
        : undefined;
    case 'bigint':
      return values.every(
        (value) => typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value)),
      )
        ? values.map((value) => BigInt(value))
        : undefined;
  }
}

/** Gathers the input tensors of one request, each in the type and shape that the model wants. */
export class InputSet {
  readonly #description: ModelDescription;
  readonly #tensors = new Map<string, InputTensor>();

  constructor(description: ModelDescription) {
    this.#description = description;
  }

  /** The first of these inputs that the model has. */
  find(names: readonly string[]): TensorSpec | undefined {
    for (const name of names) {
      const spec = this.#description.inputs.find((input) => input.name === name);
      if (spec !== undefined) return spec;
    }
    return undefined;
  }

  /** Sets an input; false when the values do not fit its type or shape. */
  set(spec: TensorSpec, values: readonly LooseValue[]): boolean {
    const shape = shapeFor(spec.shape, values.length);
    const converted = typed(spec.datatype, values);
    if (shape === undefined || converted === undefined || !isDataType(spec.datatype)) return false;
    this.#tensors.set(spec.name, { name: spec.name, datatype: spec.datatype, shape, values: converted });
    return true;
  }

  /** Sets the first of these inputs that the model has, if it has one. */
  offer(names: readonly string[], ...values: LooseValue[]): boolean {
    const spec = this.find(names);
    return spec !== undefined && this.set(spec, values);
  }

  /** Sets inputs that the caller names itself: JSON values or lists of them. Throws INVALID_REQUEST. */
  setNamed(given: Readonly<Record<string, unknown>>, field: string): void {
    for (const [name, value] of Object.entries(given)) {
      const spec = this.find([name]);
      if (spec === undefined) {
        const known = this.#description.inputs.map((input) => input.name).join(', ');
        throw invalid(
          `${field}.${name}`,
          `the model has no such input; it has ${known || 'none that it tells of'}`,
        );
      }
      const values = (Array.isArray(value) ? value.flat(Infinity) : [value]) as LooseValue[];
      const plain = values.every((one) => ['string', 'number', 'boolean'].includes(typeof one));
      if (!plain || !this.set(spec, values)) {
        throw invalid(`${field}.${name}`, `does not fit ${spec.datatype} [${spec.shape.join(', ')}]`);
      }
    }
  }

  /** Inputs that the model requires and nobody has set. */
  get missing(): TensorSpec[] {
    return this.#description.inputs.filter((input) => !input.optional && !this.#tensors.has(input.name));
  }

  get tensors(): InputTensor[] {
    return [...this.#tensors.values()];
  }
}
