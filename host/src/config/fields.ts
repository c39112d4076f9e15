import { z } from 'zod';

// The builders below keep one habit for every option: a description that names
// the unit, a default, and a bound, so that no option can be added without them.

const seconds = 1000;
const minutes = 60 * seconds;

/** A time span in milliseconds. */
export const milliseconds = (fallback: number, description: string, min = 1) =>
  z
    .int()
    .min(min)
    .max(24 * 60 * minutes)
    .default(fallback)
    .describe(`${description} Milliseconds.`);

/** A whole number with bounds. */
export const whole = (fallback: number, min: number, max: number, description: string) =>
  z.int().min(min).max(max).default(fallback).describe(description);

/** A switch. */
export const flag = (fallback: boolean, description: string) =>
  z.boolean().default(fallback).describe(description);

/** A list of strings, empty by default. */
export const strings = (description: string) =>
  z.array(z.string().min(1).max(2048)).max(1000).default([]).describe(description);

/** A string which has no default. */
export const text = (description: string) => z.string().min(1).max(65_536).optional().describe(description);

/** One secret. `writeOnly` marks it in the JSON Schema, and printing replaces it by `***`. */
export const secret = (description: string) =>
  z.string().min(1).max(65_536).optional().describe(description).meta({ writeOnly: true });
