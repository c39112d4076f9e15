// Making and changing elements. Whatever comes from the host goes in as text, never as markup.

/** An element with a class and children; strings become text. */
export function el(tag, className = '', ...children) {
  const node = document.createElement(tag);
  if (className !== '') node.className = className;
  node.append(...children);
  return node;
}

/** Writes text only when it differs: selections stay, and screen readers stay quiet. */
export function write(node, text) {
  const value = String(text);
  if (node.textContent !== value) node.textContent = value;
}

/** Sets an attribute only when it differs; null takes it away. */
export function mark(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/**
 * Keeps the children of `parent` in step with `items`, by key: a child is made once, updated in place and
 * removed with its item, so that the focus stays where it is.
 */
export function keep(parent, views, items, keyOf, make) {
  const wanted = new Set(items.map(keyOf));
  for (const [key, view] of views) {
    if (wanted.has(key)) continue;
    view.node.remove();
    views.delete(key);
  }
  items.forEach((item, at) => {
    const key = keyOf(item);
    let view = views.get(key);
    if (view === undefined) {
      view = make(item);
      views.set(key, view);
    }
    if (parent.children[at] !== view.node) parent.insertBefore(view.node, parent.children[at] ?? null);
    view.update(item);
  });
}

const svgSpace = 'http://www.w3.org/2000/svg';

/** A small line of the last values; for eyes only, the number is beside it. */
export function sparkline(size = 60) {
  const node = document.createElementNS(svgSpace, 'svg');
  mark(node, 'class', 'spark');
  mark(node, 'viewBox', '0 0 100 24');
  mark(node, 'preserveAspectRatio', 'none');
  mark(node, 'aria-hidden', 'true');
  const area = document.createElementNS(svgSpace, 'path');
  const line = document.createElementNS(svgSpace, 'polyline');
  mark(area, 'class', 'area');
  node.append(area, line);
  const values = [];
  let addedAt = -Infinity;
  return {
    node,
    add(value) {
      // The page is told more often when events come; the line goes on once a second all the same.
      if (performance.now() - addedAt < 900) return;
      addedAt = performance.now();
      values.push(value);
      if (values.length > size) values.shift();
      if (values.length < 3) return;
      const top = Math.max(1, ...values);
      const points = values.map((one, at) => {
        const x = (at / (values.length - 1)) * 100;
        return `${x.toFixed(1)},${(22.5 - (one / top) * 20).toFixed(1)}`;
      });
      mark(line, 'points', points.join(' '));
      mark(area, 'd', `M0,24 L${points.join(' L')} L100,24 Z`);
    },
  };
}
