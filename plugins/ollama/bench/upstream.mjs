// An upstream that answers at once, always the same: what is measured around it is the way to it.
// It speaks Ollama's API for the plugin and OpenAI's for everybody else.
import { createServer } from 'node:http';

const words = Array.from({ length: 100 }, (_, index) => ` word${index}`);
const at = new Date(0).toISOString();
const spent = {
  total_duration: 1,
  load_duration: 0,
  prompt_eval_count: 10,
  prompt_eval_duration: 1,
  eval_count: 100,
  eval_duration: 1,
};
const text = 'x'.repeat(600);

const message = JSON.stringify({
  model: 'bench',
  created_at: at,
  message: { role: 'assistant', content: text },
  done: true,
  done_reason: 'stop',
  ...spent,
});
const lines =
  words
    .map((content) =>
      JSON.stringify({
        model: 'bench',
        created_at: at,
        message: { role: 'assistant', content },
        done: false,
      }),
    )
    .join('\n') +
  '\n' +
  JSON.stringify({
    model: 'bench',
    created_at: at,
    message: { role: 'assistant', content: '' },
    done: true,
    done_reason: 'stop',
    ...spent,
  }) +
  '\n';
const usage = { prompt_tokens: 10, completion_tokens: 100, total_tokens: 110 };
const completion = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 0,
  model: 'bench',
  choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
  usage,
});
const chunk = (delta, reason = null) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 0, model: 'bench', choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`;
const stream =
  chunk({ role: 'assistant', content: '' }) +
  words.map((content) => chunk({ content })).join('') +
  chunk({}, 'stop') +
  'data: [DONE]\n\n';

const model = {
  name: 'bench',
  model: 'bench',
  modified_at: at,
  size: 1,
  digest: 'd'.repeat(64),
  details: { format: 'gguf', family: 'llama', parameter_size: '1B', quantization_level: 'Q4_0' },
};
const fixed = {
  '/api/version': { version: '0.0.0' },
  '/api/tags': { models: [model] },
  '/api/ps': { models: [] },
  '/api/show': {
    details: model.details,
    model_info: { 'general.architecture': 'llama', 'llama.context_length': 4096 },
    capabilities: ['completion'],
  },
  '/v1/models': { object: 'list', data: [{ id: 'bench', object: 'model', created: 0, owned_by: 'bench' }] },
};

function answer(response, type, body) {
  response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

const server = createServer((request, response) => {
  const { url } = request;
  let body = '';
  request.setEncoding('latin1');
  request.on('data', (piece) => (body += piece));
  request.on('end', () => {
    // As Ollama does: it knows one model and no other.
    if (url.startsWith('/api/') && body !== '' && !body.includes('"model":"bench')) {
      response.writeHead(404, { 'content-type': 'application/json' });
      response.end('{"error":"model not found"}');
    } else if (url === '/api/chat') {
      if (body.includes('"stream":false')) answer(response, 'application/json', message);
      else answer(response, 'application/x-ndjson', lines);
    } else if (url === '/v1/chat/completions') {
      if (body.includes('"stream":true')) answer(response, 'text/event-stream', stream);
      else answer(response, 'application/json', completion);
    } else if (fixed[url] !== undefined) answer(response, 'application/json', JSON.stringify(fixed[url]));
    else {
      response.writeHead(404);
      response.end('{"error":"not found"}');
    }
  });
});
server.keepAliveTimeout = 60_000;
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => console.log(server.address().port));
