import type { BucketHistogram } from './bucket-histogram.js';
import { metricTable, type MetricName, type MetricRow } from './catalogue.js';

/** Values of the labels of a series; what is left out is not shown. */
export type Labels = Readonly<Record<string, string>>;
/** One series and its value. */
export type Sample<V> = readonly [Labels, V];

/** How each metric is read when somebody asks; a missing one does not compile. */
export type MetricReaders = {
  readonly [Name in MetricName]: () => readonly Sample<
    (typeof metricTable)[Name]['type'] extends 'histogram' ? BucketHistogram : number
  >[];
};

/** A page of metrics. */
export interface MetricsPage {
  readonly type: string;
  readonly text: string;
}

/** Metrics as text, for whoever scrapes. */
export interface MetricsSource {
  /** In the format that this Accept header asks for: OpenMetrics, else Prometheus text. */
  render(accept: string): Promise<MetricsPage>;
}

type Format = 'text' | 'openMetrics';
type Library = typeof import('prom-client');

/** Renders the metrics, and those of the process, with a library that is loaded for the first who scrapes. */
export function createExposition(readers: MetricReaders): MetricsSource {
  const registries = new Map<Format, Promise<import('prom-client').Registry>>();
  return {
    async render(accept) {
      const format = formatOf(accept);
      let registry = registries.get(format);
      if (registry === undefined) registries.set(format, (registry = openRegistry(format, readers)));
      const { contentType: type } = await registry;
      const text = await (await registry).metrics();
      return { type, text: format === 'openMetrics' ? text.replace(bound, canonicalBound) : text };
    },
  };
}

/** The bound of a bucket: inside a value its quotes would be escaped. */
const bound = /(?<=[{,]le=")[^"]+(?=")/g;

/** As OpenMetrics demands it of bounds: `1.0` and `1e-06`, which the library does not write. */
function canonicalBound(text: string): string {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) return text;
  const [mantissa = '', exponent = ''] = value.toExponential().split('e');
  const power = Number(exponent);
  if (power < -4 || power >= 6) {
    return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

function formatOf(accept: string): Format {
  return /application\/openmetrics-text/i.test(accept) ? 'openMetrics' : 'text';
}

async function openRegistry(format: Format, readers: MetricReaders) {
  const library = await import('prom-client');
  const { Registry, collectDefaultMetrics } = library;
  // Names differ between the formats, so each has a registry of its own.
  const registry = new Registry();
  if (format === 'openMetrics') registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
  for (const name of Object.keys(metricTable) as MetricName[]) {
    register(library, registry, name, metricTable[name], readers[name]);
  }
  collectDefaultMetrics({ register: registry });
  return registry;
}

function register(
  { Counter, Gauge, Histogram }: Library,
  registry: import('prom-client').Registry,
  name: string,
  { type, labels, help }: MetricRow,
  read: () => readonly Sample<number | BucketHistogram>[],
): void {
  const shape = { name, help, labelNames: labels, registers: [registry] };
  if (type === 'counter') {
    new Counter({
      ...shape,
      collect() {
        this.reset();
        for (const [own, value] of read() as readonly Sample<number>[]) this.inc(own, value);
      },
    });
  } else if (type === 'gauge') {
    new Gauge({
      ...shape,
      collect() {
        this.reset();
        for (const [own, value] of read() as readonly Sample<number>[]) this.set(own, value);
      },
    });
  } else {
    // What was counted already is shown; nothing is observed here.
    const histogram = new Histogram(shape) as unknown as { getForPromString(): Promise<object> };
    histogram.getForPromString = () => {
      const values = (read() as readonly Sample<BucketHistogram>[]).flatMap(([own, counted]) =>
        histogramLines(name, own, counted),
      );
      return Promise.resolve({ name, help, type, values });
    };
  }
}

function histogramLines(name: string, labels: Labels, { bounds, counts, sum, count }: BucketHistogram) {
  let below = 0;
  const buckets = counts.map((each, at) => {
    below += each;
    const le = bounds[at] ?? '+Inf';
    return { metricName: `${name}_bucket`, labels: { ...labels, le: String(le) }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
