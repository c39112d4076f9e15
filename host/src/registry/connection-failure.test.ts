import { describe, expect, it } from '@jest/globals';
import { explain } from './connection-failure.js';

const failed = (why: string): string => `No connection established. Last error: ${why}. Resolution note: `;
const ssl = (why: string): string =>
  failed(`Error: 806C057A667F0000:error:0A00010B:SSL routines:ssl3_get_record:${why}:../deps/x.c:350:\n`);
const stamped = 'Failed to connect (2026-11-28T23:39:26.277Z)';
const tcp = { address: 'dns:///there:1', tls: undefined };

describe('why there is no connection', () => {
  it.each([
    [ssl('wrong version number'), /does not speak TLS; take `tls` out/],
    [
      failed('Error: Client network socket disconnected before secure TLS connection was established'),
      /perhaps it does not speak TLS/,
    ],
    [ssl('tlsv13 alert certificate required'), /set `tls\.cert` and `tls\.key`/],
    [failed('Error: self-signed certificate'), /^self-signed certificate; set `tls\.ca`/],
    [
      failed("Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames: x"),
      /^Hostname\/IP does not match .*; set `tls\.serverName`/,
    ],
    [failed('Error: connect ECONNREFUSED 127.0.0.1:1'), /^connect ECONNREFUSED 127\.0\.0\.1:1$/],
  ])('with TLS is told in one line with the likely remedy: %j', (message, told) => {
    const line = explain(message, { ...tcp, tls: {} });
    expect(line).toMatch(told);
    expect(line).not.toContain('\n');
  });

  it.each([
    [failed(stamped), /perhaps it speaks TLS: set `tls`/],
    [failed('Protocol error (2026-11-28T23:39:26.481Z)'), /perhaps it speaks TLS: set `tls`/],
    [failed('Error: connect ECONNREFUSED 127.0.0.1:1'), /^connect ECONNREFUSED 127\.0\.0\.1:1$/],
    ['other words', /^other words$/],
  ])('without TLS as well: %j', (message, told) => {
    expect(explain(message, tcp)).toMatch(told);
  });

  it('on a socket has nothing to do with TLS', () => {
    expect(explain(failed(stamped), { address: 'unix:/run/x.sock', tls: undefined })).toBe(
      'Failed to connect',
    );
  });
});
