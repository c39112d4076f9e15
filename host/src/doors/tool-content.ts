import type { JsonObject, JsonValue } from '@bufbuild/protobuf';

/** A piece of a tool's answer, as the doors write it. Bytes are base64. */
export type ToolPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image' | 'audio'; readonly data: string; readonly mimeType: string }
  | {
      readonly type: 'resource_link';
      readonly uri: string;
      readonly name: string;
      readonly description?: string;
      readonly mimeType?: string;
    }
  | {
      readonly type: 'resource';
      readonly resource: { readonly uri: string; readonly mimeType?: string } & (
        { readonly text: string } | { readonly blob: string }
      );
    };

/** What a tool answered. */
export interface ToolAnswer {
  readonly parts: readonly ToolPart[];
  /** The same for programs; undefined when there is none. */
  readonly structured: JsonValue | undefined;
  readonly isError: boolean;
}

/**
 * Reads the JSON form of `outrigger.plugin.v1.ToolCallResult`; the messages of a
 * streaming tool count as one answer. Parts of kinds that are not known are left out.
 */
export function toolAnswer(value: JsonValue): ToolAnswer {
  const results = (Array.isArray(value) ? value : [value]).map(object);
  const structured = results.flatMap(({ structuredJson }) => parse(structuredJson));
  return {
    parts: results.flatMap(({ content }) => list(content).flatMap((part) => toolPart(object(part)) ?? [])),
    structured: structured.length > 1 ? structured : structured[0],
    isError: results.some(({ isError }) => isError === true),
  };
}

function toolPart({ text: said, image, audio, link, resource }: JsonObject): ToolPart | undefined {
  if (typeof said === 'string') return { type: 'text', text: said };
  if (image !== undefined) return { type: 'image', ...blob(object(image)) };
  if (audio !== undefined) return { type: 'audio', ...blob(object(audio)) };
  if (link !== undefined) {
    const { uri, name, description, mimeType } = object(link);
    return {
      type: 'resource_link',
      uri: text(uri),
      name: text(name) === '' ? text(uri) : text(name),
      ...optional('description', description),
      ...optional('mimeType', mimeType),
    };
  }
  if (resource === undefined) return undefined;
  const { uri, mimeType, text: inner, blob: bytes } = object(resource);
  return {
    type: 'resource',
    resource: {
      uri: text(uri),
      ...optional('mimeType', mimeType),
      ...(typeof bytes === 'string' ? { blob: bytes } : { text: text(inner) }),
    },
  };
}

function blob({ data, mimeType }: JsonObject): { data: string; mimeType: string } {
  return { data: text(data), mimeType: text(mimeType) === '' ? 'application/octet-stream' : text(mimeType) };
}

function optional<Key extends string>(key: Key, value: JsonValue | undefined): Partial<Record<Key, string>> {
  return typeof value === 'string' && value !== '' ? ({ [key]: value } as Partial<Record<Key, string>>) : {};
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

function object(value: JsonValue | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}

function list(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

function parse(value: JsonValue | undefined): JsonValue[] {
  if (typeof value !== 'string' || value === '') return [];
  try {
    return [JSON.parse(value) as JsonValue];
  } catch {
    // A plugin's mistake; the content says the same.
    return [];
  }
}
