import { pluginSchema } from '../config/plugin-schema.js';
import { GatewayError } from '../errors/gateway-error.js';
import { configuredSource } from '../registry/configured-sources.js';
import type { Discovery } from '../registry/discovery.js';
import type { PluginAdmin, PluginView } from './plugin-admin.js';

/** What an administrator says of a plugin that is to be added. */
export interface Addition {
  readonly name: string;
  readonly command?: readonly string[] | undefined;
  readonly address?: string | undefined;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

/** Adds plugins beside those of the configuration and of the plugin directory. */
export class PluginSet {
  constructor(
    private readonly admin: PluginAdmin,
    private readonly discovery: Pick<Discovery, 'include' | 'exclude'>,
    private readonly environment: Readonly<Record<string, string | undefined>>,
  ) {}

  /** Adds a plugin until the host ends; it starts in the background. Rejects when the name is taken. */
  async add({ name, ...entry }: Addition): Promise<PluginView> {
    if (this.admin.list().some((plugin) => plugin.name === name)) {
      throw new GatewayError(
        'conflict',
        `there is a plugin ${name} already; swap it, or choose another name`,
        {
          param: 'name',
        },
      );
    }
    await this.discovery.include(configuredSource(name, pluginSchema.parse(entry), this.environment));
    return this.admin.get(name);
  }

  /** Takes out a plugin that was added; it drains in the background. */
  async remove(name: string): Promise<void> {
    // Tells of a name that nobody has, with those that there are.
    this.admin.get(name);
    await this.discovery.exclude(name);
  }
}
