import { Modality, type MediaPart } from '@outrigger/proto';
import { GatewayError } from '../../errors/gateway-error.js';
import type { UserPartInput } from './content-schema.js';

const modalities = {
  image_url: Modality.MODALITY_IMAGE,
  video_url: Modality.MODALITY_VIDEO,
  input_audio: Modality.MODALITY_AUDIO,
  file: Modality.MODALITY_DOCUMENT,
} as const;

const audioTypes: Readonly<Record<string, string>> = {
  mp3: 'audio/mpeg',
  wav: 'audio/wav',
  flac: 'audio/flac',
};

/** A picture, sound, film or document of a request. `param` is where it stands, for errors. */
export function mediaPart(part: Exclude<UserPartInput, { type: 'text' }>, param: string): MediaPart {
  const modality = modalities[part.type];
  switch (part.type) {
    case 'image_url':
      return fromUrl(part.image_url.url, modality, part.image_url.detail ?? '', '', `${param}.image_url.url`);
    case 'video_url':
      return fromUrl(part.video_url.url, modality, '', '', `${param}.video_url.url`);
    case 'input_audio': {
      const { data, format } = part.input_audio;
      const mimeType = audioTypes[format] ?? (format.includes('/') ? format : `audio/${format}`);
      return media(modality, mimeType, {
        $case: 'data',
        value: base64(data, `${param}.input_audio.data`),
      });
    }
    case 'file':
      return fromFile(part.file, `${param}.file`);
  }
}

function fromFile(
  file: {
    file_data?: string | null | undefined;
    file_id?: string | null | undefined;
    filename?: string | null | undefined;
  },
  param: string,
): MediaPart {
  const filename = file.filename ?? '';
  if (typeof file.file_data === 'string') {
    if (file.file_data.startsWith('data:')) {
      return fromUrl(file.file_data, Modality.MODALITY_DOCUMENT, '', filename, `${param}.file_data`);
    }
    const value = base64(file.file_data, `${param}.file_data`);
    return media(Modality.MODALITY_DOCUMENT, '', { $case: 'data', value }, '', filename);
  }
  if (typeof file.file_id === 'string') {
    return media(Modality.MODALITY_DOCUMENT, '', { $case: 'fileId', value: file.file_id }, '', filename);
  }
  throw new GatewayError('invalid_request', `\`${param}\` needs \`file_data\` or \`file_id\``, { param });
}

function fromUrl(
  url: string,
  modality: Modality,
  detail: string,
  filename: string,
  param: string,
): MediaPart {
  if (/^https?:\/\//i.test(url)) {
    if (!URL.canParse(url)) {
      throw new GatewayError('invalid_request', `\`${param}\` is not a valid address`, { param });
    }
    return media(modality, '', { $case: 'url', value: url }, detail, filename);
  }
  if (!/^data:/i.test(url)) {
    throw new GatewayError('invalid_request', `\`${param}\` must begin with http://, https:// or data:`, {
      param,
    });
  }
  // Split by hand: a pattern over megabytes of base64 is slow.
  const comma = url.indexOf(',');
  if (comma < 0)
    throw new GatewayError('invalid_request', `\`${param}\` is not a valid data: URL`, { param });
  const [mimeType = '', ...attributes] = url.slice(5, comma).split(';');
  const rest = url.slice(comma + 1);
  const value = attributes.some((one) => one.trim().toLowerCase() === 'base64')
    ? base64(rest, param)
    : percent(rest, param);
  return media(modality, mimeType.trim().toLowerCase(), { $case: 'data', value }, detail, filename);
}

function media(
  modality: Modality,
  mimeType: string,
  source: NonNullable<MediaPart['source']>,
  detail = '',
  filename = '',
): MediaPart {
  return { modality, mimeType, source, detail, filename };
}

/** Strict: Buffer.from would skip whatever is not base64 and hand on a damaged picture. */
function base64(text: string, param: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const expected = Math.floor(((text.length - padding) * 3) / 4);
  if (bytes.length === 0 || bytes.length !== expected) {
    throw new GatewayError('invalid_request', `\`${param}\` is not valid base64`, { param });
  }
  return bytes;
}

function percent(text: string, param: string): Buffer {
  try {
    return Buffer.from(decodeURIComponent(text));
  } catch {
    throw new GatewayError('invalid_request', `\`${param}\` is not a valid data: URL`, { param });
  }
}
