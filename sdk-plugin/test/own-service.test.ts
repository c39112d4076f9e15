import { execFileSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createFileRegistry, getOption, hasOption, type DescMethod } from '@bufbuild/protobuf';
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  type FileDescriptorProto,
} from '@bufbuild/protobuf/wkt';
import { create, fromBinary } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Sample,
  ServerReflectionAlphaDefinition,
  ServerReflectionDefinition,
  methodsOf,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from '@outrigger/proto';
import { PluginError, definePlugin, pluginService, text, finish } from '@outrigger/sdk-plugin';
import { startPlugin, type TestPlugin } from '@outrigger/sdk-plugin/testing';

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const ClockDefinition = {
  name: 'Clock',
  fullName: 'fixture.clock.v1.Clock',
  methods: {
    tell: {
      name: 'Tell',
      requestType: Sample,
      requestStream: false,
      responseType: Sample,
      responseStream: false,
    },
    tick: {
      name: 'Tick',
      requestType: Sample,
      requestStream: false,
      responseType: Sample,
      responseStream: true,
    },
  },
} as const;

const sample = (name: string): Sample => ({ ...Sample.create({}), name });

let directory: string;
let plugin: TestPlugin;
let ticking = false;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'own-'));
  cpSync(file('../../proto/protos'), directory, { recursive: true });
  cpSync(file('fixtures/clock'), directory, { recursive: true });
  const buf = file('../../node_modules/@bufbuild/buf/bin/buf');
  const image = join(directory, 'set.binpb');
  execFileSync(process.execPath, [buf, 'build', directory, '--as-file-descriptor-set', '-o', image], {
    env: { ...process.env, BUF_CACHE_DIR: directory },
    timeout: 60_000,
  });
  plugin = await startPlugin(
    definePlugin({
      name: 'clock',
      version: '1',
      async *generate() {
        await Promise.resolve();
        yield [text('hi'), finish('stop')];
      },
      services: [
        pluginService({
          definition: ClockDefinition,
          descriptorSet: await readFile(image),
          handlers: {
            tell: ({ name }) => {
              if (name === 'nowhere') throw new PluginError('NOT_FOUND', 'there is no such place');
              if (name === 'broken') throw new Error('secret');
              return Promise.resolve(sample(`noon in ${name}`));
            },
            tick: async function* (_request, { signal }) {
              ticking = true;
              try {
                yield sample('tick');
                await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
              } finally {
                ticking = false;
              }
            },
          },
        }),
      ],
    }),
  );
}, 60_000);

afterAll(async () => {
  await plugin.close();
  await rm(directory, { recursive: true, force: true });
});

type Question = NonNullable<ServerReflectionRequest['messageRequest']>;

/** Asks one question per answer on one stream, as grpcurl does. */
async function ask(questions: readonly Question[], definition = ServerReflectionDefinition) {
  const method = methodsOf(definition).serverReflectionInfo;
  const client = new Client(plugin.address, credentials.createInsecure());
  const call = client.makeBidiStreamRequest(
    method.path,
    (message: ServerReflectionRequest) => method.request.encode(message),
    (bytes) => method.response.decode(bytes),
    { deadline: Date.now() + 10_000 },
  );
  try {
    for (const messageRequest of questions) call.write({ host: 'h', messageRequest });
    call.end();
    const answers: ServerReflectionResponse[] = [];
    for await (const answer of call) answers.push(answer as ServerReflectionResponse);
    return answers;
  } finally {
    call.cancel();
    client.close();
  }
}

const filesOf = (answer: ServerReflectionResponse | undefined): FileDescriptorProto[] => {
  const response = answer?.messageResponse;
  if (response?.$case !== 'fileDescriptorResponse')
    throw new Error(`not files: ${response?.$case ?? 'nothing'}`);
  return response.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
};

describe('reflection', () => {
  it.each([
    ['v1', ServerReflectionDefinition],
    ['v1alpha', ServerReflectionAlphaDefinition as unknown as typeof ServerReflectionDefinition],
  ])('%s lists exactly what is served', async (_, definition) => {
    const [answer] = await ask([{ $case: 'listServices', value: '' }], definition);
    const response = answer?.messageResponse;
    expect(
      response?.$case === 'listServicesResponse' && response.value.service.map(({ name }) => name),
    ).toEqual([
      'fixture.clock.v1.Clock',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
      'outrigger.plugin.v1.Identity',
      'outrigger.plugin.v1.Inference',
      'outrigger.plugin.v1.Lifecycle',
      'outrigger.plugin.v1.Multiplex',
    ]);
  });

  it('gives files that link standalone, with options and comments whole', async () => {
    const [answer] = await ask([{ $case: 'fileContainingSymbol', value: 'fixture.clock.v1.Clock' }]);
    const files = filesOf(answer);
    expect(files[0]?.package).toBe('fixture.clock.v1');
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: sorted(files) }));
    const tell = registry.getService('fixture.clock.v1.Clock')?.method['tell'] as DescMethod;
    const tool = registry.getExtension('outrigger.plugin.v1.tool');
    if (tool === undefined) throw new Error('the option is missing');
    expect(hasOption(tell, tool)).toBe(true);
    expect(getOption(tell, tool)).toMatchObject({ title: 'Tell the time', readOnly: true });
    const comments = files[0]?.sourceCodeInfo?.location.map(({ leadingComments }) => leadingComments.trim());
    expect(comments).toContain('Tells the time at a place.');
  });

  it.each([
    ['service', 'outrigger.plugin.v1.Inference', 'outrigger/plugin/v1/inference.proto'],
    ['method', 'outrigger.plugin.v1.Inference.Generate', 'outrigger/plugin/v1/inference.proto'],
    ['message', 'outrigger.plugin.v1.GenerateRequest', 'outrigger/plugin/v1/inference.proto'],
    ['nested enum', 'outrigger.plugin.v1.ModelState.Phase', 'outrigger/plugin/v1/models.proto'],
    ['enum value', 'outrigger.plugin.v1.ROLE_USER', 'outrigger/plugin/v1/content.proto'],
    ['nested enum value', 'outrigger.plugin.v1.ModelState.PHASE_READY', 'outrigger/plugin/v1/models.proto'],
    ['field', 'outrigger.plugin.v1.Model.context_length', 'outrigger/plugin/v1/models.proto'],
    ['oneof', 'outrigger.plugin.v1.Part.kind', 'outrigger/plugin/v1/content.proto'],
    ['extension', 'outrigger.plugin.v1.tool', 'outrigger/plugin/v1/tool.proto'],
    ['standard service', 'grpc.health.v1.Health', 'grpc/health/v1/health.proto'],
  ])('finds a %s', async (_, symbol, name) => {
    const [answer] = await ask([{ $case: 'fileContainingSymbol', value: symbol }]);
    expect(filesOf(answer)[0]?.name).toBe(name);
  });

  it('finds files and extensions, and answers unknown ones in the stream', async () => {
    const answers = await ask([
      { $case: 'fileContainingSymbol', value: 'no.such.Symbol' },
      { $case: 'fileByFilename', value: 'no/such.proto' },
      { $case: 'fileByFilename', value: 'outrigger/plugin/v1/content.proto' },
      { $case: 'allExtensionNumbersOfType', value: 'google.protobuf.MethodOptions' },
      {
        $case: 'fileContainingExtension',
        value: { containingType: 'google.protobuf.MethodOptions', extensionNumber: 73_100 },
      },
      { $case: 'allExtensionNumbersOfType', value: 'no.such.Type' },
    ]);
    const cases = answers.map(({ messageResponse }) => messageResponse?.$case);
    expect(cases).toEqual([
      'errorResponse',
      'errorResponse',
      'fileDescriptorResponse',
      'allExtensionNumbersResponse',
      'fileDescriptorResponse',
      'errorResponse',
    ]);
    expect(answers[0]?.messageResponse?.value).toMatchObject({ errorCode: 5 });
    expect(answers[0]?.originalRequest?.messageRequest?.value).toBe('no.such.Symbol');
    expect(answers[3]?.messageResponse?.value).toMatchObject({ extensionNumber: [73_100] });
    expect(filesOf(answers[4])[0]?.name).toBe('outrigger/plugin/v1/tool.proto');
  });
});

/** Dependencies first, as linkers want them. */
function sorted(files: readonly FileDescriptorProto[]): FileDescriptorProto[] {
  const done = new Map<string, FileDescriptorProto>();
  const visit = (item: FileDescriptorProto): void => {
    if (done.has(item.name)) return;
    for (const name of item.dependency) {
      const next = files.find((candidate) => candidate.name === name);
      if (next === undefined) throw new Error(`${item.name} imports ${name}, which is missing`);
      visit(next);
    }
    done.set(item.name, item);
  };
  files.forEach(visit);
  return [...done.values()];
}

describe('a service of the plugin’s own', () => {
  const methods = methodsOf(ClockDefinition);

  it('answers, with the same errors as the contract’s services', async () => {
    const { transport } = plugin.client;
    expect((await transport.unary(methods.tell, sample('Oslo'))).name).toBe('noon in Oslo');
    await expect(transport.unary(methods.tell, sample('nowhere'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      reason: 'NOT_FOUND',
    });
    const broken = transport.unary(methods.tell, sample('broken'));
    await expect(broken).rejects.toMatchObject({ code: 'INTERNAL', reason: 'INTERNAL' });
    await expect(broken).rejects.not.toThrow(/secret/);
    expect(await plugin.client.health('fixture.clock.v1.Clock')).toBe('SERVING');
  });

  it('counts as work and stops when its caller leaves', async () => {
    const { transport } = plugin.client;
    for await (const _tick of transport.stream(methods.tick, sample(''))) break;
    const deadline = Date.now() + 5_000;
    while (ticking && Date.now() < deadline) await plugin.client.info();
    expect(ticking).toBe(false);
    const reports = [];
    for await (const { inFlight } of plugin.client.drain()) reports.push(inFlight);
    expect(reports.at(-1)).toBe(0);
    await expect(transport.unary(methods.tell, sample('Oslo'))).rejects.toMatchObject({ reason: 'DRAINING' });
    await plugin.client.configure({}, 2);
  });
});
