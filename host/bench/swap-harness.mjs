// npm run bench:swap -- [--callers 64] [--streams 500] [--swaps 20] [--calls 100000]
//                       [--no-drain] [--light] [--plain] [--json]
// Exits with 0 when nothing was lost. With --no-drain the old instance is cut off
// at the commit: that run must fail, or the proof proves nothing. --light has
// four callers and no streams: for the host's memory over many swaps. With --plain
// every other instance does not serve Multiplex.
import { parseArgs } from 'node:util';
import { runSwapLoad } from './swap-load.mjs';

const { values } = parseArgs({
  options: {
    callers: { type: 'string' },
    streams: { type: 'string' },
    swaps: { type: 'string', default: '20' },
    calls: { type: 'string' },
    'stream-ms': { type: 'string', default: '10000' },
    'no-drain': { type: 'boolean', default: false },
    plain: { type: 'boolean', default: false },
    light: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const swaps = Number(values.swaps);
const light = values.light;
const result = await runSwapLoad({
  callers: Number(values.callers ?? (light ? 0 : 64)),
  streams: Number(values.streams ?? (light ? 0 : 500)),
  swaps,
  calls: Number(values.calls ?? (light ? 0 : 100_000)),
  streamMs: Number(values['stream-ms']),
  drain: !values['no-drain'],
  plain: values.plain,
  onProgress: ({ swaps: done, calls, rss, own, heap }) => {
    const mebibytes = (bytes) => (bytes / 2 ** 20).toFixed(1);
    const alone = own === undefined ? '' : ` (${mebibytes(own)} of its own)`;
    const held = `${mebibytes(rss)} MiB${alone}, heap after gc ${mebibytes(heap)} MiB`;
    if (!values.json) console.error(`${done} swaps, ${calls} calls, ${held}`);
  },
});
if (values.json) console.log(JSON.stringify(result));
else console.dir(result, { depth: 5 });
process.exitCode = result.ok ? 0 : 1;
