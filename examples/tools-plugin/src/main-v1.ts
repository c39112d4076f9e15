import { servePlugin } from '@outrigger/sdk-plugin';
import { plugin } from './notes-v1.js';

await servePlugin(plugin);
