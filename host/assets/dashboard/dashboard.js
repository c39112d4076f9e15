// The page: asks for plugins and figures once a second and after every event, and shows them.
import { act, confirmed, keyDialog } from './actions.js';
import { followEvents, get, key } from './client.js';
import { el, keep, write } from './dom.js';
import { eventList } from './event-list.js';
import { figures } from './figures.js';
import { pluginCard } from './plugin-card.js';
import { duration } from './words.js';

const everyMs = 1000;
const byId = (id) => document.getElementById(id);
const showTotals = figures(byId('totals'));
const cards = new Map();
const busy = new Map();
const trouble = new Map();
let shown;
let timer;
let asking = false;
let again = false;
let streamOpenedAt = 0;
let prompted = false;

const keys = keyDialog(() => {
  complain('host', '');
  events.clear();
  stream.again(true);
  void refresh();
});
byId('key-button').addEventListener('click', () => keys.open());

const events = eventList(byId('events'), byId('events-count'), say);
const stream = followEvents({
  tell(event) {
    // What comes at once after connecting is the past, and is not spoken.
    events.add(event, performance.now() - streamOpenedAt > 1000);
    soon();
  },
  state(state) {
    if (state === 'live') streamOpenedAt = performance.now();
    const words = { live: 'Live', waiting: 'Reconnecting', locked: 'Key needed' };
    byId('link').dataset.state = state;
    write(byId('link'), words[state]);
  },
});

/** Speaks to screen readers. */
function say(text) {
  write(byId('announcer'), text);
}

/** Shows what is wrong, one line per cause, until it is right again. */
function complain(cause, text) {
  if (text === '') trouble.delete(cause);
  else trouble.set(cause, text);
  write(byId('notice-text'), [...trouble.values()].join('\n'));
  byId('notice').hidden = trouble.size === 0;
}

byId('notice-close').addEventListener('click', () => {
  trouble.clear();
  byId('notice').hidden = true;
});

async function perform(verb, name) {
  if (busy.has(name) || (verb === 'drain' && stateOf(name) === 'stopped')) return;
  if (verb === 'drain') {
    const text = 'Running requests end, then the plugin stays stopped until it is restarted or swapped.';
    if (!(await confirmed(`Drain ${name}?`, text, 'Drain'))) return;
  }
  complain(name, '');
  busy.set(name, verb);
  show();
  try {
    say(await act(verb, name));
  } catch (refusal) {
    if (refusal.status === 401) keys.open(refusal.message);
    else complain(name, `Cannot ${verb} ${name}: ${refusal.message}`);
  } finally {
    busy.delete(name);
    void refresh();
  }
}

function stateOf(name) {
  return shown?.plugins.find((plugin) => plugin.name === name)?.state;
}

/** Asks again shortly: several events come at once. */
function soon() {
  clearTimeout(timer);
  timer = setTimeout(refresh, 60);
}

async function refresh() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  clearTimeout(timer);
  let locked = false;
  try {
    const [{ plugins }, stats] = await Promise.all([get('/mcp/v1/plugins'), get('/mcp/v1/stats')]);
    if (shown !== undefined && stats.uptime_ms < shown.stats.uptime_ms) {
      // Another host by now: its events count from one again.
      events.clear();
      stream.again(true);
    }
    shown = { plugins, stats };
    complain('host', '');
    show();
  } catch (refusal) {
    locked = refusal.status === 401;
    if (locked) lock(refusal.message);
    else complain('host', `Not up to date: ${refusal.message}`);
  }
  asking = false;
  if (again) {
    again = false;
    soon();
  } else if (!document.hidden && !locked) timer = setTimeout(refresh, everyMs);
}

/** Without a key nothing is shown, not even what was shown before. Asks for it once, and by the button after that. */
function lock(reason) {
  shown = undefined;
  document.body.dataset.state = 'empty';
  cards.clear();
  byId('plugins').replaceChildren();
  write(byId('plugins-count'), '');
  events.clear();
  complain('host', 'This host asks for an API key.');
  if (!prompted) keys.open(key.get() === '' ? '' : reason);
  prompted = true;
}

function show() {
  if (shown === undefined) return;
  document.body.dataset.state = 'shown';
  const { plugins, stats } = shown;
  write(byId('version'), stats.version);
  write(byId('uptime'), `up ${duration(stats.uptime_ms)}`);
  showTotals(stats, plugins);
  const active = plugins.filter(({ state }) => state === 'active').length;
  write(byId('plugins-count'), plugins.length === 0 ? '' : `${active} of ${plugins.length} active`);
  document.title = active === plugins.length ? 'Outrigger' : `(${plugins.length - active}) Outrigger`;
  const parent = byId('plugins');
  parent.querySelector('.empty')?.remove();
  const now = Date.now();
  const items = plugins.map((plugin) => {
    const figures = stats.plugins.find(({ name }) => name === plugin.name);
    return {
      plugin,
      traffic: figures?.traffic,
      instanceTraffic: (id) => figures?.instances.find((one) => one.instance_id === id)?.traffic,
      busy: busy.get(plugin.name),
      now,
    };
  });
  keep(
    parent,
    cards,
    items,
    ({ plugin }) => plugin.name,
    ({ plugin }) => pluginCard(plugin, perform),
  );
  if (items.length === 0) {
    parent.append(
      el('p', 'empty', 'No plugin is configured. Name one under `plugins` in the configuration.'),
    );
  }
}

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void refresh();
});
void refresh();
