// The dialogs, and what the buttons do.
import { get, key, post } from './client.js';

const byId = (id) => document.getElementById(id);

/** Asks before something is done; resolves with whether to do it. */
export function confirmed(title, text, yes) {
  const dialog = byId('confirm');
  byId('confirm-title').textContent = title;
  byId('confirm-text').textContent = text;
  byId('confirm-yes').textContent = yes;
  // Escape closes without a value, and must not repeat what was chosen last time.
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}

/** The dialog for the key; `changed` is called when another one is in use. */
export function keyDialog(changed) {
  const dialog = byId('key');
  const input = byId('key-input');
  const error = byId('key-error');
  byId('key-form').addEventListener('submit', async (event) => {
    event.preventDefault();
    const shown = input.value.trim();
    error.textContent = '';
    // What no header can carry is no key; fetch would only call it a TypeError.
    if (!/^[\x21-\x7e]+$/.test(shown)) {
      error.textContent = 'A key consists of visible ASCII characters.';
      return;
    }
    try {
      await get('/mcp/v1/stats', shown);
    } catch (refusal) {
      error.textContent = refusal.message;
      input.select();
      return;
    }
    key.set(shown);
    dialog.close();
    changed();
  });
  byId('key-cancel').addEventListener('click', () => dialog.close());
  byId('key-forget').addEventListener('click', () => {
    key.forget();
    dialog.close();
    changed();
  });
  dialog.addEventListener('close', () => {
    input.value = '';
    error.textContent = '';
  });
  return {
    /** Opens it, with the reason why it is needed. */
    open(reason = '') {
      error.textContent = reason;
      byId('key-forget').hidden = key.get() === '';
      if (!dialog.open) dialog.showModal();
      input.focus();
    },
  };
}

/** Does `verb` to a plugin; resolves with a sentence about what came of it. Rejects with a Refusal. */
export async function act(verb, name) {
  const result = await post(`/mcp/v1/plugins/${encodeURIComponent(name)}/${verb}`);
  if (verb === 'swap') {
    return `${name}: swapped ${result.from || 'nothing'} for ${result.to} in ${Math.round(result.prepare_ms)} ms`;
  }
  return verb === 'drain' ? `${name}: drained` : `${name}: restarted`;
}
