import { z } from 'zod';
import { shortNames, variableName } from './environment.js';
import { listOptions, type Option } from './options.js';
import { configSchema } from './schema.js';

/** The JSON Schema (2020-12) of a configuration file as it is written by hand. */
export function configJsonSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(configSchema, {
    io: 'input',
    override: ({ jsonSchema }) => {
      // Zod names the limits of whole numbers in JavaScript; they say nothing to a reader.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      // In a file every value may come from a reference, whatever its type is afterwards.
      if (jsonSchema.type === 'integer' || jsonSchema.type === 'boolean') {
        const { description, default: fallback, ...rest } = jsonSchema;
        for (const key of Object.keys(jsonSchema)) Reflect.deleteProperty(jsonSchema, key);
        Object.assign(jsonSchema, {
          ...(description === undefined ? {} : { description }),
          ...(fallback === undefined ? {} : { default: fallback }),
          anyOf: [rest, { type: 'string', pattern: '\\$\\{[^}]+\\}' }],
        });
      }
    },
  });
  return { $schema, title: 'Outrigger configuration', ...schema };
}

const mark = '<!-- generated from the schema by `npm run generate:config`; edit the schema instead -->';

/** A Markdown page whose part after the mark is made anew. Throws when the mark is missing. */
export function withOptionTables(page: string): string {
  const start = page.indexOf(mark);
  if (start === -1) throw new Error(`the page lacks the line ${mark}`);
  return `${page.slice(0, start)}${mark}\n\n${optionTables()}`;
}

/** The table of all options and variables, as Markdown, for docs/config.md. */
export function optionTables(): string {
  const rows = listOptions().map(
    (option) =>
      `| \`${option.path.join('.')}\` | ${typeOf(option)} | ${fallback(option)} | ${option.description} |`,
  );
  const short = shortNames.map(({ name, path, note }) => `| \`${name}\` | \`${path.join('.')}\` | ${note} |`);
  return [
    '## All options',
    '',
    '`*` stands for the name of a plugin.',
    '',
    '| option | type | default | meaning |',
    '|---|---|---|---|',
    ...rows,
    '',
    '## Environment variables',
    '',
    `Every option has a variable: \`${variableName(['server', 'maxBodyBytes'])}\` is \`server.maxBodyBytes\`, \`${variableName(['plugins', '*', 'address'])}\` is \`plugins.<name>.address\` (hyphens of the name become \`_\`). Lists are separated by commas; sets are JSON. Variables set to nothing count as absent. These short names are read as well, where the long one is not set:`,
    '',
    '| variable | option | |',
    '|---|---|---|',
    ...short,
    '',
    'No options: `OUTRIGGER_CONFIG` names the file, `OUTRIGGER_URL` and `OUTRIGGER_API_KEY` tell the commands which host to talk to and with which key, `OUTRIGGER_ADMIN_KEY` the key for those that administer, `OUTRIGGER_DEBUG` adds stacks to their errors.',
    '',
  ].join('\n');
}

function typeOf({ kind, secret }: Option): string {
  const names: Readonly<Record<string, string>> = {
    strings: 'list',
    record: 'names and values',
    json: 'any JSON',
    string: 'text',
  };
  return `${names[kind] ?? kind}${secret ? ', secret' : ''}`;
}

function fallback({ fallback: value }: Option): string {
  return value === undefined ? '' : `\`${JSON.stringify(value)}\``;
}
