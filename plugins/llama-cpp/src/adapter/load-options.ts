import type { LoadModelRequest } from '@outrigger/proto';
import { PluginError } from '@outrigger/sdk-plugin';
import type { LoadOverrides } from '../model-settings.js';

const OPTIONS = { slots: 256, threads: 1024 } as const;

/** What a LoadModel request asks for, checked. */
export function loadOverrides(request: LoadModelRequest): LoadOverrides {
  const overrides: LoadOverrides = { contextLength: request.contextLength };
  for (const [name, json] of Object.entries(request.options)) {
    if (!Object.hasOwn(OPTIONS, name)) {
      throw refusal(name, `unknown; this plugin has ${Object.keys(OPTIONS).join(' and ')}`);
    }
    const option = name as keyof typeof OPTIONS;
    const value = Number(json);
    if (!Number.isInteger(value) || value < 1 || value > OPTIONS[option]) {
      throw refusal(name, `must be a whole number from 1 to ${OPTIONS[option]}`);
    }
    overrides[option] = value;
  }
  if (request.contextLength !== undefined && request.contextLength < 256) {
    throw new PluginError('INVALID_REQUEST', 'context_length: must be at least 256', {
      fields: [{ field: 'context_length', description: 'must be at least 256' }],
    });
  }
  return overrides;
}

function refusal(name: string, description: string): PluginError {
  return new PluginError('INVALID_REQUEST', `options.${name}: ${description}`, {
    fields: [{ field: `options.${name}`, description }],
  });
}
