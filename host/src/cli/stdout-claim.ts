import { Writable } from 'node:stream';
import type { Sink } from './output.js';

/**
 * Takes stdout for one protocol. The returned stream is the only way to it
 * from here on; whatever else writes to stdout lands on stderr, so that a
 * stray `console.log` cannot break a conversation.
 */
export function claimStdout(stdout: Sink, stderr: Sink): Writable {
  const write = stdout.write.bind(stdout);
  stdout.write = stderr.write.bind(stderr);
  const claimed = new Writable({
    decodeStrings: false,
    write: (chunk: string | Uint8Array, _encoding, done) => {
      write(chunk, done);
    },
  });
  // A reader that has gone away shows as an error of the real stdout.
  stdout.on('error', (error) => claimed.destroy(error));
  return claimed;
}
