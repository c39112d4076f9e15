import { describe, expect, it } from '@jest/globals';
import { UsageLedger, type UsageRecord } from '../usage-ledger.js';
import { BucketHistogram } from './bucket-histogram.js';
import { InferenceTally } from './inference-tally.js';

const done = (model: string, more: Partial<UsageRecord> = {}): UsageRecord => ({
  requestId: 'r',
  model,
  plugin: model.split('/')[0] ?? '',
  pluginVersion: '1',
  instanceId: 'i',
  operation: 'chat',
  door: 'rest',
  outcome: 'complete',
  inputTokens: 5,
  outputTokens: 11,
  partial: false,
  estimated: false,
  firstTokenMs: 100,
  durationMs: 600,
  at: 0,
  ...more,
});

describe('the tally of requests', () => {
  it('measures times and tokens, and nothing where nothing is known', () => {
    const ledger = new UsageLedger();
    const tally = new InferenceTally(ledger);
    ledger.record(done('a/m'));
    ledger.record(
      done('a/m', { outcome: 'cancelled', firstTokenMs: undefined, inputTokens: undefined, outputTokens: 0 }),
    );
    const [one] = tally.list();
    const chat = one?.operations.get('chat');
    expect(chat?.durations.get('complete')).toMatchObject({ count: 1, sum: 0.6 });
    expect(chat?.durations.get('cancelled')?.count).toBe(1);
    expect(chat?.firstToken).toMatchObject({ count: 1, sum: 0.1 });
    expect(chat?.perToken.sum).toBeCloseTo(0.05, 9);
    expect(chat?.inputTokens).toMatchObject({ count: 1, sum: 5 });
    expect(chat?.outputTokens).toMatchObject({ count: 2, sum: 11 });
  });

  it('keeps a bounded number of models apart', () => {
    const ledger = new UsageLedger();
    const tally = new InferenceTally(ledger);
    for (let model = 0; model < 500; model++) ledger.record(done(`a/${model}`));
    ledger.record(done('a/1'));
    const models = tally.list();
    expect(models).toHaveLength(201);
    const count = (name: string) =>
      models.find(({ model }) => model === name)?.operations.get('chat')?.outputTokens.count;
    expect(count('a/1')).toBe(2);
    expect(count('(others)')).toBe(300);
  });
});

it('a histogram counts an observation at a bound below it', () => {
  const histogram = new BucketHistogram([1, 2]);
  for (const value of [0, 1, 1.5, 2, 3]) histogram.observe(value);
  expect(histogram).toMatchObject({ counts: [2, 2, 1], sum: 7.5, count: 5 });
});
