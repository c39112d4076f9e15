import { servePlugin } from '@outrigger/sdk-plugin';
import { plugin } from './notes-v2.js';

await servePlugin(plugin);
