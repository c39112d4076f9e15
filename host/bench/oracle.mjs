// What the oracle plugin says is a function of the question alone, so that an
// answer can be checked without asking anybody.

/** The piece at an index: a hash of seed and index. */
export function piece(seed, index) {
  let hash = (seed ^ 0x9e3779b9) + index * 0x85ebca6b;
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return ((hash ^ (hash >>> 15)) >>> 0).toString(36);
}

/** Why an answer (pieces of the form `index:hash:pid`) is not the oracle's, or undefined; and who gave it. */
export function check(text, seed, pieces) {
  const parts = text.split(' ').filter((part) => part !== '');
  if (parts.length !== pieces) return { wrong: `${parts.length} pieces of ${pieces}` };
  const pids = new Set();
  for (const [index, part] of parts.entries()) {
    const [at, hash, pid] = part.split(':');
    if (at !== String(index) || hash !== piece(seed, index)) return { wrong: `piece ${index} is ${part}` };
    pids.add(pid);
  }
  if (pids.size !== 1) return { wrong: `answered by processes ${[...pids].join(' and ')}` };
  return { pid: Number([...pids][0]) };
}
