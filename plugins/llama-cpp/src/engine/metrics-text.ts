/** A figure of the engine. */
export interface MetricSample {
  name: string;
  value: number;
  counter: boolean;
  help: string;
}

const MAX_SAMPLES = 200;

/** Reads the samples without labels from Prometheus text; names become `llamacpp_…`. */
export function readMetrics(text: string): MetricSample[] {
  const help = new Map<string, string>();
  const counters = new Set<string>();
  const samples: MetricSample[] = [];
  for (const line of text.split('\n')) {
    const about = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (about !== null) {
      const [, what, name = '', rest = ''] = about;
      if (what === 'HELP') help.set(name, rest);
      else if (rest === 'counter') counters.add(name);
      continue;
    }
    const sample = /^([a-zA-Z_:][\w:]*) (\S+)$/.exec(line);
    const name = sample?.[1];
    const value = Number(sample?.[2]);
    if (name === undefined || !Number.isFinite(value) || samples.length >= MAX_SAMPLES) continue;
    samples.push({
      name: name.replaceAll(':', '_'),
      value,
      counter: counters.has(name),
      help: help.get(name) ?? '',
    });
  }
  return samples;
}
