import type { ResourceContents } from '../catalog.js';
import type { ResourceModule } from '../tool-catalog.js';
import { snakeCase } from './json-names.js';
import type { InferencePort } from './ports.js';

const JSON_TYPE = 'application/json';
const MODELS = 'models://';
const TEMPLATE = 'models://{id}';

/** What a client can read without calling a tool. */
export function inferenceResources(port: InferencePort): ResourceModule {
  const readers: Readonly<Record<string, () => Promise<unknown>>> = {
    'models://list': async () => ({ models: await port.models() }),
    'config://providers': async () => ({ plugins: await port.plugins() }),
    'stats://usage': () => port.usage(),
  };
  return {
    resources: [
      resource('models://list', 'models', 'Models', 'All models that can be used now.'),
      resource(
        'config://providers',
        'providers',
        'Providers',
        'The plugins and their state, without secrets.',
      ),
      resource('stats://usage', 'usage', 'Usage', 'Requests, tokens and errors since the host started.'),
    ],
    templates: [
      {
        uriTemplate: TEMPLATE,
        name: 'model',
        title: 'Model',
        description: 'One model; a slash in its name is written %2F.',
        mimeType: JSON_TYPE,
      },
    ],
    async read(uri) {
      const reader = Object.hasOwn(readers, uri) ? readers[uri] : undefined;
      if (reader) return [json(uri, await reader())];
      if (!uri.startsWith(MODELS)) return undefined;
      const id = decode(uri.slice(MODELS.length));
      return id === undefined || id === '' ? undefined : [json(uri, await port.model(id))];
    },
    async complete(_template, argument, value) {
      if (argument !== 'id') return [];
      return (await port.models()).map((model) => model.id).filter((id) => id.startsWith(value));
    },
  };
}

function resource(uri: string, name: string, title: string, description: string) {
  return { uri, name, title, description, mimeType: JSON_TYPE };
}

function json(uri: string, value: unknown): ResourceContents {
  return { uri, mimeType: JSON_TYPE, text: JSON.stringify(snakeCase(value), null, 2) };
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
