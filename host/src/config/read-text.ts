import { closeSync, openSync, readSync } from 'node:fs';

const mostBytes = 1024 * 1024;

/** The text of a file of at most one mebibyte; a device that never ends is refused like a file that is too large. */
export function readText(path: string): string {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(mostBytes + 1);
    let length = 0;
    for (;;) {
      const read = readSync(file, buffer, length, buffer.length - length, null);
      length += read;
      if (length > mostBytes) throw new Error(`it holds more than ${mostBytes} bytes`);
      if (read === 0) return buffer.toString('utf8', 0, length);
    }
  } finally {
    closeSync(file);
  }
}
