import { Client, credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import {
  GenerateRequest,
  IdentityDefinition,
  InferenceDefinition,
  LifecycleDefinition,
  Operation,
  ServerReflectionDefinition,
  ServerReflectionRequest,
  methodsOf,
  type GenerateEvent,
  type GenerateResponse,
  type Method,
} from '@outrigger/proto';
import { servePlugin, type RunningPlugin } from '@outrigger/sdk-plugin';
import { describeWith } from '../../../scripts/testing/with-runtime.mjs';
import { TensorsDefinition } from '../src/gen/outrigger/triton/v1/tensors.js';
import { tritonPlugin } from '../src/plugin.js';
import { TritonProcess } from './support/triton-process.js';

describeWith('tritonserver', 'the plugin on the wire, before the real Triton', ({ path }) => {
  let triton: TritonProcess;
  let running: RunningPlugin;
  let client: Client;

  beforeAll(async () => {
    triton = new TritonProcess(path);
    await triton.start(['llm', 'math']);
    running = await servePlugin(tritonPlugin(), { exit: false, endpoint: `unix://${triton.folder}/p.sock` });
    client = new Client(running.endpoint, credentials.createInsecure());
    const config = { configJson: JSON.stringify({ endpoints: [{ url: triton.url }] }), generation: 1 };
    expect(await unary(methodsOf(LifecycleDefinition).configure, config)).toEqual({ warnings: [] });
  }, 90_000);
  afterAll(async () => {
    client.close();
    await running.close();
    await triton[Symbol.asyncDispose]();
  }, 30_000);

  function unary<Request, Response>(method: Method<Request, Response>, request: Request): Promise<Response> {
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        method.path,
        (message) => method.request.encode(message),
        (bytes: Buffer) => method.response.decode(bytes),
        request,
        { deadline: Date.now() + 20_000 },
        (error, response) => {
          if (error !== null) reject(error);
          else resolve(response as Response);
        },
      );
    });
  }

  async function frames(ask: Record<string, unknown>): Promise<GenerateEvent[]> {
    const method = methodsOf(InferenceDefinition).generate;
    const events: GenerateEvent[] = [];
    const context = { requestId: 'r1', instanceId: running.instanceId };
    const request = GenerateRequest.fromPartial({ context, ...ask } as Partial<GenerateRequest>);
    const call = client.makeServerStreamRequest(
      method.path,
      (message) => method.request.encode(message),
      (bytes: Buffer) => method.response.decode(bytes),
      request,
      { deadline: Date.now() + 20_000 },
    );
    for await (const frame of call as AsyncIterable<GenerateResponse>) events.push(...frame.events);
    return events;
  }

  it('announces what it can do', async () => {
    const { operations } = await unary(methodsOf(IdentityDefinition).getCapabilities, {});
    expect(operations).toEqual(
      expect.arrayContaining([
        Operation.OPERATION_CHAT,
        Operation.OPERATION_COMPLETION,
        Operation.OPERATION_EMBED,
        Operation.OPERATION_LOAD_MODEL,
        Operation.OPERATION_METRICS,
      ]),
    );
  });

  it('streams from head to end', async () => {
    const events = await frames({ model: 'llm', prompt: 'a b', sampling: { maxOutputTokens: 4 } });
    const kinds = events.map(({ event }) => event?.$case);
    expect(kinds[0]).toBe('head');
    expect(kinds.slice(-3)).toEqual(['finish', 'usage', 'end']);
    expect(kinds.filter((kind) => kind === 'delta')).toHaveLength(4);
  });

  it('ends an answer of no tokens as any other', async () => {
    const extensions = { sampling_parameters: '{"max_tokens":0}' };
    const kinds = (await frames({ model: 'llm', prompt: 'a', extensions })).map(({ event }) => event?.$case);
    expect(kinds).toEqual(['head', 'finish', 'usage', 'end']);
  });

  it('fails with the code of the reason, and without an end', async () => {
    const failing = frames({
      model: 'llm',
      prompt: 'a b',
      extensions: { sampling_parameters: '{"fail_at":1}' },
    });
    await expect(failing).rejects.toMatchObject({ code: 13, details: 'the model failed' });
    await expect(frames({ model: 'nobody', prompt: 'x' })).rejects.toMatchObject({ code: 5 });
  });

  it('serves its own service beside the contract, and reflects it with comments and options', async () => {
    const inputs = [
      {
        name: 'whole',
        datatype: '',
        shape: [],
        booleans: [],
        integers: [1n, 2n, 3n],
        unsignedIntegers: [],
        numbers: [],
        texts: [],
        blobs: [],
      },
    ];
    const answer = await unary(methodsOf(TensorsDefinition).infer, {
      model: 'math',
      inputs,
      outputs: [],
      parameters: {},
    });
    expect(answer.answers[0]?.outputs[0]).toMatchObject({
      name: 'whole_out',
      shape: [3n],
      integers: [3n, 2n, 1n],
    });

    const method = methodsOf(ServerReflectionDefinition).serverReflectionInfo;
    const call = client.makeBidiStreamRequest(
      method.path,
      (message: ServerReflectionRequest) => method.request.encode(message),
      (bytes: Buffer) => method.response.decode(bytes),
      {
        deadline: Date.now() + 20_000,
      },
    );
    call.end({
      host: '',
      messageRequest: { $case: 'fileContainingSymbol', value: 'outrigger.triton.v1.Tensors' },
    });
    const files: Buffer[] = [];
    for await (const response of call as AsyncIterable<{
      messageResponse?: { $case: string; value: { fileDescriptorProto?: Buffer[] } };
    }>) {
      files.push(...(response.messageResponse?.value.fileDescriptorProto ?? []));
    }
    const text = Buffer.concat(files).toString('latin1');
    expect(text).toContain('infer_tensors');
    expect(text).toContain('Runs a model once on named input tensors');
  });
});
