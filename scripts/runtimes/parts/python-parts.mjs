// Everything that is a plain virtual environment. `path` of the judges and of the Triton client is their python.
import { linkBinary } from '../support/cache.mjs';
import { venvPart } from '../support/python.mjs';

/** Speaks the same gRPC names as Triton with another stream message: the second server of the KServe protocol. */
export const mlserver = venvPart({
  name: 'mlserver',
  about: 'MLServer, speaks KServe v2 in its own dialect',
  requirements: ['mlserver==1.7.1'],
  shown: 'mlserver',
  entry: 'bin/mlserver',
  versions: ['3.9', '3.10', '3.11', '3.12'],
  link: (root, path) => linkBinary(root, 'mlserver', path),
});

/** NVIDIA's own client, judges what our plugin says and measures the runtime alone. */
export const tritonclient = venvPart({
  name: 'tritonclient',
  about: "Triton's own Python client",
  requirements: ['tritonclient[grpc]==2.73.0'],
  shown: 'tritonclient',
});

/** The strictest reader of metrics, judges both formats of /metrics. */
export const metricsJudge = venvPart({
  name: 'metrics-judge',
  about: "Prometheus' own Python client, whose parsers judge /metrics",
  requirements: ['prometheus-client==0.26.0'],
  shown: 'prometheus-client',
});

/** Official Python clients as judges of the OpenAI and the MCP door. */
export const pythonJudges = venvPart({
  name: 'python-judges',
  aliases: ['judges', 'python'],
  about: 'Python clients openai and mcp, judge our doors',
  requirements: ['openai==3.52.0', 'mcp==2.3.0'],
  shown: 'mcp',
});
