import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { PluginError } from '@outrigger/sdk-plugin';
import type { PluginState } from './state.js';

const PART = /^(.*)-\d{5}-of-(\d{5})\.gguf$/i;

/** Deletes a model's files; only what lies in a model folder is the plugin's to delete. */
export async function deleteModel(state: PluginState, id: string): Promise<void> {
  const model = await state.find(id);
  const { pool, catalog } = state;
  if (model.origin === 'demo') {
    throw new PluginError('INVALID_REQUEST', 'demo models are generated; set demo: false to do without');
  }
  if (model.origin === 'configured') {
    throw new PluginError('INVALID_REQUEST', 'this model is named in the configuration; take it out there');
  }
  const { engine, phase } = pool.status(model.id);
  if (phase === 'loading' || (engine?.inFlight ?? 0) > 0) {
    throw new PluginError('MODEL_IN_USE', 'requests are using the model');
  }
  await pool.unload(model.id);
  for (const path of await filesOf(model.path)) await rm(path, { force: true });
  await catalog.refresh();
}

/** The file of a model, and the other parts of one that comes in parts. */
async function filesOf(path: string): Promise<string[]> {
  const own = PART.exec(basename(path));
  if (own === null) return [path];
  const folder = dirname(path);
  const parts = (await readdir(folder)).filter((name) => {
    const part = PART.exec(name);
    return part?.[1] === own[1] && part?.[2] === own[2];
  });
  return parts.map((name) => join(folder, name));
}
