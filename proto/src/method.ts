import { codecOf, type Codec, type MessageType } from './codec.js';

/** A gRPC method as both sides need it: where it is and how its messages travel. */
export interface Method<Request, Response> {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly request: Codec<Request>;
  readonly response: Codec<Response>;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

/** A message type whose message is not known here. */
interface AnyMessageType {
  encode(message: never): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
}

interface MethodDefinition {
  readonly name: string;
  readonly requestType: AnyMessageType;
  readonly requestStream: boolean;
  readonly responseType: AnyMessageType;
  readonly responseStream: boolean;
}

/** A service as the generated code describes it. */
export interface ServiceDefinition {
  readonly name: string;
  readonly fullName: string;
  readonly methods: Readonly<Record<string, MethodDefinition>>;
}

type MessageOf<Type> = Type extends { decode(...args: never[]): infer T } ? T : never;

/** The methods of a service, by their name in camelCase, with their message types. */
export type MethodsOf<Service extends ServiceDefinition> = {
  readonly [Key in keyof Service['methods']]: Method<
    MessageOf<Service['methods'][Key]['requestType']>,
    MessageOf<Service['methods'][Key]['responseType']>
  >;
};

/** Resolves all methods of a generated service definition. */
export function methodsOf<Service extends ServiceDefinition>(service: Service): MethodsOf<Service> {
  const methods = Object.entries(service.methods).map(([key, method]) => [
    key,
    {
      path: `/${service.fullName}/${method.name}`,
      request: codecOf(method.requestType as MessageType<unknown>),
      response: codecOf(method.responseType as MessageType<unknown>),
      requestStream: method.requestStream,
      responseStream: method.responseStream,
    },
  ]);
  return Object.fromEntries(methods) as MethodsOf<Service>;
}
