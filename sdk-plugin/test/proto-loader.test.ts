import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';

const script = `
import { createRequire } from 'node:module';
import { servePlugin } from '@outrigger/sdk-plugin';
const running = await servePlugin({ name: 'a', version: '1' }, { endpoint: '127.0.0.1:0', exit: false });
await running.close();
const { service } = await import('grpc-health-check');
const require = createRequire(import.meta.resolve('grpc-health-check'));
console.log(JSON.stringify({ check: service.Check.path, loader: typeof require('@grpc/proto-loader').load }));
process.exit();
`;

it('a plugin that uses grpc-health-check or proto-loader itself gets them whole', () => {
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    stdio: ['ignore', 'pipe', 'ignore'],
    encoding: 'utf8',
  });
  expect(JSON.parse(said)).toEqual({ check: '/grpc.health.v1.Health/Check', loader: 'function' });
});
