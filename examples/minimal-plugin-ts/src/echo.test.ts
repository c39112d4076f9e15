import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Sampling } from '@outrigger/proto';
import { collect, startPlugin, type TestPlugin } from '@outrigger/sdk-plugin/testing';
import { plugin } from './echo.js';

let running: TestPlugin;
beforeAll(async () => {
  running = await startPlugin(plugin);
});
afterAll(() => running.close());

it('says back what it was told', async () => {
  const answer = await collect(running.client.generate({ model: 'echo', user: 'one two  three' }));
  expect(answer).toMatchObject({ text: 'one two  three', finish: 'STOP' });
  expect(answer.usage).toMatchObject({ inputTokens: 3, outputTokens: 3 });
});

it('stops at the limit and counts tokens', async () => {
  const sampling = Sampling.create({ maxOutputTokens: 2 });
  const request = { model: 'echo', prompt: 'one two three', sampling };
  expect(await collect(running.client.generate(request))).toMatchObject({
    text: 'one two ',
    finish: 'LENGTH',
  });
  expect((await running.client.countTokens(request)).inputTokens).toBe(3);
});

it('has one model and knows no other', async () => {
  expect((await running.client.listModels()).map(({ id }) => id)).toEqual(['echo']);
  await expect(collect(running.client.generate({ model: 'parrot', user: 'hi' }))).rejects.toMatchObject({
    code: 'NOT_FOUND',
    reason: 'MODEL_NOT_FOUND',
  });
});
