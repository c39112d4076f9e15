const longest = 128;

/**
 * Edit distance between two words, a swap of neighbours counted as one edit.
 * Words are cut to 128 characters, so the cost has a bound.
 */
export function editDistance(left: string, right: string): number {
  const a = left.slice(0, longest);
  const b = right.slice(0, longest);
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

// Spelling differences nobody means: case, `_`, `-` and spaces.
const plain = (word: string) =>
  word
    .slice(0, longest)
    .toLowerCase()
    .replace(/[\s_-]/g, '');

/**
 * The candidates that `word` was probably meant to be, best first, at most
 * `count`. A candidate qualifies when about a third of the letters differ at
 * most, or when one of the two is the beginning or the last path segment of
 * the other (`qwen3` and `server/qwen3:8b`). Only the first 5,000 are compared.
 */
export function nearestAll(word: string, candidates: Iterable<string>, count = 3): string[] {
  const wanted = plain(word);
  if (wanted === '') return [];
  const limit = Math.max(1, Math.floor(wanted.length / 3));
  const scored: { candidate: string; score: number }[] = [];
  let seen = 0;
  for (const candidate of candidates) {
    seen += 1;
    if (seen > 5000) break;
    const other = plain(candidate);
    const tail = other.slice(other.lastIndexOf('/') + 1);
    const distance = Math.min(editDistance(wanted, other), editDistance(wanted, tail) + 0.25);
    const contained =
      wanted.length >= 3 && tail.length >= 3 && (tail.startsWith(wanted) || wanted.startsWith(tail));
    if (distance <= limit) scored.push({ candidate, score: distance });
    else if (contained) scored.push({ candidate, score: limit + 0.5 });
  }
  scored.sort((x, y) => x.score - y.score || (x.candidate < y.candidate ? -1 : 1));
  return scored.slice(0, count).map(({ candidate }) => candidate);
}

/** The one candidate that `word` was most probably meant to be, if any is near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  return nearestAll(word, candidates, 1)[0];
}
