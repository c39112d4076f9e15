// Writes host/docs/instance-states.md from the table in the code. Needs a build.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { instanceStatesDocument } from '../dist/registry/instance-states-document.js';

const page = fileURLToPath(new URL('../docs/instance-states.md', import.meta.url));
writeFileSync(page, instanceStatesDocument());
