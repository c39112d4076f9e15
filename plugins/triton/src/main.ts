#!/usr/bin/env node
import { servePlugin } from '@outrigger/sdk-plugin';
import { tritonPlugin } from './plugin.js';

await servePlugin(tritonPlugin());
