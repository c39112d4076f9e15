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
  return new Writable({
    decodeStrings: false,
    write: (chunk: string | Uint8Array, _encoding, done) => {
      write(chunk, done);
    },
  });
}
