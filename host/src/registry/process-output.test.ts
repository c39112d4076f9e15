import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PassThrough } from 'node:stream';
import type { Logger } from '../telemetry/logger.js';
import { forwardLines } from './process-output.js';

/** One line of a log, as it would be written: bindings, fields, text. */
interface Written {
  readonly level: string;
  readonly fields: Record<string, unknown>;
  readonly text: string;
}

function recordingLog(written: Written[]): Logger {
  const at =
    (level: string) =>
    (fields: object | string, text?: string): void => {
      written.push(
        typeof fields === 'string'
          ? { level, fields: {}, text: fields }
          : { level, fields: { ...fields }, text: text ?? '' },
      );
    };
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  return { ...log, child: () => recordingLog(written) };
}

describe('the output of a plugin', () => {
  let written: Written[];
  let stream: PassThrough;

  beforeEach(() => {
    written = [];
    stream = new PassThrough();
  });
  afterEach(() => {
    stream.destroy();
  });

  const send = async (text: string): Promise<void> => {
    const ended = new Promise((resolve) => stream.once('end', resolve));
    stream.end(text);
    await ended;
  };

  it('keeps level and fields of a structured line, without what the host says itself', async () => {
    forwardLines(stream, recordingLog(written));
    await send(
      '{"level":"warn","time":"2026-01-01T00:00:00Z","plugin":"echo","requestId":"r1","msg":"slow"}\n',
    );
    expect(written).toEqual([{ level: 'warn', fields: { requestId: 'r1' }, text: 'slow' }]);
  });

  it('forwards a line of another form as it is, also one without an end', async () => {
    const tail = forwardLines(stream, recordingLog(written));
    await send('{"not json\nlast words');
    expect(written.map((line) => line.fields)).toEqual([{ output: '{"not json' }, { output: 'last words' }]);
    expect(tail.last()).toBe('last words');
  });

  it('tells the last error rather than the last line', async () => {
    const tail = forwardLines(stream, recordingLog(written));
    await send('{"level":"error","msg":"no weights"}\n{"level":"info","msg":"bye"}\n');
    expect(tail.last()).toBe('no weights');
  });

  it('takes no line that says all is well for last words', async () => {
    const tail = forwardLines(stream, recordingLog(written));
    await send('{"level":"info","msg":"listening"}\n{"level":"debug","msg":"cannot be better"}\n');
    expect(tail.last()).toBe('');
  });
});
