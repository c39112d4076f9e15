// Numbers and times in words.

const whole = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** A count: exact below 100,000, compact above. */
export function count(value) {
  return value < 100_000 ? whole.format(value) : short.format(value);
}

/** A rate per second. */
export function rate(value) {
  if (value === 0) return '0';
  if (value < 10) return value.toFixed(1);
  return count(Math.round(value));
}

/** Milliseconds; a dash for unknown. */
export function time(ms) {
  if (ms === null || ms === undefined) return '–';
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  return duration(ms);
}

/** A long time, in its two largest units. */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [days, hours, minutes] = [86_400, 3600, 60].map((unit) => Math.floor(seconds / unit));
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  if (minutes > 0) return `${minutes} min ${seconds % 60} s`;
  return `${seconds} s`;
}

/** The time of day of an instant. */
export function clock(at) {
  return new Date(at).toLocaleTimeString('en-GB');
}

/** How a state looks: `good`, `busy` (on its way), `bad` or `idle`. */
export function mood(state) {
  if (state === 'active') return 'good';
  if (['rejected', 'crashed', 'backoff', 'failed'].includes(state)) return 'bad';
  if (state === 'stopped') return 'idle';
  return 'busy';
}

/** An id, short enough for a table; UUIDs differ in their first part already. */
export function shortId(id) {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-/.test(id) ? id.slice(0, 8) : id;
}

/** Two times of the same kind, for example two quantiles. */
export function times(first, second) {
  return typeof first === 'number' ? `${time(first)} · ${time(second)}` : '–';
}
