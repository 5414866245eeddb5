import { expect, test } from '@jest/globals';
import { REPORTS_SHA256 } from '../../bench/challenge-reports.ts';
import { generateWorkload, SCENARIO_NAMES } from '../../bench/challenge-workload.ts';
import { NPM_PEER_NAMES, peerReports } from '../../bench/peer-books.ts';
import { inSteps, takeYardstick, yardstickOf } from '../../bench/yardstick.ts';

/** All five scenarios, and not one alone. */
const LONG = process.env['VERITAPE_CHALLENGE'] === 'long';
/** Some ten seconds on an idle machine. */
const FULL_SIZE_MS_MAX = 180_000;
/** What the reference loop comes to. Another value means another loop, and every recorded ratio is worthless. */
const REFERENCE_CHECKSUM = 2_362_242_818;

test('the reference loop is the one that all records were made with', async () => {
  const taken = await takeYardstick();
  expect(taken.checksum).toBe(REFERENCE_CHECKSUM);
  expect(taken.stepNs).toBeGreaterThan(0);
  expect(taken.naivePerSecond).toBeGreaterThan(0);
});

test.each(LONG ? SCENARIO_NAMES : (['flash-crash'] as const))(
  '%s: the naive book comes to the published reports',
  (scenario) => expect(peerReports('naive', generateWorkload({ scenario }))).toBe(REPORTS_SHA256[scenario]),
  FULL_SIZE_MS_MAX,
);

test.each(NPM_PEER_NAMES)('%s comes to the reports of the naive book, by way of every kind of message', (name) => {
  const workload = generateWorkload({ scenario: 'swing-40', newOrders: 2_000 });
  expect(peerReports(name, workload)).toBe(peerReports('naive', workload));
});

test('a rate is told per step of the loop, a time in steps', () => {
  const taken = [40, 60, 50].map((stepNs) => ({ stepNs, checksum: 0, naivePerSecond: 2e6 }));
  const yardstick = yardstickOf(taken);
  expect(yardstick).toEqual({ stepNs: 50, naivePerSecond: 2e6, taken: 3, spread: 1.5 });
  expect(inSteps(10e6, 'messages/s', yardstick)).toBeCloseTo(0.5);
  expect(inSteps(100, 'ns', yardstick)).toBeCloseTo(2);
  expect(inSteps(1, 'µs', yardstick)).toBeCloseTo(20);
  expect(inSteps(1, 'bytes/order', yardstick)).toBeUndefined();
});
