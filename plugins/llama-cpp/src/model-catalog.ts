import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { LlamaCppConfig } from './config.js';
import { ensureDemoModels } from './demo-model/demo-model.js';
import { DEMO_VARIANTS } from './demo-model/scripts.js';
import { GgufError } from './gguf/byte-window.js';
import { modelFacts, type ModelFacts } from './gguf/model-facts.js';
import { readGgufHeader } from './gguf/reader.js';
import { ModelFolders, type FolderContents } from './model-folder.js';

/** A model that this plugin offers. */
export interface CatalogModel {
  readonly id: string;
  readonly path: string;
  readonly modified: Date;
  readonly facts: ModelFacts;
  /** Where it comes from; only files from folders may be deleted. */
  readonly origin: 'folder' | 'configured' | 'demo';
}

/** All models on offer: from watched folders, from the configuration, and the generated ones. */
export class ModelCatalog {
  readonly #folders: ModelFolders;
  readonly #demoFolder: ModelFolders | undefined;
  readonly #configured: readonly CatalogModel[];
  readonly #pullFolders: readonly string[];
  #known: { contents: FolderContents; models: ReadonlyMap<string, CatalogModel> } | undefined;

  private constructor(
    folders: ModelFolders,
    demoFolder: ModelFolders | undefined,
    configured: readonly CatalogModel[],
    pullFolders: readonly string[],
  ) {
    this.#folders = folders;
    this.#demoFolder = demoFolder;
    this.#configured = configured;
    this.#pullFolders = pullFolders;
  }

  /** Looks at all places once and goes on watching the folders. Warnings name files that cannot be used. */
  static async open(
    config: LlamaCppConfig,
    onChange: (contents: FolderContents) => void,
  ): Promise<{ catalog: ModelCatalog; warnings: string[] }> {
    const fetched = join(config.dataFolder, 'models');
    const places = [...config.modelFolders, fetched];
    const folders = new ModelFolders(places, { rescanMs: config.rescanMs, onChange });
    const contents = await folders.start();
    const warnings: string[] = [];
    const configured: CatalogModel[] = [];
    for (const [id, { path }] of Object.entries(config.models)) {
      if (path === undefined) continue;
      const model = await configuredModel(id, resolve(path));
      if (typeof model === 'string') warnings.push(model);
      else configured.push(model);
    }
    const wanted =
      config.demo === true ||
      (config.demo === 'auto' && contents.models.length === 0 && configured.length === 0);
    let demos: ModelFolders | undefined;
    if (wanted) {
      const folder = join(config.dataFolder, 'demo');
      try {
        await ensureDemoModels(folder);
        demos = new ModelFolders([folder]);
        await demos.refresh();
      } catch (error) {
        warnings.push(
          `demo models cannot be written: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }
    return { catalog: new ModelCatalog(folders, demos, configured, places), warnings };
  }

  /** All models, by id. Of two with one id the configured one counts, then the user's, then the demo. */
  models(): ReadonlyMap<string, CatalogModel> {
    const { contents } = this.#folders;
    // Asked for every request; the folders make a new list only when something changed.
    if (this.#known?.contents !== contents) this.#known = { contents, models: this.#merge(contents) };
    return this.#known.models;
  }

  #merge(contents: FolderContents): Map<string, CatalogModel> {
    const all = new Map<string, CatalogModel>();
    const demoNames = new Set<string>(DEMO_VARIANTS);
    for (const model of this.#demoFolder?.contents.models ?? []) {
      if (demoNames.has(model.id)) all.set(model.id, { ...model, origin: 'demo' });
    }
    for (const model of contents.models) all.set(model.id, { ...model, origin: 'folder' });
    for (const model of this.#configured) all.set(model.id, model);
    return all;
  }

  /** Finds a model; a file that appeared a moment ago is found by looking again. */
  async find(id: string): Promise<CatalogModel | undefined> {
    const known = this.models().get(id);
    if (known !== undefined) return known;
    await this.#folders.refresh();
    return this.models().get(id);
  }

  refresh(): Promise<unknown> {
    return this.#folders.refresh();
  }

  /** Where fetched models may go, best first. */
  get pullFolders(): readonly string[] {
    return this.#pullFolders;
  }

  async close(): Promise<void> {
    await Promise.all([this.#folders.close(), this.#demoFolder?.close()]);
  }
}

async function configuredModel(id: string, path: string): Promise<CatalogModel | string> {
  try {
    const [header, info] = await Promise.all([readGgufHeader(path), stat(path)]);
    return { id, path, modified: info.mtime, facts: modelFacts(header), origin: 'configured' };
  } catch (error) {
    return `models.${id}.path: ${error instanceof GgufError ? error.message : 'the file cannot be read'}`;
  }
}
