// Writes docs/metrics.md from the table of metrics.
import { writeFile } from 'node:fs/promises';
import { metricsDocument } from '../dist/telemetry/metrics/metrics-document.js';

await writeFile(new URL('../docs/metrics.md', import.meta.url), metricsDocument());
