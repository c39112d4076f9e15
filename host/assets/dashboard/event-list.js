// What happened, the newest first.
import { el, write } from './dom.js';
import { clock, mood, shortId } from './words.js';

const most = 200;

/** Builds the list into `parent`; `say` speaks what matters to a screen reader. */
export function eventList(parent, counter, say) {
  let heard = 0;
  let batch = [];

  const flush = () => {
    const items = batch.splice(0).slice(-most);
    const holds = parent.scrollTop > 4;
    const before = parent.scrollHeight;
    for (const event of items) parent.prepend(item(event));
    while (parent.children.length > most) parent.lastElementChild.remove();
    // Who reads further down goes on reading there.
    if (holds) parent.scrollTop += parent.scrollHeight - before;
    write(counter, heard === 0 ? '' : `${heard} so far`);
  };

  return {
    add(event, isNew) {
      heard += 1;
      if (batch.length === 0) requestAnimationFrame(flush);
      batch.push(event);
      // The frame of a hidden page never comes; what cannot be shown any more need not be kept.
      if (batch.length > 2 * most) batch = batch.slice(-most);
      if (isNew && matters(event)) say(`${event.plugin}: ${event.message}`);
    },
    clear() {
      heard = 0;
      batch = [];
      parent.replaceChildren();
    },
  };
}

function matters(event) {
  return event.type !== 'instance' || ['active', 'crashed', 'rejected', 'stopped'].includes(event.to);
}

function item(event) {
  const at = el('time', '', clock(event.at));
  at.dateTime = new Date(event.at).toISOString();
  const node = el(
    'li',
    '',
    at,
    el('span', 'what', el('strong', '', event.plugin || event.type), ' ', ...told(event)),
  );
  node.dataset.mood = moodOf(event);
  return node;
}

function told({ type, message, from, to, instance_id: instance, version }) {
  if (type !== 'instance' || to === undefined) return [el('span', 'message', message)];
  const reason = message.startsWith(`${from} to ${to}: `) ? message.slice(`${from} to ${to}: `.length) : '';
  const who = [shortId(instance), version].filter((part) => part !== '').join(' · ');
  return [
    el('span', 'message', `${from} → `, el('b', '', to)),
    ...(reason === '' ? [] : [el('span', 'message', ` ${reason}`)]),
    ...(who === '' ? [] : [el('small', '', who)]),
  ];
}

function moodOf({ type, to, message }) {
  if (type === 'instance') return mood(to ?? '');
  if (/refused|failed|rolled back/.test(message)) return 'bad';
  return type === 'swap' ? 'busy' : 'idle';
}
