/** What both SDKs keep to themselves and we must reach; their versions are pinned, and tests ask for the outcome. */
interface ServerInternals {
  readonly _requestHandlers: Map<string, (...given: unknown[]) => unknown>;
}

/** What is wrong with one field, as the schemas of the SDKs tell it. */
interface Fault {
  readonly path?: readonly unknown[];
  readonly message?: unknown;
}

const INVALID_PARAMS = -32602;

/**
 * Makes a server answer wrong parameters with "invalid params" and one line that names the field. The SDKs
 * print the whole report of their schemas, and one of them calls it a fault of the server.
 */
export function explainParameterFaults(server: object): void {
  const { _requestHandlers: handlers } = server as ServerInternals;
  for (const [method, handle] of handlers) {
    handlers.set(method, async (...given) => {
      try {
        return await handle(...given);
      } catch (thrown) {
        const fault = faultIn(thrown);
        throw fault === undefined
          ? thrown
          : Object.assign(new Error(lineOf(fault)), { code: INVALID_PARAMS });
      }
    });
  }
}

/** The first fault of a report: the error is one, or quotes one as JSON. */
function faultIn(thrown: unknown): Fault | undefined {
  if (!(thrown instanceof Error)) return undefined;
  if (thrown.name === 'ZodError' || thrown.name === '$ZodError') {
    return (thrown as { issues?: readonly Fault[] }).issues?.[0];
  }
  const quoted = /^(?:Invalid \S+ request: )?(\[\s*\{[^]*\])$/.exec(thrown.message)?.[1];
  if (quoted === undefined) return undefined;
  try {
    return (JSON.parse(quoted) as readonly Fault[])[0];
  } catch {
    return undefined;
  }
}

function lineOf({ path = [], message }: Fault): string {
  const what = String(message).replace(/^Invalid input: /, '');
  return path.length === 0 ? what : `${path.join('.')}: ${what}`;
}
