// A closed loop of callers on raw sockets, in a process of its own; prints one JSON line.
// usage: load.mjs URL CALLERS SECONDS stream|whole HEADERS_JSON
import { request, Agent } from 'node:http';

const [, , url, callers, seconds, kind, headersJson = '{}'] = process.argv;
const target = new URL(url);
const streaming = kind === 'stream';
const body = JSON.stringify({
  model: 'bench',
  messages: [{ role: 'user', content: 'hi '.repeat(50) }],
  stream: streaming,
});
const agent = new Agent({ keepAlive: true, maxSockets: Number(callers) });
const options = {
  agent,
  method: 'POST',
  hostname: target.hostname,
  port: target.port,
  path: target.pathname,
  headers: {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...JSON.parse(headersJson),
  },
};

const warmUntil = performance.now() + 1000;
const until = warmUntil + Number(seconds) * 1000;
const latencies = [];
const firsts = [];
let failed = 0;
let bytes = 0;

function once() {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    let firstAt;
    let tail = '';
    const call = request(options, (response) => {
      response.on('data', (piece) => {
        firstAt ??= performance.now();
        bytes += piece.length;
        tail = piece.latin1Slice(Math.max(0, piece.length - 16));
      });
      response.on('end', () => {
        const whole = response.statusCode === 200 && (!streaming || tail.includes('[DONE]'));
        if (startedAt >= warmUntil) {
          if (whole) {
            latencies.push(performance.now() - startedAt);
            firsts.push(firstAt - startedAt);
          } else failed += 1;
        }
        resolve();
      });
      response.on('error', () => resolve());
    });
    call.on('error', () => {
      failed += 1;
      resolve();
    });
    call.end(body);
  });
}

async function caller() {
  while (performance.now() < until) await once();
}

const quantile = (sorted, share) =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
await Promise.all(Array.from({ length: Number(callers) }, caller));
latencies.sort((a, b) => a - b);
firsts.sort((a, b) => a - b);
agent.destroy();
console.log(
  JSON.stringify({
    perSecond: latencies.length / Number(seconds),
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    first50: quantile(firsts, 0.5),
    failed,
    bytes,
  }),
);
