import { servePlugin } from '@outrigger/sdk-plugin';
import { ollamaPlugin } from './adapter.js';

await servePlugin(ollamaPlugin());
