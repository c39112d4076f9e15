/** One event of a text/event-stream. */
export interface SseEvent {
  readonly event: string;
  readonly data: string;
}

const longestEvent = 64 * 1024 * 1024;

/**
 * Reads server-sent events: any line ending, comments, several data lines, a
 * byte order mark, characters and line endings split over chunks. An event
 * without its empty line at the end of the stream is dropped, as the standard wants.
 */
export async function* readEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<SseEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  let event = '';
  let data: string[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    // A lone CR at the end may be the first half of CRLF.
    const end = rest.endsWith('\r') ? rest.length - 1 : rest.length;
    const lines = rest.slice(0, end).split(/\r\n|\n|\r/);
    rest = (lines.pop() ?? '') + rest.slice(end);
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { event: event === '' ? 'message' : event, data: data.join('\n') };
        event = '';
        data = [];
        size = 0;
        continue;
      }
      const colon = line.indexOf(':');
      const field = colon === -1 ? line : line.slice(0, colon);
      const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'data') data.push(value);
      else if (field === 'event') event = value;
      size += line.length;
    }
    if (size + rest.length > longestEvent) throw new Error('an event of the stream is larger than 64 MiB');
  }
  if (rest === '\r' && data.length > 0)
    yield { event: event === '' ? 'message' : event, data: data.join('\n') };
}
