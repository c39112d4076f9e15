#!/usr/bin/env node
import { servePlugin } from '@outrigger/sdk-plugin';
import { llamaCppPlugin } from './adapter/adapter.js';
import { packageVersion } from './version.js';

await servePlugin(llamaCppPlugin(packageVersion(), process.env));
