import type { Server, ServerDuplexStream } from '@grpc/grpc-js';
import {
  ServerReflectionAlphaDefinition,
  ServerReflectionDefinition,
  grpcCode,
  methodsOf,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from '@outrigger/proto';
import { DescriptorIndex } from './descriptor-index.js';
import { StreamCaller } from './grpc-caller.js';
import { grpcServiceOf } from './grpc-service.js';
import type { PluginInstance } from './instance.js';
import { OpenCall } from './open-call.js';
import { statusFor, statusOf } from './status.js';

type Answer = NonNullable<ServerReflectionResponse['messageResponse']>;

function answerTo(
  request: ServerReflectionRequest,
  index: DescriptorIndex,
  served: readonly string[],
): Answer {
  const failure = (errorCode: number, errorMessage: string): Answer => ({
    $case: 'errorResponse',
    value: { errorCode, errorMessage },
  });
  const files = (found: Buffer[] | undefined, what: string): Answer =>
    found === undefined
      ? failure(grpcCode.NOT_FOUND, `${what} not found`)
      : { $case: 'fileDescriptorResponse', value: { fileDescriptorProto: found } };
  const question = request.messageRequest;
  switch (question?.$case) {
    case 'listServices':
      return {
        $case: 'listServicesResponse',
        value: { service: [...served].sort().map((name) => ({ name })) },
      };
    case 'fileByFilename':
      return files(index.file(question.value), `file ${question.value}`);
    case 'fileContainingSymbol':
      return files(index.symbol(question.value), `symbol ${question.value}`);
    case 'fileContainingExtension': {
      const { containingType, extensionNumber } = question.value;
      return files(
        index.extension(containingType, extensionNumber),
        `extension ${extensionNumber} of ${containingType}`,
      );
    }
    case 'allExtensionNumbersOfType': {
      const extensionNumber = index.extensionNumbers(question.value);
      if (extensionNumber === undefined)
        return failure(grpcCode.NOT_FOUND, `type ${question.value} not found`);
      return {
        $case: 'allExtensionNumbersResponse',
        value: { baseTypeName: question.value, extensionNumber },
      };
    }
    case undefined:
      return failure(grpcCode.INVALID_ARGUMENT, 'the request asks nothing');
  }
}

/**
 * Serves reflection v1 and v1alpha, whose messages are the same on the wire, from
 * the bytes of descriptor sets as they are: nothing is parsed until somebody asks,
 * and options, comments and import paths reach the client whole.
 */
export function addReflection(
  server: Server,
  instance: PluginInstance,
  sets: () => readonly Uint8Array[],
): void {
  let index: DescriptorIndex | undefined;
  const { serverReflectionInfo: method } = methodsOf(ServerReflectionDefinition);

  const serve = (call: ServerDuplexStream<Buffer, Buffer>): void => {
    const open = new OpenCall(new StreamCaller(call), instance.work, instance.log, false, '');
    open.onAbort((reason) => {
      call.emit('error', statusOf(reason, open));
      open.close();
    });
    call.on('data', (bytes: Buffer) => {
      if (open.aborted) return;
      try {
        const originalRequest = method.request.decode(bytes);
        index ??= new DescriptorIndex(sets());
        const messageResponse = answerTo(originalRequest, index, instance.served);
        const response = { validHost: originalRequest.host, originalRequest, messageResponse };
        // A client that asks without reading the answers is not read any further.
        if (!call.write(method.response.encode(response))) {
          call.pause();
          call.once('drain', () => call.resume());
        }
      } catch (error) {
        instance.log.warn('a reflection request could not be answered', { error });
        call.emit('error', statusFor('INVALID_REQUEST', 'the request is not a ServerReflectionRequest'));
        open.close();
      }
    });
    call.on('end', () => {
      if (!open.aborted) call.end();
      open.close();
    });
    call.on('close', () => open.close());
  };
  for (const definition of [ServerReflectionDefinition, ServerReflectionAlphaDefinition]) {
    server.addService(grpcServiceOf(definition), { serverReflectionInfo: serve });
    instance.served.push(definition.fullName);
  }
}
