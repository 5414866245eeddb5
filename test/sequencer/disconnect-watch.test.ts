import { expect, test } from '@jest/globals';
import { CANCEL_AFTER_MS_MAX, CANCEL_AFTER_MS_MIN, DisconnectWatch } from '../../sequencer/disconnect-watch.ts';
import { type Principal, Principals } from '../../sequencer/principals.ts';

const principals = new Principals('veritape.0.alive');

function principal(name: string): Principal {
  const found = principals.of(`veritape.0.alive.${name}`);
  if (found === undefined) throw new Error(name);
  return found;
}

const ALICE = principal('alice.7');
const BROKER = principal('broker.7');

/** Looks at every given time; says who was found to be gone, and when. */
function looks(watch: DisconnectWatch, ...times: number[]): [number, string][] {
  return times.flatMap((ms) => watch.expired(ms).map(({ key }): [number, string] => [ms, key]));
}

test('whoever is silent for as long as it said is gone, once', () => {
  const watch = new DisconnectWatch();
  expect(watch.alive(ALICE, 1_000, 0)).toEqual({ cancelAfterMs: 1_000, canceledAt: 0 });
  expect(watch.alive(BROKER, 2_000, 0)).toEqual({ cancelAfterMs: 2_000, canceledAt: 0 });
  expect(watch.size).toBe(2);
  expect(looks(watch, 500, 999, 1_000, 1_050, 1_100, 1_950, 2_000, 2_050, 9_000)).toEqual([
    [1_050, 'alice.7'],
    [2_050, 'broker.7'],
  ]);
  expect(watch.size).toBe(0);
});

test('what it sends in time puts the time off, and so does any request', () => {
  const watch = new DisconnectWatch();
  watch.alive(ALICE, 1_000, 0);
  watch.heard(ALICE, 900);
  watch.heard(BROKER, 1_800);
  expect(looks(watch, 1_000, 1_050, 1_899)).toEqual([]);
  watch.alive(ALICE, 1_000, 1_890);
  expect(looks(watch, 2_000, 2_889, 2_890, 2_891)).toEqual([[2_891, 'alice.7']]);
});

test('a server that stood still hears first what waited to be read', () => {
  const watch = new DisconnectWatch();
  watch.alive(ALICE, 1_000, 0);
  expect(looks(watch, 60_000)).toEqual([]);
  watch.heard(ALICE, 60_001);
  expect(looks(watch, 60_050, 60_100)).toEqual([]);
  // The look at which it was late does not count any more.
  expect(looks(watch, 61_001, 61_051)).toEqual([[61_051, 'alice.7']]);
});

test('zero ends it, and asking anew begins it', () => {
  const watch = new DisconnectWatch();
  watch.alive(ALICE, 1_000, 0);
  expect(watch.alive(ALICE, 0, 10)).toEqual({ cancelAfterMs: 0, canceledAt: 0 });
  expect([watch.size, looks(watch, 5_000, 5_050)]).toEqual([0, []]);
  watch.alive(ALICE, 500, 6_000);
  expect(looks(watch, 6_500, 6_550)).toEqual([[6_550, 'alice.7']]);
  watch.canceled(ALICE, 77);
  expect(watch.alive(ALICE, 500, 7_000)).toEqual({ cancelAfterMs: 500, canceledAt: 77 });
  expect(watch.size).toBe(1);
});

test.each([-1, 1, CANCEL_AFTER_MS_MIN - 1, 1_000.5, CANCEL_AFTER_MS_MAX + 1, Number.NaN, Number.POSITIVE_INFINITY])(
  '%d ms is refused by name, and what was asked before stays',
  (cancelAfterMs) => {
    const watch = new DisconnectWatch();
    watch.alive(ALICE, 1_000, 0);
    expect(watch.alive(ALICE, cancelAfterMs, 900)).toMatchObject({ error: 'malformed', field: 'cancelAfterMs' });
    expect(looks(watch, 1_000, 1_050)).toEqual([[1_050, 'alice.7']]);
  },
);

test('more than it can watch are refused, until one of them leaves', () => {
  const watch = new DisconnectWatch();
  for (let account = 0; account < 65_536; account++) watch.alive(principal(`many.${account}`), 1_000, 0);
  expect(watch.alive(ALICE, 1_000, 0)).toMatchObject({ error: 'busy', value: 65_536 });
  watch.alive(principal('many.3'), 0, 0);
  expect(watch.alive(ALICE, 1_000, 0)).toEqual({ cancelAfterMs: 1_000, canceledAt: 0 });
  expect(watch.size).toBe(65_536);
});
