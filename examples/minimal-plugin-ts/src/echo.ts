import { setImmediate as turn } from 'node:timers/promises';
import { Model, ModelState_Phase, type GenerateRequest } from '@outrigger/proto';
import { definePlugin, finish, modelNotFound, text, usage } from '@outrigger/sdk-plugin';

const echo = Model.create({
  id: 'echo',
  displayName: 'Echo',
  capabilities: { chat: true, completion: true },
  state: { phase: ModelState_Phase.PHASE_READY },
});

function wordsOf(request: GenerateRequest): string[] {
  if (request.model !== echo.id) throw modelNotFound(request.model);
  const parts = request.messages.at(-1)?.parts ?? [];
  const said = parts.map(({ kind }) => (kind?.$case === 'text' ? kind.value.text : '')).join(' ');
  return (request.prompt ?? said).match(/\S+\s*/g) ?? [];
}

/** Says back what it was told, word by word. One word is one token. */
export const plugin = definePlugin({
  name: 'echo',
  version: '0.1.0',
  displayName: 'Echo',
  capabilities: { parameters: ['max_tokens'] },

  listModels: () => Promise.resolve([echo]),

  async *generate(request, { signal }) {
    const words = wordsOf(request);
    const limit = request.sampling?.maxOutputTokens ?? words.length;
    for (const word of words.slice(0, limit)) {
      await turn(undefined, { signal }); // a real plugin waits for its runtime here
      yield text(word);
    }
    yield finish(limit < words.length ? 'length' : 'stop');
    yield usage({ inputTokens: words.length, outputTokens: Math.min(limit, words.length) });
  },

  countTokens: (request) => {
    if (request.request === undefined) return Promise.resolve({ inputTokens: 0, estimated: false });
    return Promise.resolve({ inputTokens: wordsOf(request.request).length, estimated: false });
  },
});
