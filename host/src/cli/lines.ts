/** One line, or notice that one was too long and was skipped. */
export type Line = { readonly text: string } | { readonly tooLong: true };

/** Splits bytes at line feeds, joining what arrives in pieces. Empty lines are left out. */
export async function* readLines(chunks: AsyncIterable<unknown>, maxBytes: number): AsyncGenerator<Line> {
  let parts: Buffer[] = [];
  let size = 0;
  let skipping = false;
  for await (const chunk of chunks) {
    let rest = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      const line = Buffer.concat([...parts, rest.subarray(0, end)]);
      rest = rest.subarray(end + 1);
      parts = [];
      size = 0;
      if (skipping || line.length > maxBytes) yield { tooLong: true };
      else if (line.toString('utf8').trim() !== '') yield { text: line.toString('utf8') };
      skipping = false;
    }
    size += rest.length;
    if (size > maxBytes) {
      skipping = true;
      parts = [];
    } else if (rest.length > 0) {
      parts.push(rest);
    }
  }
  const last = Buffer.concat(parts).toString('utf8');
  if (skipping) yield { tooLong: true };
  else if (last.trim() !== '') yield { text: last };
}
