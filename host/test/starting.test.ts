import { afterEach, describe, expect, it } from '@jest/globals';
import type { EngineRoom } from '../src/engine-room.js';
import { active, ask, misbehaving, openRoom, oracle, until } from './support/room.js';

let room: EngineRoom | undefined;

afterEach(async () => {
  await room?.close(0);
});

describe('a model that is not known while a plugin starts', () => {
  it('is one to ask for again until the plugin has come up or failed, and then does not exist', async () => {
    room = await openRoom({
      plugins: { good: oracle(), slow: misbehaving('hangs', { startTimeoutMs: 8000 }) },
    });
    await active(room, 'good');
    expect((await ask(room, 'oracle', '1 3 0')).error).toBeUndefined();
    const { error: early } = await ask(room, 'later', '1 3 0');
    expect(early).toMatchObject({ kind: 'plugin_unavailable', retryAfterMs: 1000 });
    expect(early?.message).toContain('plugin slow is still starting');

    const slow = room.registry.get('slow');
    await until(() => (slow?.status.restarts ?? 0) > 0, 'the slow plugin fails');
    const { error: late } = await ask(room, 'later', '1 3 0');
    expect(late).toMatchObject({ kind: 'model_not_found', param: 'model' });
  });

  it('is one to ask for again also where a request names none', async () => {
    room = await openRoom({ plugins: { slow: misbehaving('hangs') } });
    const { error } = await ask(room, '', '1 3 0');
    expect(error).toMatchObject({ kind: 'plugin_unavailable' });
  });
});
