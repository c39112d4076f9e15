/** Keys from the root of the configuration to one value. */
export type ConfigPath = readonly (string | number)[];

/** A tree of plain values as parsed from a file. */
export type Tree = Record<string, unknown>;

/** Whether a value is a plain object, not a list and not null. */
export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `['plugins', 'a', 'command', 0]` as `plugins.a.command.0`. */
export function dotted(path: ConfigPath): string {
  return path.join('.');
}

/** The value at a path, or undefined where the path leads nowhere. */
export function valueAt(root: unknown, path: ConfigPath): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value;
}

/** Puts a value at a path and makes the objects on the way. Whatever is no object on the way is replaced. */
export function setAt(root: Tree, path: ConfigPath, value: unknown): void {
  let node = root;
  path.forEach((key, index) => {
    const child = Object.hasOwn(node, key) ? node[key] : undefined;
    const next = isTree(child) ? child : {};
    define(node, key, index === path.length - 1 ? value : next);
    node = next;
  });
}

/** Sets a key as an own one, whatever its name: `__proto__` must not reach the prototype of all objects. */
export function define(node: Tree, key: string | number, value: unknown): void {
  Object.defineProperty(node, key, { value, enumerable: true, writable: true, configurable: true });
}

/** A copy of a tree in which `replace` has seen every value that is neither object nor list. */
export function mapLeaves(
  value: unknown,
  replace: (leaf: unknown, path: ConfigPath) => unknown,
  path: ConfigPath = [],
): unknown {
  if (Array.isArray(value)) return value.map((item, index) => mapLeaves(item, replace, [...path, index]));
  if (!isTree(value)) return replace(value, path);
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, mapLeaves(item, replace, [...path, key])]),
  );
}
