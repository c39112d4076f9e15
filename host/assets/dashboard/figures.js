// The row of totals.
import { el, sparkline, write } from './dom.js';
import { count, rate, time } from './words.js';

const unhappy = [
  ['failed', 'failed'],
  ['timed_out', 'timed out'],
  ['truncated', 'cut'],
  ['refused', 'refused'],
  ['cancelled', 'cancelled'],
];

/** Builds the totals into `parent`; returns what shows new ones. */
export function figures(parent) {
  const tile = (name, label) => {
    const value = el('dd', 'value');
    const more = el('dd', 'more');
    const node = el('div', 'tile', el('dt', '', label), value, more);
    node.dataset.figure = name;
    parent.append(node);
    return { node, value, more };
  };
  const requests = tile('requests', 'Requests');
  const tokens = tile('tokens', 'Output tokens');
  const flight = tile('in-flight', 'In flight');
  const first = tile('first-token', 'First token');
  const outcomes = tile('outcomes', 'Complete');
  const line = sparkline();
  tokens.node.append(line.node);

  return ({ totals, traffic }, plugins) => {
    write(requests.value, count(totals.requests));
    write(requests.more, `${rate(traffic.requests_per_second)} per second`);
    write(tokens.value, count(totals.output_tokens));
    write(tokens.more, `${rate(traffic.tokens_per_second)} per second`);
    line.add(traffic.tokens_per_second);
    const sum = (read) => plugins.reduce((all, plugin) => all + read(plugin), 0);
    write(
      flight.value,
      count(sum((one) => one.instances.reduce((all, { in_flight }) => all + in_flight, 0))),
    );
    write(flight.more, `${count(sum((one) => one.queued ?? 0))} waiting`);
    write(first.value, time(traffic.first_token_p50_ms));
    write(first.more, `p99 ${time(traffic.first_token_p99_ms)}`);
    const { complete } = totals.outcomes;
    const share = totals.requests === 0 ? undefined : (100 * complete) / totals.requests;
    write(outcomes.value, share === undefined ? '–' : `${share === 100 ? 100 : share.toFixed(1)} %`);
    const others = unhappy.filter(([name]) => totals.outcomes[name] > 0);
    write(
      outcomes.more,
      others.map(([name, word]) => `${count(totals.outcomes[name])} ${word}`).join(', ') ||
        'no other outcome',
    );
  };
}
