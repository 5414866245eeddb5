import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ProverCount, type ProverDecision, type ProvingTurn } from '../../../ops/proving/prover-count.ts';

const GIB = 2 ** 30;
const CALM: ProvingTurn = {
  backlogCommands: 0,
  oldestSeconds: 0,
  commandsPerSecond: 0,
  spanCommands: 1_000,
  spanSeconds: 10,
  memoryFree: 64 * GIB,
  memoryOfProver: 2 * GIB,
  venue: 'none',
};
/** Four spans, to be proven within twenty seconds: two provers. */
const BUSY: ProvingTurn = { ...CALM, backlogCommands: 4_000, oldestSeconds: 1 };

/** Plays turns as the one who carries decisions out does. */
class Played {
  readonly decisions: ProverDecision[] = [];
  provers: number;
  readonly count: ProverCount;

  constructor(min = 0, max = 4, behindSeconds = 21) {
    this.count = new ProverCount({ min, max }, behindSeconds);
    this.provers = min;
  }

  turns(turn: ProvingTurn, turns: number): number {
    for (let n = 0; n < turns; n++) {
      const decision = this.count.decide(turn, this.provers);
      if (decision === undefined) continue;
      expect(decision.from).toBe(this.provers);
      this.provers = decision.to;
      this.decisions.push(decision);
    }
    return this.provers;
  }
}

test('provers follow the backlog up, one by one, and down when it has been small for a while', () => {
  const played = new Played();
  expect(played.turns(CALM, 30)).toBe(0);
  expect(played.turns(BUSY, 1)).toBe(0);
  expect(played.turns(BUSY, 1)).toBe(1);
  expect(played.turns(BUSY, 100)).toBe(2);
  expect(played.turns({ ...BUSY, oldestSeconds: 12 }, 100)).toBe(4);
  expect(played.turns(CALM, 9)).toBe(4);
  expect(played.turns(CALM, 1)).toBe(0);
  expect(played.decisions.map(({ pauses }) => pauses)).not.toContain(true);
  expect(played.decisions[0]?.why).toBe(
    '4000 commands wait, the first for 1.0 s, 0 come in a second, a span takes 10 s: 2 provers would do',
  );
});

test('a load that goes back and forth does not change them', () => {
  const played = new Played();
  played.turns(BUSY, 10);
  for (let n = 0; n < 50; n++) {
    played.turns(CALM, 5);
    played.turns(BUSY, 5);
  }
  expect(played.decisions).toHaveLength(2);
});

test('as many as keep up with what comes, and none before a span is whole or its first command old', () => {
  const streaming = { ...CALM, backlogCommands: 900, commandsPerSecond: 250 };
  expect(new Played().turns(streaming, 50)).toBe(3);
  const few = { ...CALM, backlogCommands: 500 };
  expect(new Played().turns({ ...few, oldestSeconds: 10 }, 50)).toBe(0);
  expect(new Played().turns({ ...few, oldestSeconds: 11 }, 50)).toBe(1);
});

test('the venue comes first: one goes near its target, all that may at it, and they come back ever more slowly', () => {
  const played = new Played(1, 4);
  const at = (ackP99Ms: number): ProvingTurn => ({ ...BUSY, oldestSeconds: 12, venue: { ackP99Ms, targetMs: 10 } });
  expect(played.turns(at(2), 20)).toBe(4);
  expect(played.turns(at(7), 20)).toBe(4);
  expect(played.turns(at(8.5), 1)).toBe(3);
  expect(played.turns(at(11), 1)).toBe(1);
  expect(played.decisions.at(-1)).toEqual({
    from: 3,
    to: 1,
    pauses: true,
    why: "the venue's 99th percentile of acknowledgements is 11 ms, its target 10 ms: provers give way",
  });
  // Between room and nearness nothing changes, however long.
  expect(played.turns(at(7), 500)).toBe(1);
  expect(played.turns(at(2), 2)).toBe(2);
  const away: number[] = [];
  for (let n = 0; n < 8; n++) {
    played.turns(at(11), 1);
    for (let turns = 1; ; turns++) {
      if (played.turns(at(2), 1) === 1) continue;
      away.push(turns);
      break;
    }
  }
  expect(away.slice(0, 3)).toEqual([11, 21, 41]);
  expect(Math.max(...away)).toBe(321);
  // Who stayed for a minute has not come too early.
  played.turns(at(2), 100);
  played.turns(at(11), 1);
  expect(played.turns(at(2), 6)).toBe(2);
});

test('a venue that does not answer is given way to', () => {
  const played = new Played();
  played.turns(BUSY, 10);
  expect(played.turns({ ...BUSY, venue: 'silent' }, 1)).toBe(0);
  expect(played.turns({ ...BUSY, venue: 'silent' }, 100)).toBe(0);
  expect(played.decisions.at(-1)).toMatchObject({ pauses: true, why: 'the venue does not answer: provers give way' });
});

test('memory bounds them, and what they lack is named', () => {
  const tight = { ...BUSY, oldestSeconds: 22, memoryFree: 3 * GIB };
  const played = new Played();
  // What one holds is no longer free.
  expect(played.turns(tight, 2)).toBe(1);
  const full = { ...tight, memoryFree: GIB };
  expect(played.turns(full, 50)).toBe(1);
  expect(played.count.ceiling(full, 1)).toBe('memory');
  expect(played.count.ceiling({ ...full, oldestSeconds: 21 }, 1)).toBeUndefined();
  expect(played.count.ceiling(full, 4)).toBe('max');
  expect(played.count.ceiling({ ...tight, memoryFree: 64 * GIB, venue: 'silent' }, 1)).toBe('venue');
});

test('whatever happens they stay within their bounds, and equal ones fix them', () => {
  const amount = fc.integer({ min: 0, max: 100_000 });
  const turn = fc.record({
    backlogCommands: amount,
    oldestSeconds: fc.double({ min: 0, max: 1_000, noNaN: true }),
    commandsPerSecond: amount,
    spanCommands: fc.integer({ min: 1, max: 10_000 }),
    spanSeconds: fc.double({ min: 0.1, max: 100, noNaN: true }),
    memoryFree: fc.integer({ min: 0, max: 64 * GIB }),
    memoryOfProver: fc.constant(2 * GIB),
    venue: fc.oneof(
      fc.constantFrom('none' as const, 'silent' as const),
      fc.record({ ackP99Ms: fc.double({ min: 0, max: 20, noNaN: true }), targetMs: fc.constant(10) }),
    ),
  });
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 200 }), fc.nat(3), fc.nat(3), (turns, min, more) => {
      const played = new Played(min, min + more);
      for (const one of turns) {
        const provers = played.turns(one, 1);
        expect(provers >= min && provers <= min + more).toBe(true);
      }
      if (more === 0) expect(played.decisions).toEqual([]);
    }),
  );
});
