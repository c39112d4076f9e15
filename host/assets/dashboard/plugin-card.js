// One plugin: its state, its figures, its instances and what can be done with it.
import { el, keep, mark, sparkline, write } from './dom.js';
import { count, duration, mood, rate, shortId, time, times } from './words.js';

const columns = [
  'Instance',
  'Version',
  'State',
  'In flight',
  'Served',
  'Failed',
  'Tokens/s',
  'First token',
  'Age',
];

/** A card for one plugin. `act(verb, name)` is called by its buttons. */
export function pluginCard({ name }, act) {
  const title = el('h3', '', name);
  title.id = `plugin-${encodeURIComponent(name)}`;
  const state = el('span', 'pill');
  const about = el('p', 'about');
  const reason = el('p', 'reason');
  const buttons = ['swap', 'restart', 'drain'].map((verb) => {
    const button = el('button', verb === 'swap' ? 'lead' : 'plain', verb[0].toUpperCase() + verb.slice(1));
    button.type = 'button';
    button.dataset.verb = verb;
    mark(button, 'aria-describedby', title.id);
    button.addEventListener('click', () => act(verb, name));
    return button;
  });
  const numbers = el('dl', 'numbers');
  const figure = (label) => {
    const value = el('dd', '');
    numbers.append(el('div', '', el('dt', '', label), value));
    return value;
  };
  const tokens = figure('Tokens/s');
  const requests = figure('Requests/s');
  const took = figure('Duration p50 · p99');
  const first = figure('First token p50 · p99');
  const queued = figure('Waiting');
  const restarts = figure('Restarts');
  const line = sparkline();
  tokens.parentElement.append(line.node);

  const rows = el('tbody', '');
  const table = el('table', '', head(), rows);
  // Narrow windows lay the rows out as cards, which would take the meaning of a table away.
  roles(table, 'table');
  roles(rows, 'rowgroup');
  mark(table, 'aria-label', `Instances of ${name}`);
  const none = el('p', 'quiet none', 'No instance runs.');
  const tools = el('ul', 'chips');
  const toolsTitle = el('summary', '');
  const toolBox = el('details', 'tools', toolsTitle, tools);
  const views = new Map();

  const node = el(
    'article',
    'card',
    el('header', '', el('div', 'names', title, state), el('div', 'buttons', ...buttons), about),
    reason,
    numbers,
    table,
    none,
    toolBox,
  );
  mark(node, 'aria-labelledby', title.id);
  node.dataset.plugin = name;

  return {
    node,
    update({ plugin, traffic, instanceTraffic, busy, now }) {
      write(state, plugin.state);
      state.dataset.mood = mood(plugin.state);
      write(about, aboutOf(plugin));
      const told = reasonOf(plugin, now);
      write(reason, told);
      reason.hidden = told === '';
      reason.dataset.mood = mood(plugin.state);
      for (const button of buttons) {
        const { verb } = button.dataset;
        const idle = verb === 'drain' && plugin.state === 'stopped';
        // Not `disabled`: a button that loses the focus while it works throws keyboard users out.
        mark(button, 'aria-disabled', busy !== undefined || idle ? 'true' : null);
        mark(button, 'data-busy', busy === verb ? '' : null);
      }
      write(tokens, rate(traffic?.tokens_per_second ?? 0));
      write(requests, rate(traffic?.requests_per_second ?? 0));
      write(took, times(traffic?.duration_p50_ms, traffic?.duration_p99_ms));
      write(first, times(traffic?.first_token_p50_ms, traffic?.first_token_p99_ms));
      write(restarts, count(plugin.restarts));
      write(queued, count(plugin.queued ?? 0));
      line.add(traffic?.tokens_per_second ?? 0);

      const most = Math.max(1, ...plugin.instances.map(({ in_flight }) => in_flight));
      const items = plugin.instances.map((instance) => ({
        instance,
        traffic: instanceTraffic(instance.instance_id),
        most,
        now,
      }));
      keep(rows, views, items, ({ instance }) => instance.instance_id, instanceRow);
      table.hidden = items.length === 0;
      none.hidden = items.length > 0;
      showTools(toolBox, toolsTitle, tools, plugin.tools);
    },
  };
}

function aboutOf({ display_name: title, name, version, runtime, origin }) {
  const parts = [title === name ? '' : title, version === '' ? '' : `version ${version}`, runtime];
  parts.push(origin === 'attach' ? 'attached' : 'started by the host');
  return parts.filter((part) => part !== '').join(' · ');
}

function reasonOf({ state, reason, retry_at: retryAt }, now) {
  const waits = retryAt !== undefined && retryAt !== null && retryAt > now && state !== 'active';
  const retry = waits ? `next attempt in ${duration(retryAt - now + 999)}` : '';
  return [state === 'active' ? '' : reason, retry].filter((part) => part !== '').join(' – ');
}

function head() {
  const cells = columns.map((label) => {
    const cell = el('th', '', label);
    cell.scope = 'col';
    return roles(cell, 'columnheader');
  });
  return roles(el('thead', '', roles(el('tr', '', ...cells), 'row')), 'rowgroup');
}

function roles(node, role) {
  mark(node, 'role', role);
  return node;
}

function instanceRow() {
  const cells = columns.map((label) => {
    const cell = el('td', '');
    cell.dataset.label = label;
    return roles(cell, 'cell');
  });
  const [id, version, state, flight, served, failed, tokens, first, age] = cells;
  const pill = el('span', 'pill');
  state.append(pill);
  const number = el('span', 'number');
  const fill = el('span', 'fill');
  flight.append(number, el('span', 'bar', fill));
  const node = roles(el('tr', '', ...cells), 'row');
  return {
    node,
    update({ instance, traffic, most, now }) {
      node.dataset.instance = instance.instance_id;
      node.dataset.state = instance.state;
      write(id, shortId(instance.instance_id));
      id.title = instance.instance_id;
      write(version, instance.version || '–');
      write(pill, instance.state);
      pill.dataset.mood = mood(instance.state);
      pill.title = instance.reason;
      write(number, count(instance.in_flight));
      fill.style.width = `${(100 * instance.in_flight) / most}%`;
      write(served, count(instance.served));
      write(failed, count(instance.failed));
      failed.classList.toggle('some', instance.failed > 0);
      write(tokens, rate(traffic?.tokens_per_second ?? 0));
      write(first, time(instance.first_token_p50_ms));
      write(age, duration(now - instance.since));
    },
  };
}

function showTools(box, title, list, tools) {
  box.hidden = tools.length === 0;
  write(title, tools.length === 1 ? '1 tool' : `${tools.length} tools`);
  if (list.dataset.shown === JSON.stringify(tools)) return;
  list.dataset.shown = JSON.stringify(tools);
  list.replaceChildren(...tools.map((tool) => el('li', '', tool)));
}
