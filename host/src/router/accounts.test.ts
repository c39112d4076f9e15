import { describe, expect, it } from '@jest/globals';
import { Usage } from '@outrigger/proto';
import type { ErrorKind } from '../errors/error-table.js';
import { GatewayError } from '../errors/gateway-error.js';
import { TrackRecord } from '../registry/track-record.js';
import { UsageLedger, type UsageRecord } from '../telemetry/usage-ledger.js';
import { Accounts } from './accounts.js';

const served = { model: 'one/m', plugin: 'one', pluginVersion: '1', instanceId: 'i', ignoredParams: [] };
const context = {
  requestId: 'r',
  door: 'rest' as const,
  signal: new AbortController().signal,
  strictParams: false,
  traceparent: '',
  receivedAt: 0,
};

function recordOf(kind: ErrorKind | undefined, pieces: number, usage?: Usage): UsageRecord {
  const ledger = new UsageLedger();
  let record: UsageRecord | undefined;
  ledger.onRecord((entry) => (record = entry));
  const accounts = new Accounts({ ledger, now: () => 10, wallClock: () => 0 });
  const instance = { track: new TrackRecord() };
  const error = kind === undefined ? undefined : new GatewayError(kind, 'why');
  accounts.generation('chat', { error, usage, pieces, firstAt: undefined }, served, instance, context);
  if (record === undefined) throw new Error('nothing was recorded');
  return record;
}

describe('Accounts', () => {
  it.each<[string, ErrorKind | undefined, number, boolean, number | undefined]>([
    ['whole answers are not partial', undefined, 3, false, undefined],
    ['what was refused before anything came has used nothing', 'invalid_request', 0, false, undefined],
    ['what was refused on the way has used what came', 'content_filtered', 2, true, 2],
    ['what was cut has used at least what came', 'truncated', 2, true, 2],
    ['what failed before anything came may have used something', 'upstream_error', 0, true, undefined],
    ['what the caller left has used at least what came', 'cancelled', 1, true, 1],
  ])('%s', (_what, kind, pieces, partial, outputTokens) => {
    expect(recordOf(kind, pieces)).toMatchObject({ partial, estimated: partial, outputTokens });
  });

  it('takes the figures of the plugin where it gave some', () => {
    const usage = Usage.create({ inputTokens: 5, outputTokens: 7 });
    expect(recordOf('truncated', 2, usage)).toMatchObject({
      partial: true,
      estimated: false,
      inputTokens: 5,
      outputTokens: 7,
    });
  });
});
