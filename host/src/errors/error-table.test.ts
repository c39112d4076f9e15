import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { errorReasons, grpcCode } from '@outrigger/proto';
import { pluginFailure } from '../registry/plugin-failure.js';
import { outcomeOf } from '../telemetry/usage-ledger.js';
import { errorDocs } from './error-docs.js';
import { errorTable, type ErrorKind } from './error-table.js';
import { GatewayError } from './gateway-error.js';

const kinds = Object.keys(errorTable) as ErrorKind[];

describe('the error table', () => {
  it('is what docs/errors.md says', () => {
    expect(readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')).toBe(errorDocs());
  });

  it('has a known gRPC code and an HTTP status of an error in every row', () => {
    for (const kind of kinds) {
      expect(Object.keys(grpcCode)).toContain(errorTable[kind].grpc);
      expect(errorTable[kind].http).toBeGreaterThanOrEqual(400);
      expect(errorTable[kind].http).toBeLessThan(600);
    }
  });

  it('gives every kind an outcome', () => {
    expect(Object.keys(outcomeOf).sort()).toEqual([...kinds].sort());
  });
});

describe('GatewayError.from', () => {
  it('keeps what was meant and hides what was not', () => {
    const meant = new GatewayError('conflict', 'x');
    expect(GatewayError.from(meant)).toBe(meant);
    const hidden = GatewayError.from(new Error('secret /path'));
    expect(hidden.kind).toBe('internal');
    expect(hidden.message).not.toContain('secret');
    expect(GatewayError.from(undefined).kind).toBe('internal');
  });
});

describe('pluginFailure', () => {
  it.each(Object.values(grpcCode).filter((code) => code !== 0))(
    'never shows the text of a status %s without a reason that is no argument',
    (code) => {
      const error = pluginFailure(
        { code, message: 'connect ENOENT /run/secret.sock', details: undefined },
        'one',
      );
      expect(kinds).toContain(error.kind);
      if (code === grpcCode.UNAVAILABLE || code === grpcCode.INTERNAL || code === grpcCode.UNKNOWN) {
        expect(error.message).not.toContain('/run/secret.sock');
      }
    },
  );

  it('knows every reason of the contract', () => {
    expect(Object.keys(errorReasons).length).toBeGreaterThan(20);
  });
});
