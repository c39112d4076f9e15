#!/usr/bin/env node
// The command as npm links it; what it runs is built from src/.
import { existsSync } from 'node:fs';

const main = new URL('../dist/main.js', import.meta.url);
if (!existsSync(main)) {
  console.error('outrigger is not built yet: run `npm run build`');
  process.exit(1);
}
await import(main.href);
