import { randomUUID } from 'node:crypto';

/** JSON text that goes into a larger body as it is, so that no digit and no order of properties is lost. */
export class RawJson {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** JSON.stringify that also takes RawJson values, anywhere. */
export function stringifyWithRaw(value: unknown): string {
  const texts: string[] = [];
  // The mark is unguessable, so no caller's text can be taken for it.
  const mark = randomUUID();
  const json = JSON.stringify(value, (_key, item: unknown) =>
    item instanceof RawJson ? `${mark}${texts.push(item.text) - 1}` : item,
  );
  if (texts.length === 0) return json;
  return json.replace(
    new RegExp(`"${mark}(\\d+)"`, 'g'),
    (_match, index: string) => texts[Number(index)] ?? 'null',
  );
}
