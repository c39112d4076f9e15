/** The contract's ToolCallResult in the JSON form of Protocol Buffers. */
export interface ContentJson {
  readonly content?: readonly PartJson[];
  readonly structuredJson?: string;
  readonly isError?: boolean;
}

interface BlobJson {
  readonly data?: string;
  readonly mimeType?: string;
}

interface PartJson {
  readonly text?: string;
  readonly image?: BlobJson;
  readonly audio?: BlobJson;
  readonly link?: {
    readonly uri?: string;
    readonly name?: string;
    readonly description?: string;
    readonly mimeType?: string;
  };
  readonly resource?: {
    readonly uri?: string;
    readonly mimeType?: string;
    readonly text?: string;
    readonly blob?: string;
  };
}

/** A piece of a tool's answer; binary data is base64. */
export type ContentPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image' | 'audio'; readonly data: string; readonly mimeType: string }
  | {
      readonly type: 'resource';
      readonly resource: { readonly uri: string; readonly mimeType?: string } & (
        { readonly text: string } | { readonly blob: string }
      );
    }
  | {
      readonly type: 'resource_link';
      readonly uri: string;
      readonly name: string;
      readonly description?: string;
      readonly mimeType?: string;
    };

/** A tool's answer as typed content. Parts of a kind unknown here are left out. */
export function readContent(json: ContentJson): {
  content: ContentPart[];
  structured: unknown;
  isError: boolean;
} {
  const { structuredJson = '' } = json;
  return {
    content: (json.content ?? []).flatMap((part) => readPart(part) ?? []),
    structured: structuredJson === '' ? undefined : parsed(structuredJson),
    isError: json.isError ?? false,
  };
}

function readPart(part: PartJson): ContentPart | undefined {
  if (part.text !== undefined) return { type: 'text', text: part.text };
  if (part.image !== undefined) return blob('image', part.image);
  if (part.audio !== undefined) return blob('audio', part.audio);
  if (part.link !== undefined) {
    const { uri = '', name = '', description, mimeType } = part.link;
    return {
      type: 'resource_link',
      uri,
      name: name === '' ? uri : name,
      ...optional({ description, mimeType }),
    };
  }
  if (part.resource !== undefined) {
    const { uri = '', mimeType, text, blob: bytes } = part.resource;
    const content = bytes === undefined ? { text: text ?? '' } : { blob: bytes };
    return { type: 'resource', resource: { uri, ...optional({ mimeType }), ...content } };
  }
  return undefined;
}

function blob(type: 'image' | 'audio', { data = '', mimeType = '' }: BlobJson): ContentPart {
  return { type, data, mimeType: mimeType === '' ? 'application/octet-stream' : mimeType };
}

/** Texts that are there and not empty. */
function optional<Name extends string>(fields: Record<Name, string | undefined>): { [Key in Name]?: string } {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== ''),
  ) as {
    [Key in Name]?: string;
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
