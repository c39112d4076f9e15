export { writeDemoModel, ensureDemoModels } from './demo-model/demo-model.js';
export { DEMO_VARIANTS, speechText, type DemoVariant } from './demo-model/scripts.js';
