import type { MediaPart } from '@outrigger/proto';

/** Where a generated picture or sound is: its address, or the bytes as a data: URL. */
export function mediaUrl(media: MediaPart): string {
  switch (media.source?.$case) {
    case 'url':
      return media.source.value;
    case 'fileId':
      return `file:${media.source.value}`;
    case 'data': {
      const type = media.mimeType === '' ? 'application/octet-stream' : media.mimeType;
      return `data:${type};base64,${media.source.value.toString('base64')}`;
    }
    default:
      return '';
  }
}
