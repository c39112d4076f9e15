import { readFileSync } from 'node:fs';

/** Name under which the host answers. */
export const productName = 'outrigger';

/** Version of the running host, from its package. */
export const hostVersion: string = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
