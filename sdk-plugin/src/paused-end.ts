import type { Socket } from 'node:net';

/** What a connection attempt comes to. */
type Outcome = [error: null, socket: Socket] | [error: Error, socket: null];
type Connect<Options> = (options: Options, done: (...outcome: Outcome) => void) => void;

/** The parts of undici's HTTP/1 parser that matter here; its version is pinned, and a test asks for the outcome. */
interface Parser {
  paused: boolean;
  readonly ptr: unknown;
  readonly llhttp: { llhttp_resume(parser: unknown): void };
  resume(): void;
}

/** The events at which undici finishes a body without asking whether its parser pauses. */
const endings: ReadonlySet<string | symbol> = new Set(['end', 'error', 'close']);

/**
 * A connector of undici 7 for servers that close their connections. Without it such a server ends the whole process
 * when nobody takes the body fast enough: undici asserts that its parser does not pause then (nodejs/undici#5360; 8
 * has a remedy, and needs Node.js 22). What has come by then is taken at once, at most what a socket holds.
 */
export function readingToTheEnd<Options>(connect: Connect<Options>): Connect<Options> {
  return (options, done) => {
    connect(options, (...outcome) => {
      if (outcome[0] === null) guard(outcome[1]);
      done(...outcome);
    });
  };
}

function guard(socket: Socket): void {
  const emit = socket.emit.bind(socket);
  const guarded = (event: string | symbol, ...args: unknown[]): boolean => {
    if (endings.has(event)) takeTheRest(socket, parserOf(socket));
    return emit(event as 'data', ...(args as [Buffer]));
  };
  socket.emit = guarded as Socket['emit'];
}

function takeTheRest(socket: Socket, parser: Parser | undefined): void {
  // The body keeps what it is given, whether it asked for it or not; each turn takes a piece, the last one none.
  let left = 1;
  while (parser?.paused === true && !socket.destroyed && left > 0) {
    left = socket.readableLength;
    parser.resume();
  }
  // A body without a length pauses once more, and ends only with the connection.
  if (parser?.paused !== true) return;
  parser.llhttp.llhttp_resume(parser.ptr);
  parser.paused = false;
}

function parserOf(socket: object): Parser | undefined {
  const key = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'parser');
  if (key === undefined) return undefined;
  return (socket as Record<symbol, unknown>)[key] as Parser | undefined;
}
