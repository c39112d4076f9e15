// A jest reporter: says which tests were skipped and why, and ends every run with one line,
// `N passed, N failed, N skipped`. With OUTRIGGER_TOTALS=<file> it writes the same as JSON.
import { writeFileSync, writeSync } from 'node:fs';
import { relative } from 'node:path';

const NAMES_SHOWN = 10;
const REASON = /\[skipped: (.*)\]/;

/** `{ file, reason, names }` rows: skipped tests of one file that share a reason. */
function skippedGroups(results, rootDir) {
  const groups = new Map();
  for (const suite of results.testResults) {
    const file = relative(rootDir, suite.testFilePath);
    for (const test of suite.testResults) {
      if (!['pending', 'todo', 'disabled', 'skipped'].includes(test.status)) continue;
      const titles = [...test.ancestorTitles, test.title];
      const reason = titles.map((title) => REASON.exec(title)?.[1]).find(Boolean) ?? '';
      const key = `${file}\n${reason}`;
      const group = groups.get(key) ?? { file, reason, names: [] };
      group.names.push(titles.join(' › '));
      groups.set(key, group);
    }
  }
  return [...groups.values()];
}

function groupLines({ file, reason, names }) {
  const head = `  ${file}: ${names.length} skipped`;
  if (reason) return [`${head}: ${reason}`];
  const more = names.length > NAMES_SHOWN ? [`    … and ${names.length - NAMES_SHOWN} more`] : [];
  return [`${head}, no reason given`, ...names.slice(0, NAMES_SHOWN).map((name) => `    ${name}`), ...more];
}

/** Totals of a run; a file that could not be run at all counts as one failure, or it would vanish from the line. */
function totalsOf(results) {
  return {
    passed: results.numPassedTests,
    failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
    skipped: results.numPendingTests + results.numTodoTests,
  };
}

export default class TotalsReporter {
  constructor(globalConfig) {
    this.globalConfig = globalConfig;
  }

  onRunComplete(_contexts, results) {
    const totals = totalsOf(results);
    const groups = skippedGroups(results, this.globalConfig.rootDir);
    const file = process.env.OUTRIGGER_TOTALS;
    if (file) writeFileSync(file, JSON.stringify({ ...totals, interrupted: results.wasInterrupted, groups }));
    const lines = [];
    // With -t every other test is "skipped": that is no news.
    if (groups.length > 0 && !this.globalConfig.testNamePattern)
      lines.push('', 'Skipped:', ...groups.flatMap(groupLines));
    lines.push('', `${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`, '');
    // jest's own summary comes after all reporters; the totals are to be the last line.
    process.once('exit', () => writeSync(1, lines.join('\n')));
  }
}
