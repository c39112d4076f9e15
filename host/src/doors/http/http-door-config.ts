/** Settings of the HTTP doors; the section `server` of the configuration fits. */
export interface HttpDoorConfig {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly maxBodyBytes: number;
  /** Interval of comments that keep a silent stream open, in milliseconds; 0 sends none. */
  readonly keepAliveMs: number;
  /** Requests for inference served at the same time; further ones are refused. */
  readonly maxInFlight: number;
  /** Those of one caller; absent, three quarters of `maxInFlight`. */
  readonly maxInFlightPerCaller?: number | undefined;
  /** Connections open at the same time; further ones are closed at once. Default: as many as the system gives. */
  readonly maxConnections?: number;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly cors?: {
    readonly credentials: boolean;
    readonly exposedHeaders: readonly string[];
    readonly maxAgeSeconds: number;
  };
  /** Longest time until a whole request has arrived, in milliseconds. Default 60,000. */
  readonly receiveTimeoutMs?: number;
  /** How long a client may leave a stream unread before it is cut, in milliseconds. Default 60,000. */
  readonly writeTimeoutMs?: number;
  /** A stream that was left unread for so long gives way to requests that wait, in milliseconds. Default 5,000; 0 never. */
  readonly stallTimeoutMs?: number;
}
