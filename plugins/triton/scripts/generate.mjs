// Generates src/gen and descriptor.binpb from proto/. buf reads files below one folder only, and the contract lies in
// another package: a temporary folder brings both together. `--out DIR` writes elsewhere, to compare.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const home = resolve(import.meta.dirname, '..');
const require = createRequire(import.meta.url);
const folderOf = (name) => dirname(require.resolve(`${name}/package.json`));

const lint = 'lint:\n      use: [STANDARD, COMMENTS]\n      except: [SERVICE_SUFFIX]';
const workspace = `version: v2
modules:
  - path: protos
    ${lint}
  - path: contract
  - path: third_party
`;

const generation = `version: v2
clean: true
inputs:
  - directory: .
    paths: [protos/outrigger, third_party/inference]
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
  const { status, error } = spawnSync(process.execPath, [program, ...args], {
    cwd: folder,
    stdio: ['ignore', 2, 2],
    timeout: 120_000,
  });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

const { values } = parseArgs({ options: { out: { type: 'string' }, lint: { type: 'boolean' } } });
const folder = mkdtempSync(join(tmpdir(), 'outrigger-protos-'));
try {
  cpSync(join(home, 'proto/protos'), join(folder, 'protos'), { recursive: true });
  cpSync(join(home, 'proto/third_party'), join(folder, 'third_party'), { recursive: true });
  const tool = 'outrigger/plugin/v1/tool.proto';
  mkdirSync(join(folder, 'contract', dirname(tool)), { recursive: true });
  cpSync(join(folderOf('@outrigger/proto'), 'protos', tool), join(folder, 'contract', tool));
  writeFileSync(join(folder, 'buf.yaml'), workspace);
  writeFileSync(join(folder, 'buf.gen.yaml'), generation);
  if (values.lint) {
    buf(folder, 'lint', '--path', 'protos/outrigger');
    buf(folder, 'format', '--diff', '--exit-code');
  } else {
    buf(folder, 'generate');
    buf(folder, 'build', '--path', 'protos/outrigger', '--as-file-descriptor-set', '-o', 'descriptor.binpb');
    const out = values.out === undefined ? undefined : resolve(values.out);
    const generated = join(out ?? join(home, 'src'), 'gen');
    rmSync(generated, { recursive: true, force: true });
    // ts-proto also writes what is only imported for options; nothing here uses that.
    for (const wanted of ['inference', 'outrigger/triton']) {
      cpSync(join(folder, 'gen', wanted), join(generated, wanted), { recursive: true });
    }
    cpSync(join(folder, 'descriptor.binpb'), join(out ?? home, 'descriptor.binpb'));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
