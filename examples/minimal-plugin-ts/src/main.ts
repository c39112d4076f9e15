import { servePlugin } from '@outrigger/sdk-plugin';
import { plugin } from './echo.js';

await servePlugin(plugin);
