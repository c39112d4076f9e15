import { z } from 'zod';
import { pluginName, pluginSchema } from '../../config/plugin-schema.js';
import { addressForms, pluginAddress } from '../../config/plugin-address.js';

const milliseconds = z.int().min(0).max(86_400_000);

/** Body of a request to add a plugin: the essence of an entry of the configuration. */
export const additionSchema = z
  .strictObject({
    name: pluginName.describe('Name under which the host keeps it and models are addressed.'),
    ...z.strictObject(pluginSchema.shape).pick({ command: true, address: true, env: true }).shape,
    config: z
      .record(z.string(), z.unknown())
      .default({})
      .describe('Settings of the plugin itself. The host hands them over unread; the plugin validates them.'),
  })
  .refine(({ command, address }) => (command === undefined) !== (address === undefined), {
    error: 'give a command or an address, and not both',
    path: ['address'],
    when: ({ value }) => typeof value === 'object' && value !== null,
  });

/** Body of a swap. */
export const swapSchema = z.strictObject({
  command: z
    .array(z.string().max(32_768))
    .min(1)
    .max(1000)
    .optional()
    .describe('Program and arguments of the new instance.'),
  address: z
    .string()
    .max(1024)
    .regex(pluginAddress, `must be the address of a plugin: ${addressForms}`)
    .optional()
    .describe('Address of an instance that runs already.'),
  canary_share: z
    .number()
    .gt(0)
    .lte(1)
    .optional()
    .describe('Share of the requests that the new one gets before it is committed, 0 to 1.'),
  canary_ms: milliseconds.optional().describe('Longest time as a canary. Milliseconds.'),
  canary_requests: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('Requests after which a canary is judged.'),
  bake_ms: milliseconds
    .optional()
    .describe('The old one can come back for this long after the commit. Milliseconds.'),
});

/** Body of a request that has nothing to say. */
export const emptySchema = z.looseObject({}).describe('`{}`; nothing in it is read.');

/** Body of a call of a tool. */
export const toolArgumentsSchema = z
  .looseObject({})
  .describe('The arguments, as `input_schema` of the tool says.');
