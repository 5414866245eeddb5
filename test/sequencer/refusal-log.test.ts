import { expect, test } from '@jest/globals';
import type { Refusal } from '../../sequencer/messages.ts';
import { RefusalLog, type ToldRefusal } from '../../sequencer/refusal-log.ts';

const REFUSAL: Refusal = { error: 'unauthorized', field: 'session', value: 5, rule: 'an open session' };

test('so many are told at once, then one a second, and every one is counted', () => {
  const told: ToldRefusal[] = [];
  let nowMs = 0;
  const log = new RefusalLog(
    (refusal) => told.push(refusal),
    () => nowMs,
  );
  for (let count = 0; count < 1_000; count++) log.note(REFUSAL, 'veritape.0.submit', undefined, 7);
  expect(told).toHaveLength(16);
  // Another kind has its own measure.
  log.note({ ...REFUSAL, error: 'malformed' }, 'veritape.0.submit', undefined, undefined);
  expect(told).toHaveLength(17);
  nowMs = 999;
  log.note(REFUSAL, 'veritape.0.submit', undefined, 7);
  nowMs = 1_000;
  log.note(REFUSAL, 'veritape.0.submit', undefined, 7);
  log.note(REFUSAL, 'veritape.0.submit', undefined, 7);
  expect(told).toHaveLength(18);
  expect(told.at(-1)).toEqual({
    ...{ subject: 'veritape.0.submit', identity: undefined, account: 7 },
    ...{ error: 'unauthorized', field: 'session', value: 5, rule: 'an open session', untold: 985 },
  });
  expect(log.counts).toEqual({ unauthorized: 1_003, malformed: 1 });
});

test('what clients chose is told short', () => {
  const told: ToldRefusal[] = [];
  const log = new RefusalLog(
    (refusal) => told.push(refusal),
    () => 0,
  );
  log.note({ ...REFUSAL, value: 'v'.repeat(5_000) }, 's'.repeat(5_000), undefined, undefined);
  expect([told[0]?.subject.length, String(told[0]?.value).length]).toEqual([129, 129]);
});
