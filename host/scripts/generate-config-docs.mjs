// Writes docs/config.schema.json and the tables of docs/config.md from the schema.
import { readFile, writeFile } from 'node:fs/promises';
import { configJsonSchema, withOptionTables } from '../dist/config/index.js';

const docs = new URL('../docs/', import.meta.url);
await writeFile(new URL('config.schema.json', docs), `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
const page = new URL('config.md', docs);
await writeFile(page, withOptionTables(await readFile(page, 'utf8')));
