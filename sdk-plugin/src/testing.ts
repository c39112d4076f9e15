// What the tests of a plugin import: start it in this process, talk to it as a
// host does, and put a scripted runtime behind it.
export { startPlugin, type StartOptions, type TestPlugin } from './testing/start-plugin.js';
export {
  connectPlugin,
  type CallOptions,
  type GenerateFields,
  type PluginClient,
} from './testing/plugin-client.js';
export { collect, type Answer, type CollectedToolCall } from './testing/collect.js';
export { RpcError } from './testing/rpc-error.js';
export { Transport } from './testing/transport.js';
export { gate, type Gate } from './testing/gate.js';
export {
  fakeRuntime,
  type Exchange,
  type FakeRuntime,
  type RuntimeHandler,
  type RuntimeRoutes,
} from './testing/fake-runtime.js';
export { recordedLog, type LogLine, type RecordedLog } from './testing/recorded-log.js';
