// Hands every request on as it is and its answer back: the least that a process between a client and an
// upstream costs in Node, whatever it does with what passes. Two of them in a row are as many hops as host
// and plugin.
// usage: relay.mjs PORT
import { Agent, createServer, request } from 'node:http';

const agent = new Agent({ keepAlive: true });
const server = createServer((incoming, outgoing) => {
  const { url: path, method, headers } = incoming;
  const onward = request({ agent, host: '127.0.0.1', port: Number(process.argv[2]), path, method, headers });
  onward.on('response', (answer) => {
    outgoing.writeHead(answer.statusCode, answer.headers);
    answer.pipe(outgoing);
  });
  onward.on('error', () => outgoing.destroy());
  incoming.pipe(onward);
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
