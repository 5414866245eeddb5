import { expect, test } from '@jest/globals';
import { alertsOf, changesBetween } from '../../../ops/telemetry/alerts.ts';
import type { Readings } from '../../../ops/telemetry/figures.ts';
import { bytes, duration, each, perSecond, seconds, whole } from '../../../ops/telemetry/quantities.ts';

type Numbers = Readonly<Record<string, readonly (readonly [value: number, attributes?: Record<string, string>])[]>>;

/** Readings of a leading server that is well, but for what is given. */
function readings(numbers: Numbers = {}, described: Partial<Readings['described']> = {}, startedAtMs = 1): Readings {
  const metrics = Object.fromEntries(
    Object.entries(numbers).map(([name, points]) => [
      name,
      points.map(([value, attributes = {}]) => ({ value, attributes })),
    ]),
  );
  const usual = { role: 'leading', shard: 0, node: undefined, pid: 1, version: '1', notReady: undefined } as const;
  const place = { epoch: 1, sequence: 1, block: 1 };
  return { atMs: 1, startedAtMs, described: { ...usual, ...place, ...described }, metrics };
}

function certificates(remaining: number): Numbers {
  return { 'veritape.certificate.remaining': [[remaining, { certificate: 'nats' }]] };
}

test('what is wrong now is told in words, and nothing else', () => {
  const well: Numbers = {
    'veritape.disagreements': [[0]],
    'veritape.nats.connected': [[1]],
    'veritape.drift': [[0, { watched: 'ackP99Ms' }]],
    'veritape.disk.free': [[11]],
    'veritape.disk.capacity': [[100]],
    'veritape.journal.size': [[10]],
    'veritape.journal.segments': [[2]],
    'veritape.clock.ahead': [[-0.9]],
    'veritape.prover.oldest': [[300]],
    'veritape.prover.target': [[300]],
    'veritape.backup.lag': [[1_200]],
    'veritape.backup.age': [[3_599]],
    'veritape.certificate.remaining': [[15 * 86_400, { certificate: 'nats' }]],
  };
  expect(alertsOf(readings(well))).toEqual([]);
  expect(alertsOf(readings())).toEqual([]);
  const idle = { 'veritape.backup.lag': [[0]], 'veritape.backup.age': [[99_999]] } as const;
  expect(alertsOf(readings({ ...well, ...idle }))).toEqual([]);
  const ill: [Numbers, Partial<Readings['described']>, RegExp][] = [
    [{}, { notReady: 'closing' }, /^not ready: closing$/],
    [{}, { role: 'fenced' }, /^fenced/],
    [{ 'veritape.disagreements': [[1]] }, {}, /disagree/],
    [{ 'veritape.nats.connected': [[0]] }, {}, /NATS/],
    [{ 'veritape.drift': [[1, { watched: 'ackP99Ms' }]] }, {}, /^ackP99Ms/],
    [{ 'veritape.disk.free': [[9]] }, {}, /9 B left/],
    [{ 'veritape.journal.size': [[12]] }, {}, /11 B left/],
    [{ 'veritape.clock.ahead': [[3_600]] }, {}, /1 h 0 min ahead of/],
    [{ 'veritape.clock.ahead': [[-2]] }, {}, /2 s behind/],
    [{ 'veritape.prover.oldest': [[600]] }, {}, /^proofs are behind: .* waited for 10 min$/],
    [{ 'veritape.backup.age': [[7_200]] }, {}, /^1,200 commands are in no backup: it is 2 h 0 min old$/],
    [{ 'veritape.backup.age': [] }, {}, /in no backup: there is none$/],
    [certificates(13.9 * 86_400), {}, /^the certificate of nats is valid for 13 d/],
    [certificates(-1), {}, /^the certificate of nats is not valid any more$/],
  ];
  for (const [numbers, described, told] of ill)
    expect(alertsOf(readings({ ...well, ...numbers }, described))).toEqual([expect.stringMatching(told)]);
});

test('what became otherwise is told once, with what it was', () => {
  const changes = (from: Readings, to: Readings): string[] => changesBetween(from, to);
  const bound = { bound: 'commitWindowMicros' };
  const before: Numbers = {
    'veritape.tuning.bound': [[200, bound]],
    'veritape.tuning.decisions': [[1, bound]],
    'veritape.replica.laps': [[0, { replica: '1' }]],
    'veritape.drift': [[0, { watched: 'ackP99Ms' }]],
    'veritape.nats.disconnects': [[0]],
    'veritape.snapshot.failures': [[0]],
  };
  expect(changes(readings(before), readings(before))).toEqual([]);
  const after: Numbers = {
    'veritape.tuning.bound': [[400, bound]],
    'veritape.tuning.decisions': [[2, bound]],
    'veritape.replica.laps': [[1, { replica: '1' }]],
    'veritape.drift': [[1, { watched: 'ackP99Ms' }]],
    'veritape.nats.disconnects': [[1]],
    'veritape.snapshot.failures': [[1]],
    'veritape.takeovers': [[1, { why: 'gone' }]],
  };
  expect(changes(readings(before, { role: 'standby' }), readings(after, { epoch: 2, notReady: 'closing' }))).toEqual([
    'role: standby, now leading',
    'epoch: 1, now 2',
    'not ready: closing',
    'took over: gone',
    'tuned: commitWindowMicros from 200 to 400',
    'replica 1 was lapped',
    'a snapshot could not be written: see the log',
    'the connection to NATS was lost',
    'ackP99Ms is several times its usual',
  ]);
  expect(changes(readings(after), readings({ ...after, 'veritape.drift': [[0, { watched: 'ackP99Ms' }]] }))).toEqual([
    'ackP99Ms is as usual again',
  ]);
  expect(changes(readings(after), readings(before, {}, 2))).toHaveLength(1);
});

test('numbers have units, and a dash stands for what is not known', () => {
  for (const told of [whole, perSecond, each, seconds, bytes, duration]) expect(told(undefined)).toBe('-');
  expect([whole(1234567), perSecond(0.25), each(1234.5), each(0)]).toEqual(['1,234,567', '0.3', '1,235/s', '0/s']);
  expect([2e-6, 9.996e-4, 0.0314, 0.9996, 12.3].map(seconds)).toEqual([
    '2.00 µs',
    '1.00 ms',
    '31.4 ms',
    '1.00 s',
    '12.3 s',
  ]);
  expect([0, 999, 999_600, 12_345_678].map(bytes)).toEqual(['0 B', '999 B', '1.00 MB', '12.3 MB']);
});
