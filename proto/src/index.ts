// The contract's messages, services and errors, for TypeScript.
export * from './codec.js';
export * from './descriptor-set.js';
export * from './error-reasons.js';
export * from './method.js';
export {
  JsonFormat,
  JsonSchemaFormat,
  MediaPart,
  Message,
  Modality,
  OpaquePart,
  OutputFormat,
  Part,
  Reasoning,
  ReasoningPart,
  Reasoning_Effort,
  RefusalPart,
  RequestContext,
  Role,
  Sampling,
  TextPart,
  Tool,
  ToolCall,
  ToolChoice,
  ToolChoice_Mode,
  ToolResult,
  UnsupportedPolicy,
} from './gen/outrigger/plugin/v1/content.js';
export {
  GetCapabilitiesRequest,
  GetCapabilitiesResponse,
  GetPluginInfoRequest,
  GetPluginInfoResponse,
  IdentityDefinition,
  Operation,
  Parameter,
  SwapMode,
} from './gen/outrigger/plugin/v1/identity.js';
export {
  CountTokensRequest,
  CountTokensResponse,
  Delta,
  EmbedInput,
  EmbedRequest,
  EmbedResponse,
  Embedding,
  End,
  Finish,
  FinishReason,
  GenerateEvent,
  GenerateRequest,
  GenerateResponse,
  Head,
  InferenceDefinition,
  Progress,
  Progress_Stage,
  Timings,
  TokenIds,
  TokenLogprob,
  Usage,
  VendorEvent,
  Warning,
} from './gen/outrigger/plugin/v1/inference.js';
export {
  ConfigureRequest,
  ConfigureResponse,
  DrainRequest,
  DrainResponse,
  LifecycleDefinition,
  ShutdownRequest,
  ShutdownResponse,
} from './gen/outrigger/plugin/v1/lifecycle.js';
export {
  DeleteModelRequest,
  DeleteModelResponse,
  GetModelRequest,
  GetModelResponse,
  ListModelsRequest,
  ListModelsResponse,
  LoadModelRequest,
  LoadModelResponse,
  Model,
  ModelCapabilities,
  ModelState,
  ModelState_Phase,
  ModelsDefinition,
  PullModelRequest,
  PullModelResponse,
  UnloadModelRequest,
  UnloadModelResponse,
  Weights,
} from './gen/outrigger/plugin/v1/models.js';
export {
  CallAnswer,
  CallEnd,
  CallStep,
  CarryRequest,
  CarryResponse,
  MultiplexDefinition,
} from './gen/outrigger/plugin/v1/multiplex.js';
export {
  GetMetricsRequest,
  GetMetricsResponse,
  Sample,
  TelemetryDefinition,
} from './gen/outrigger/plugin/v1/telemetry.js';
export {
  ToolBlob,
  ToolCallResult,
  ToolContent,
  ToolResource,
  ToolResourceLink,
} from './gen/outrigger/plugin/v1/tool_result.js';
export { Duration } from './gen/google/protobuf/duration.js';
export { Any } from './gen/google/protobuf/any.js';
export { Status as RpcStatus } from './gen/google/rpc/status.js';
export { BadRequest, ErrorInfo, RetryInfo } from './gen/google/rpc/error_details.js';
export {
  HealthCheckRequest,
  HealthCheckResponse,
  HealthCheckResponse_ServingStatus,
  HealthDefinition,
} from './gen/grpc/health/v1/health.js';
export {
  ServerReflectionDefinition,
  ServerReflectionRequest,
  ServerReflectionResponse,
} from './gen/grpc/reflection/v1/reflection.js';
export { ServerReflectionDefinition as ServerReflectionAlphaDefinition } from './gen/grpc/reflection/v1alpha/reflection.js';
