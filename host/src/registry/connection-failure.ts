import { grpcCode } from '@outrigger/proto';
import type { AttachOrigin } from './plugin-source.js';
import type { PluginTransport } from './transport.js';

/** Longest wait for the reason why there is no connection, in milliseconds. */
const reasonMs = 1000;

/** Why there is no connection, in one line: the library tells it only to a call. */
export function connectionFailure(transport: PluginTransport, origin: AttachOrigin): Promise<string> {
  return new Promise((resolve) => {
    transport.invoke('/grpc.health.v1.Health/Check', Buffer.alloc(0), Date.now() + reasonMs, {
      message: () => undefined,
      end: ({ code, message }) => {
        resolve(code === grpcCode.UNAVAILABLE ? explain(message, origin) : 'nothing answers there');
      },
    });
  });
}

/** What the words of library and OpenSSL mean to an operator, and the likely remedy. */
const meanings: readonly {
  readonly tls: boolean;
  readonly words: RegExp;
  readonly meaning: (words: string) => string;
}[] = [
  {
    tls: true,
    words: /wrong version number|packet length too long|unknown protocol/,
    meaning: () =>
      'what listens there does not speak TLS; take `tls` out of the entry of this plugin, or let the plugin speak it',
  },
  {
    tls: true,
    words: /disconnected before secure TLS connection/,
    meaning: () => 'what listens there broke the TLS handshake off; perhaps it does not speak TLS',
  },
  {
    tls: true,
    words: /certificate required|handshake failure/,
    meaning: () =>
      'what listens there wants a certificate of the host; set `tls.cert` and `tls.key` in the entry of this plugin',
  },
  {
    tls: true,
    words: /self-signed certificate|unable to (verify|get) /,
    meaning: (words) => `${words}; set \`tls.ca\` in the entry of this plugin to who has signed it`,
  },
  {
    tls: true,
    words: /does not match certificate/,
    meaning: (words) =>
      `${words}; set \`tls.serverName\` in the entry of this plugin to the name that it has`,
  },
  {
    tls: false,
    words: /^Failed to connect$|^Protocol error$/,
    meaning: () =>
      'what listens there takes the connection and breaks it off; perhaps it speaks TLS: set `tls` in the entry of this plugin',
  },
];

/** The reason in a message of the gRPC library. */
export function explain(message: string, { address, tls }: Pick<AttachOrigin, 'address' | 'tls'>): string {
  const [, why = message] = /Last error: (.*?)(?:\. Resolution note.*)?$/s.exec(message) ?? [];
  const [line = ''] = why.replace(/^Error(?: \[\w+\])?: | \(\d{4}-[^)]*\)$/g, '').split('\n', 1);
  if (address.startsWith('unix:')) return line;
  const known = meanings.find((one) => one.tls === (tls !== undefined) && one.words.test(line));
  return known?.meaning(line) ?? line;
}
