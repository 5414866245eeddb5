import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

/*
 * node bin/test-results.js again FIRST
 * node bin/test-results.js count FAILED_CHECKS FIRST [SECOND]
 *
 * Reads what Jest reported as JSON. `again` prints the test files that failed and may be run once more, by themselves: those
 * which start servers and processes and share two cores with others. It prints nothing if more of them failed than a busy
 * machine explains, or one that depends on nothing but its own code. `count` says which files needed the second run, and ends
 * with the line `N passed, N failed`, in which a failed check counts like a failed test.
 */

const AGAIN_MAX = 3;
/** What runs here is the same every time, or a fault. */
const DETERMINISTIC = ['test/journal/', 'test/replicas/', 'test/proofs/', 'test/tidy/'];

const [task, ...rest] = process.argv.slice(2);
if (task === 'again') {
  for (const file of runAgain(rest[0])) print(file);
} else if (task === 'count') {
  count(...rest);
} else {
  process.stderr.write('usage: node bin/test-results.js again FIRST | count FAILED_CHECKS FIRST [SECOND]\n');
  process.exitCode = 2;
}

function runAgain(first) {
  const failed = failedFiles(suites(first));
  const isMachine = (file) => !DETERMINISTIC.some((folder) => file.startsWith(folder));
  return failed.length <= AGAIN_MAX && failed.every(isMachine) ? failed : [];
}

function count(failedChecks, first, second) {
  const once = suites(first);
  const all = new Map([...once, ...suites(second)]);
  for (const file of failedFiles(once)) {
    if (!failedFiles(all).includes(file)) print(`second look: ${file} failed beside others and passed by itself`);
  }
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { status, assertionResults } of all.values()) {
    // A file that could not be run has no tests, and is a failure.
    if (status === 'failed' && !assertionResults.some((one) => one.status === 'failed')) counts.failed++;
    for (const one of assertionResults) {
      if (one.status === 'passed') counts.passed++;
      else if (one.status === 'failed') counts.failed++;
      else counts.skipped++;
    }
  }
  if (once.size === 0) print('no result of the tests: they were ended after their time or could not start');
  // The step that ran the tests has failed with them; a check beside them adds one.
  counts.failed += Math.max(0, Number(failedChecks) - (counts.failed > 0 ? 1 : 0));
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
  print(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
  process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0;
}

/** By path from the project's root; none without a report. */
function suites(report) {
  try {
    const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
    return new Map(testResults.map((suite) => [relative(process.cwd(), suite.name), suite]));
  } catch {
    return new Map();
  }
}

function failedFiles(results) {
  return [...results].filter(([, { status }]) => status === 'failed').map(([file]) => file);
}

function print(line) {
  process.stdout.write(`${line}\n`);
}
