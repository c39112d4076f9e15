// The way to the host: requests with the key, and the stream of events.

const storageName = 'outrigger-key';

/** An answer that is an error, in the words of the host. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The key, kept for this tab alone. */
export const key = {
  get: () => sessionStorage.getItem(storageName) ?? '',
  set: (value) => sessionStorage.setItem(storageName, value),
  forget: () => sessionStorage.removeItem(storageName),
};

function headers(more = {}, shown = key.get()) {
  return {
    accept: 'application/json',
    ...(shown === '' ? {} : { authorization: `Bearer ${shown}` }),
    ...more,
  };
}

async function refusal(response) {
  const text = await response.text().catch(() => '');
  let detail = '';
  try {
    const body = JSON.parse(text);
    detail = body.detail ?? body.error?.message ?? '';
  } catch {
    // No JSON, so something in between has answered.
  }
  return new Refusal(response.status, detail || `the host answered ${response.status} without a reason`);
}

async function ask(path, init, ms) {
  let response;
  try {
    response = await fetch(path, { cache: 'no-store', ...init, signal: AbortSignal.timeout(ms) });
  } catch (error) {
    const late = error.name === 'TimeoutError';
    throw new Refusal(0, late ? `no answer within ${ms / 1000} s` : 'the host does not answer');
  }
  if (!response.ok) throw await refusal(response);
  return response.json();
}

/** Reads something; with another key than the one that is kept when it is given. */
export function get(path, shown) {
  return ask(path, { headers: headers({}, shown) }, 10_000);
}

/** Does something. A swap waits until the new instance has been proved, so it may take minutes. */
export function post(path) {
  const init = { method: 'POST', headers: headers({ 'content-type': 'application/json' }), body: '{}' };
  return ask(path, init, 600_000);
}

const patience = { firstMs: 500, mostMs: 10_000, silenceMs: 60_000 };

/**
 * Follows the events for ever. `tell` hears each event, `state` hears `live`, `waiting` or `locked`.
 * EventSource cannot send a key, so this reads the stream by itself and goes on after the last id.
 */
export function followEvents({ tell, state }) {
  let last = '';
  let current;
  let wake = () => undefined;
  const run = async () => {
    let delay = patience.firstMs;
    for (;;) {
      let locked = false;
      try {
        current = new AbortController();
        await readStream(current, last, {
          open: () => {
            delay = patience.firstMs;
            state('live');
          },
          event: (event, id) => {
            last = id;
            tell(event);
          },
        });
      } catch (error) {
        locked = error.status === 401 || error.status === 403;
      }
      state(locked ? 'locked' : 'waiting');
      await new Promise((resolve) => {
        wake = resolve;
        if (!locked) setTimeout(resolve, delay);
      });
      delay = Math.min(delay * 2, patience.mostMs);
    }
  };
  void run();
  return {
    /** Connects again: with another key, or from the beginning. */
    again(fromStart = false) {
      if (fromStart) last = '';
      current?.abort();
      wake();
    },
  };
}

async function readStream(controller, last, { open, event }) {
  const more = { accept: 'text/event-stream', ...(last === '' ? {} : { 'last-event-id': last }) };
  const response = await fetch('/mcp/v1/events?follow=true', {
    headers: headers(more),
    cache: 'no-store',
    signal: controller.signal,
  });
  if (!response.ok) throw await refusal(response);
  open();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    // The host sends a comment at least every few seconds; silence means that the way is broken.
    const silence = setTimeout(() => controller.abort(), patience.silenceMs);
    const { done, value } = await reader.read().finally(() => clearTimeout(silence));
    if (done) return;
    text += value;
    const blocks = text.split('\n\n');
    text = blocks.pop();
    for (const block of blocks) {
      const lines = block.split('\n');
      const field = (name) =>
        lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1));
      const data = field('data');
      if (data.length > 0) event(JSON.parse(data.join('\n')), field('id').join('').trim());
    }
  }
}
