import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { FinishReason } from '@outrigger/proto';
import { speechText, writeDemoModel } from '@outrigger/plugin-llama-cpp';
import { describeWithAll } from '../../../scripts/testing/with-runtime.mjs';
import { Plugged } from './support/plugged.js';
import { TritonProcess } from './support/triton-process.js';
import { until } from './support/until.js';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describeWithAll(['tritonserver', 'llama-server'], 'real tokens through the real Triton', (runtimes) => {
  it('stream and end as the engine says', async () => {
    await using triton = new TritonProcess(runtimes.tritonserver.path);
    const weights = join(triton.folder, 'demo.gguf');
    await writeDemoModel(weights, 'demo');
    const port = await freePort();
    const args = [
      '--model',
      weights,
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
      '--ctx-size',
      '4096',
      '--parallel',
      '2',
    ];
    const engine = spawn(runtimes['llama-server'].path, args, { stdio: 'ignore' });
    try {
      const healthy = () =>
        fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(2_000) }).then(
          (response) => response.ok || undefined,
          () => undefined,
        );
      await until(healthy, { what: 'llama-server', withinMs: 30_000 });
      writeFileSync(join(triton.repository, 'llama', 'url'), `127.0.0.1:${port}`);
      await triton.start(['llama']);
      await using plugin = await Plugged.to({ endpoints: [{ url: triton.url }], template: 'chatml' });
      const speech = speechText('demo');
      const streamed = await plugin.chat('llama', 'Hello');
      expect(streamed.text.trim()).toBe(speech.trim());
      expect(streamed.pieces).toBeGreaterThan(10);
      expect(streamed.finish?.reason).toBe(FinishReason.FINISH_REASON_STOP);
      expect(streamed.usage).toMatchObject({ outputTokens: streamed.pieces, estimated: false });
      const unary = await plugin.chat('llama', 'Hello', { unary: true });
      expect(unary).toMatchObject({ text: streamed.text, pieces: 1 });
      const short = await plugin.chat('llama', 'Hello', { sampling: { maxOutputTokens: 3 } });
      expect(short.finish?.reason).toBe(FinishReason.FINISH_REASON_LENGTH);
      expect(speech.trim().startsWith(short.text.trim())).toBe(true);
    } finally {
      const ended = engine.exitCode === null ? once(engine, 'exit') : undefined;
      engine.kill('SIGKILL');
      await ended;
    }
  }, 90_000);
});
