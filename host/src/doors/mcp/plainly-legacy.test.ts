import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { eraOf } from './era.js';
import { isPlainlyLegacy } from './plainly-legacy.js';

const versionKey = 'io.modelcontextprotocol/protocolVersion';
const request = (version: string | null): Request =>
  new Request('http://localhost/mcp', {
    method: 'POST',
    headers: version === null ? {} : { 'mcp-protocol-version': version },
  });
const initialize = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
};

describe('a message that is plainly legacy', () => {
  it.each([
    ['initialize', null, initialize],
    ['a notification', '2025-11-25', { jsonrpc: '2.0', method: 'notifications/initialized' }],
    ['a list', '2025-06-18', { jsonrpc: '2.0', id: 'a', method: 'tools/list', params: {} }],
    [
      'a call that asks for progress',
      '2025-03-26',
      { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'x', _meta: { progressToken: 2 } } },
    ],
  ])('is %s', (_, version, body) => {
    expect(isPlainlyLegacy(version, body)).toBe(true);
  });

  it('is none that the SDK would not take for one', () => {
    const id = fc.oneof(fc.integer(), fc.string(), fc.constantFrom(null, 1.5, {}, undefined));
    const meta = fc.oneof(
      fc.record(
        { progressToken: id, [versionKey]: fc.constantFrom('2026-07-28', '2025-11-25', 7) },
        { requiredKeys: [] },
      ),
      fc.constantFrom(null, 'x', []),
    );
    const params = fc.oneof(
      fc.record({ name: fc.string(), _meta: meta }, { requiredKeys: [] }),
      fc.constantFrom(null, [], 'x', 3),
    );
    const message = fc.record(
      {
        jsonrpc: fc.constantFrom('2.0', '1.0'),
        id,
        method: fc.oneof(fc.constantFrom('initialize', 'tools/call', 'server/discover'), fc.constant(4)),
        params,
        result: fc.constant({}),
        error: fc.constant({ code: 1, message: 'x' }),
      },
      { requiredKeys: ['jsonrpc'] },
    );
    const version = fc.constantFrom(null, '2025-11-25', '2024-11-05', '2026-07-28', '2027-01-01', '');
    fc.assert(
      fc.property(version, fc.oneof(message, fc.array(message), fc.jsonValue()), (named, body) => {
        if (isPlainlyLegacy(named, body))
          expect([body, eraOf(request(named), body)]).toEqual([body, 'legacy']);
      }),
      { numRuns: 5_000 },
    );
  });
});
