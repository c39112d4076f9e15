// Generates src/gen/v1, src/gen/v2 and the descriptors of both versions from proto/.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const home = resolve(import.meta.dirname, '..');
const require = createRequire(import.meta.url);
const folderOf = (name) => dirname(require.resolve(`${name}/package.json`));

const generation = `version: v2
clean: true
inputs:
  - directory: .
    paths: [acme, outrigger/plugin/v1/tool_result.proto]
plugins:
  - local: [node, ${JSON.stringify(join(folderOf('ts-proto'), 'protoc-gen-ts_proto'))}]
    out: gen
    strategy: all
    opt:
      - outputServices=generic-definitions
      - esModuleInterop=true
      - importSuffix=.js
      - forceLong=bigint
      - oneof=unions-value
      - useOptionals=messages
      - env=node
      - outputIndex=false
      - snakeToCamel=true
      - outputPartialMethods=true
      - outputJsonMethods=false
`;

function buf(folder, ...args) {
  const program = join(folderOf('@bufbuild/buf'), 'bin/buf');
  const options = { cwd: folder, stdio: ['ignore', 2, 2], timeout: 120_000 };
  const { status, error } = spawnSync(process.execPath, [program, ...args], options);
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

for (const version of ['v1', 'v2']) {
  const folder = mkdtempSync(join(tmpdir(), 'tools-plugin-'));
  try {
    cpSync(join(home, 'proto', version), folder, { recursive: true });
    for (const file of ['tool.proto', 'tool_result.proto']) {
      const path = join('outrigger/plugin/v1', file);
      mkdirSync(join(folder, dirname(path)), { recursive: true });
      cpSync(join(folderOf('@outrigger/proto'), 'protos', path), join(folder, path));
    }
    writeFileSync(join(folder, 'buf.yaml'), 'version: v2\n');
    writeFileSync(join(folder, 'buf.gen.yaml'), generation);
    buf(folder, 'generate');
    buf(folder, 'build', '--path', 'acme', '--as-file-descriptor-set', '-o', 'descriptor.binpb');
    const generated = join(home, 'src/gen', version);
    rmSync(generated, { recursive: true, force: true });
    for (const wanted of ['acme/notes/v1/notes.ts', 'outrigger/plugin/v1/tool_result.ts']) {
      cpSync(join(folder, 'gen', wanted), join(generated, wanted));
    }
    cpSync(join(folder, 'descriptor.binpb'), join(home, `descriptor-${version}.binpb`));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
