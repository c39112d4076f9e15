import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { describeWith } from '../../../scripts/testing/with-runtime.mjs';

const home = join(import.meta.dirname, '..');

function filesBelow(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
  return new Map(
    files
      .filter((file) => statSync(file).isFile())
      .map((file) => [relative(folder, file), readFileSync(file, 'utf8')]),
  );
}

describe('generated code', () => {
  it('is what the protos generate', () => {
    const out = mkdtempSync(join(tmpdir(), 'otri-gen-'));
    try {
      execFileSync(process.execPath, [join(home, 'scripts/generate.mjs'), '--out', out], {
        stdio: 'pipe',
        timeout: 100_000,
      });
      expect(filesBelow(join(out, 'gen'))).toEqual(filesBelow(join(home, 'src/gen')));
      expect(
        readFileSync(join(out, 'descriptor.binpb')).equals(readFileSync(join(home, 'descriptor.binpb'))),
      ).toBe(true);
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  }, 120_000);

  it('comes from protos that are written as the contract is', () => {
    execFileSync(process.execPath, [join(home, 'scripts/generate.mjs'), '--lint'], {
      stdio: 'pipe',
      timeout: 100_000,
    });
  }, 120_000);
});

// Every message, field, enum value and method of ours must be the protocol's, by name, number and type.
const compare = `
import sys
from google.protobuf import descriptor_pb2, descriptor_pool
from tritonclient.grpc import service_pb2, model_config_pb2
ours = descriptor_pb2.FileDescriptorSet.FromString(sys.stdin.buffer.read())
theirs, wrong, seen = {}, [], 0
def walk(into, prefix, message):
    name = prefix + message.name
    into[name] = {f.name: (f.number, f.type, f.label, f.type_name) for f in message.field}
    for nested in message.nested_type: walk(into, name + ".", nested)
def collect(file):
    into = {}
    for message in file.message_type: walk(into, "", message)
    for enum in file.enum_type: into[enum.name] = {v.name: v.number for v in enum.value}
    for service in file.service: into[service.name] = {m.name: (m.input_type, m.output_type, m.client_streaming, m.server_streaming) for m in service.method}
    return into
for module in (service_pb2, model_config_pb2):
    file = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    theirs.update(collect(file))
for file in ours.file:
    for name, fields in collect(file).items():
        for field, value in fields.items():
            seen += 1
            if theirs.get(name, {}).get(field) != value: wrong.append((name, field, value, theirs.get(name, {}).get(field)))
print(seen, wrong)
`;

describeWith('tritonclient', 'our words for the protocol', ({ path }) => {
  it('agree with the client that its makers ship', () => {
    const out = mkdtempSync(join(tmpdir(), 'otri-pb-'));
    try {
      const set = join(out, 'ours.binpb');
      const buf = join(home, '../../node_modules/@bufbuild/buf/bin/buf');
      execFileSync(
        process.execPath,
        [buf, 'build', join(home, 'proto/third_party'), '--as-file-descriptor-set', '-o', set],
        { stdio: 'pipe', timeout: 60_000 },
      );
      const said = execFileSync(path, ['-c', compare], {
        input: readFileSync(set),
        encoding: 'utf8',
        timeout: 60_000,
      });
      expect(said).toMatch(/^1\d\d \[\]\n$/);
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  }, 120_000);
});
