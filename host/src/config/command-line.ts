/**
 * Splits one line into program and arguments at spaces. Single and double
 * quotes group words and a backslash keeps the next character (not inside
 * single quotes). Nothing is expanded: no shell reads the line.
 */
export function splitCommand(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let i = 0; i < line.length; i += 1) {
    const char = line.charAt(i);
    const next = line[i + 1];
    if (char === '\\' && quote !== "'" && (next === '"' || next === "'" || next === ' ' || next === '\\')) {
      word = (word ?? '') + next;
      i += 1;
    } else if (quote !== undefined) {
      if (char === quote) quote = undefined;
      else word = (word ?? '') + char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (char === ' ' || char === '\t' || char === '\n') {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}
