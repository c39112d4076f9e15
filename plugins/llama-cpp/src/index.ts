export { llamaCppPlugin } from './adapter/adapter.js';
export { writeDemoModel, ensureDemoModels } from './demo-model/demo-model.js';
export { DEMO_VARIANTS, speechText, type DemoVariant } from './demo-model/scripts.js';
export { packageVersion } from './version.js';
