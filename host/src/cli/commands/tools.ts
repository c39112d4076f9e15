import { entriesOf, fields, word } from '../answer-fields.js';
import { nearest } from '../../config/nearest.js';
import { CliFailure } from '../failure.js';
import { interruption } from '../interruption.js';
import { withHost } from '../locate-host.js';
import { printableLines } from '../output.js';
import type { Session } from '../session.js';

/** `plugins tools`: what plugins bring beside models. */
export function listTools(session: Session, plugin: string | undefined): Promise<number> {
  return withHost(session, async ({ client }) => {
    const { out } = session;
    const all = entriesOf(await client.get('/mcp/v1/tools'), 'tools');
    const tools = plugin === undefined ? all : all.filter((tool) => tool['plugin'] === plugin);
    if (plugin !== undefined && tools.length === 0) {
      // Tells of a plugin that does not exist, with the names of those that do.
      await client.get(`/mcp/v1/plugins/${encodeURIComponent(plugin)}`);
    }
    if (out.json) out.value(tools);
    else if (tools.length === 0) out.line('No tools.');
    else {
      out.table(
        ['TOOL', 'PLUGIN', 'KIND', 'WHAT IT DOES'],
        tools.map((tool) => [word(tool, 'name'), word(tool, 'plugin'), kindOf(tool), firstSentence(tool)]),
      );
    }
    return 0;
  });
}

/** `plugins call`: calls a tool with JSON arguments; `-` reads them from stdin. */
export async function callTool(session: Session, name: string, json: string | undefined): Promise<number> {
  const input = readArguments(json === '-' ? await readAll(session) : (json ?? '{}'));
  return withHost(session, async ({ client }) => {
    const { out } = session;
    const interrupted = interruption();
    let answer: Readonly<Record<string, unknown>>;
    try {
      const path = `/mcp/v1/tools/${encodeURIComponent(name)}`;
      answer = fields(await client.send('POST', path, input, interrupted.signal));
    } catch (error) {
      if (interrupted.signal.aborted) throw new CliFailure('interrupted');
      const missing = error instanceof CliFailure && error.message.startsWith('there is no tool');
      if (!missing) throw error;
      const names = entriesOf(await client.get('/mcp/v1/tools'), 'tools').map((tool) => word(tool, 'name'));
      const near = nearest(name, names);
      throw new CliFailure(error.message, {
        hint: near === undefined ? '`outrigger plugins tools` lists them' : `did you mean "${near}"?`,
      });
    } finally {
      interrupted.dispose();
    }
    if (out.json) out.value(answer);
    else if (Array.isArray(answer['content'])) for (const part of answer['content']) out.line(textOf(part));
    else out.value(answer['result']);
    return answer['is_error'] === true ? 1 : 0;
  });
}

function readArguments(json: string): object {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    value = undefined;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new CliFailure('the arguments of a tool are a JSON object', {
    exitCode: 2,
    hint: `write them in quotes: '{"name": "value"}'`,
  });
}

async function readAll({ around }: Session): Promise<string> {
  let text = '';
  for await (const chunk of around.stdin) {
    text += String(chunk);
    if (text.length > 16 * 1024 * 1024) throw new CliFailure('stdin holds more than 16 MiB');
  }
  return text;
}

function textOf(part: unknown): string {
  const { type, text, uri } = fields(part);
  if (typeof text === 'string') return printableLines(text);
  return `[${String(type)}${typeof uri === 'string' ? ` ${printableLines(uri)}` : ''}]`;
}

function kindOf(tool: Readonly<Record<string, unknown>>): string {
  const marks = { streaming: 'streams', read_only: 'reads', destructive: 'destroys' };
  return Object.entries(marks)
    .flatMap(([key, mark]) => (tool[key] === true ? [mark] : []))
    .join(' ');
}

function firstSentence(tool: Readonly<Record<string, unknown>>): string {
  const sentence = word(tool, 'description', 'title').split(/(?<=\.)\s/, 1)[0] ?? '';
  return sentence.length > 100 ? `${sentence.slice(0, 99)}…` : sentence;
}
