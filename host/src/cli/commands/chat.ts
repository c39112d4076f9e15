import { createInterface } from 'node:readline/promises';
import type { Readable } from 'node:stream';
import { chatModel } from '../answer-fields.js';
import { Conversation, type Answer, type AnswerListener } from '../conversation.js';
import { CliFailure } from '../failure.js';
import { waitUntilSettled, withHost, type Reached } from '../locate-host.js';
import { printable, printableLines } from '../output.js';
import type { Session } from '../session.js';

const largestPrompt = 16 * 1024 * 1024;

/** `chat`: one answer when there is a prompt, else a conversation. */
export async function chat(
  session: Session,
  words: readonly string[],
  options: Readonly<Record<string, unknown>>,
): Promise<number> {
  const { stdin } = session.around;
  const given = words.join(' ');
  const piped = given === '' || given === '-' ? stdin.isTTY !== true || given === '-' : false;
  const prompt = piped ? await readAll(stdin) : given;
  if (piped && prompt.trim() === '')
    throw new CliFailure('there is nothing on stdin to ask', { exitCode: 2 });
  return withHost(session, async ({ client }) => {
    const conversation = new Conversation(client, {
      model: await chooseModel(session, client, options['model'] as string | undefined),
      ...(options['system'] === undefined ? {} : { system: options['system'] as string }),
      ...(options['maxTokens'] === undefined ? {} : { maxTokens: options['maxTokens'] as number }),
      ...(options['temperature'] === undefined ? {} : { temperature: options['temperature'] as number }),
    });
    return prompt === '' ? converse(session, conversation) : askOnce(session, conversation, prompt);
  });
}

async function chooseModel(
  session: Session,
  client: Reached['client'],
  named: string | undefined,
): Promise<string> {
  if (named !== undefined) return named;
  const { config } = await session.load();
  if (config.models.default !== undefined) return config.models.default;
  let first = chatModel(await client.get('/mcp/v1/models'));
  // A host that has just started knows its models when its plugins are there.
  if (first === undefined && (await waitUntilSettled(client, 20_000))) {
    first = chatModel(await client.get('/mcp/v1/models'));
  }
  if (first === undefined) {
    throw new CliFailure('the host has no model', {
      hint: '`outrigger models pull SOURCE` fetches one; `outrigger plugins` shows what is wrong',
    });
  }
  return first;
}

async function askOnce(session: Session, conversation: Conversation, prompt: string): Promise<number> {
  const { out } = session;
  const controller = new AbortController();
  const interrupt = () => controller.abort(new CliFailure('interrupted'));
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  // Who pipes into `head` closes early: that stops the model too.
  out.stdout.once('error', interrupt);
  try {
    const answer = await conversation.ask(prompt, listener(session, !out.json), controller.signal);
    if (out.json) {
      const { model, text, finishReason, usage, toolCalls } = answer;
      out.value({ model, text, finish_reason: finishReason, usage: usage ?? null, tool_calls: toolCalls });
    } else {
      finish(session, answer);
    }
    return 0;
  } catch (error) {
    if (!out.json) out.line();
    throw controller.signal.aborted ? new CliFailure('interrupted') : error;
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

async function converse(session: Session, conversation: Conversation): Promise<number> {
  const { out, around } = session;
  out.note(
    `Talking to ${printable(conversation.model)}. /model NAME changes that, /reset forgets, /exit or Ctrl-D leaves.`,
  );
  const line = createInterface({
    input: around.stdin,
    output: around.stdout,
    terminal: around.stdin.isTTY === true,
  });
  const left = new AbortController();
  let answering: AbortController | undefined;
  line.once('close', () => left.abort());
  // The first Ctrl-C stops an answer; where nothing is being answered it leaves.
  line.on('SIGINT', () => {
    if (answering === undefined || answering.signal.aborted) line.close();
    else answering.abort();
  });
  try {
    while (!left.signal.aborted) {
      const text = await line
        .question(out.style('bold', '> '), { signal: left.signal })
        .catch(() => undefined);
      if (text === undefined) break;
      const said = text.trim();
      if (said === '/exit' || said === '/quit') break;
      if (said === '' || command(session, conversation, said)) continue;
      const stopped = new AbortController();
      answering = stopped;
      const signal = AbortSignal.any([stopped.signal, left.signal]);
      try {
        finish(session, await conversation.ask(said, listener(session, true), signal));
      } catch (error) {
        out.line();
        if (stopped.signal.aborted) out.note('(stopped)');
        else if (!signal.aborted) session.report(error);
      }
      answering = undefined;
    }
  } finally {
    line.close();
  }
  out.line();
  return 0;
}

/** Commands inside a conversation. Whether the text was one. */
function command(session: Session, conversation: Conversation, text: string): boolean {
  if (!text.startsWith('/')) return false;
  const [name, ...rest] = text.split(/\s+/);
  if (name === '/reset') {
    conversation.reset();
    session.out.note('Forgotten.');
  } else if (name === '/model') {
    if (rest[0] !== undefined) conversation.model = rest[0];
    session.out.note(`Model: ${printable(conversation.model)}`);
  } else {
    session.out.note('/model [NAME]   /reset   /exit');
  }
  return true;
}

function listener(session: Session, shown: boolean): AnswerListener {
  const { out } = session;
  const onTerminal = out.stdout.isTTY === true;
  let thinking = false;
  return {
    text: (piece) => {
      if (!shown) return;
      if (thinking) out.line('\n');
      thinking = false;
      // On a terminal the model must not steer it; in a pipe its words go through as they are.
      out.stdout.write(onTerminal ? printableLines(piece) : piece);
    },
    reasoning: (piece) => {
      if (!shown || !onTerminal) return;
      thinking = true;
      out.stdout.write(out.style('dim', printableLines(piece)));
    },
  };
}

function finish(session: Session, { text, finishReason, toolCalls }: Answer): void {
  const { out } = session;
  if (!text.endsWith('\n')) out.line();
  for (const call of toolCalls) out.note(`(the model wants to call ${printable(call)})`);
  if (finishReason === 'length') out.note('(cut: the answer reached its longest length)');
  if (finishReason === 'content_filter') out.note('(held back by a content filter)');
}

async function readAll(input: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of input) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    size += bytes.length;
    if (size > largestPrompt) throw new CliFailure(`stdin holds more than ${largestPrompt} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}
