import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EventLog } from '../telemetry/event-log.js';
import { adminRoutes, type AdminRoutePorts } from './admin-routes.js';
import { openTestDoor, type TestDoor } from './testing/test-door.js';

describe('the stream of events', () => {
  let log: EventLog;
  let door: TestDoor;
  let leave: AbortController;

  beforeEach(async () => {
    leave = new AbortController();
    log = new EventLog(() => 1, 'run');
    const ports = { events: log, plugins: {}, tools: {}, toolTimeoutMs: 0, gate: () => undefined };
    door = await openTestDoor({}, { routes: adminRoutes(ports as unknown as AdminRoutePorts) });
  });
  afterEach(async () => {
    leave.abort();
    await door.door.close(0);
  });

  /** Follows the stream; the answer tells what came so far, read by read. */
  async function follow(headers: Record<string, string> = {}) {
    const answer = await fetch(`${door.url}/mcp/v1/events?follow=true`, { headers, signal: leave.signal });
    const reader = answer.body?.getReader();
    let text = '';
    return async (wanted: string): Promise<string> => {
      while (!text.includes(wanted)) {
        const { done, value } = (await reader?.read()) ?? { done: true };
        if (done) throw new Error(`the stream ended before ${wanted}`);
        text += new TextDecoder().decode(value);
      }
      return text;
    };
  }

  it('begins at once, though nothing has happened yet, and tells what comes', async () => {
    const read = await follow();
    expect(await read('\n\n')).toBe(': connected\n\n');
    log.add({ type: 'host', message: 'one' });
    expect(await read('"one"')).toContain('id: 1-run\nevent: host\n');
  });

  it('goes on after the last event that a client has seen', async () => {
    for (const message of ['one', 'two', 'three']) log.add({ type: 'host', message });
    const text = await (await follow({ 'last-event-id': '2' }))('"three"');
    expect(text).not.toContain('"two"');
  });

  it.each([
    ['of this run', '2-run', false],
    ['of a host before, less', '2-other', true],
    ['of a host before, more', '900', true],
  ])('knows an id %s', async (_which, id, all) => {
    for (const message of ['one', 'two', 'three']) log.add({ type: 'host', message });
    const text = await (await follow({ 'last-event-id': id }))('"three"');
    expect(text.includes('"one"')).toBe(all);
  });

  it('has a bounded number of followers, and room again when they have left', async () => {
    for (let one = 0; one < 500; one++) await (await follow())('connected');
    const refused = await fetch(`${door.url}/mcp/v1/events?follow=true`);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '5']);
    leave.abort();
    leave = new AbortController();
    for (;;) {
      const { status } = await fetch(`${door.url}/mcp/v1/events?follow=true`, { signal: leave.signal });
      if (status === 200) break;
    }
  }, 30_000);

  it('does not hold up the end of the host', async () => {
    await (
      await follow()
    )('connected');
    // Far more than a test may take: only the stream could keep it waiting.
    await door.door.close(600_000);
  }, 10_000);
});
