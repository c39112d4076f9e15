/** The names of plain JSON in the style of the other fields: `inputTokens` becomes `input_tokens`, at every depth. */
export function snakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCase);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [snake(key), snakeCase(inner)]));
}

/** The same of an object. */
export function snakeObject(value: object): Record<string, unknown> {
  return snakeCase(value) as Record<string, unknown>;
}

function snake(name: string): string {
  // Only names of fields: a key that is data (a model, a metric) is left as it is.
  return /^[a-z][A-Za-z0-9]*$/.test(name)
    ? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    : name;
}
