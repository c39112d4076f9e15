// Writes docs/errors.md from the error table.
import { writeFile } from 'node:fs/promises';
import { errorDocs } from '../dist/errors/error-docs.js';

await writeFile(new URL('../docs/errors.md', import.meta.url), errorDocs());
