import { expect, test } from '@jest/globals';
import { ReplicaCount, type ReplicaDecision, type ReplicaTurn } from '../../../ops/tuning/replica-count.ts';

const TARGET_MS = 10;
const BUSY_THREADS = 6;
const CALM: ReplicaTurn = {
  commandsPerSecond: 10_000,
  acknowledged: 10_000,
  ackP99Ms: 2,
  busyShare: 0.3,
  cores: 2,
  lagCommands: 0,
  asideCommands: 0,
  asideShare: 0,
};
const MISSED: ReplicaTurn = { ...CALM, ackP99Ms: 20, busyShare: 1 };

/** Plays turns as the one who carries decisions out does. */
class Played {
  readonly decisions: ReplicaDecision[] = [];
  readonly count: ReplicaCount;
  atWork: number;

  constructor(min = 2, max = 3, targetMs: number | undefined = TARGET_MS) {
    this.count = new ReplicaCount({ min, max }, targetMs, BUSY_THREADS);
    this.atWork = max;
  }

  turns(turn: ReplicaTurn, turns: number, mayTry = true): number {
    for (let n = 0; n < turns; n++) {
      const decision = this.count.decide(turn, this.atWork, mayTry);
      if (decision === undefined) continue;
      this.atWork = decision.to;
      this.decisions.push(decision);
    }
    return this.atWork;
  }
}

test('one is set aside when the target is missed for want of cores, and comes back when there is time', () => {
  const played = new Played();
  expect(played.turns(MISSED, 2)).toBe(3);
  expect(played.turns(MISSED, 1)).toBe(2);
  expect(played.decisions.at(-1)?.why).toBe(
    'the 99th percentile of acknowledgements is 20 ms, the target 10 ms, with 2 cores: one replica waits',
  );
  // It helped, so it is kept; and no more than may be are set aside.
  expect(played.turns({ ...MISSED, ackP99Ms: 15 }, 50)).toBe(2);
  const little = { ...CALM, asideCommands: 5_000, asideShare: 0.1 };
  expect(played.turns({ ...little, busyShare: 0.7 }, 50)).toBe(2);
  expect(played.turns(little, 4)).toBe(2);
  expect(played.turns(little, 1)).toBe(3);
  expect(played.decisions.at(-1)?.why).toBe('there is time to make up for 5000 commands');
  expect(played.turns(CALM, 100)).toBe(3);
});

test('nothing to do is time, too', () => {
  const played = new Played();
  played.turns(MISSED, 3);
  expect(played.turns({ ...CALM, acknowledged: 0, ackP99Ms: 0, busyShare: 0 }, 10)).toBe(3);
});

test('what does not help is taken back, and not tried again for a minute at this load', () => {
  const played = new Played();
  expect(played.turns(MISSED, 5)).toBe(2);
  expect(played.count.isTrying).toBe(true);
  expect(played.turns(MISSED, 1)).toBe(3);
  expect(played.decisions.at(-1)?.why).toBe('with one fewer it is 20 ms, which does not help');
  expect(played.turns(MISSED, 59)).toBe(3);
  expect(played.turns(MISSED, 2)).toBe(2);
  played.turns(MISSED, 3);
  // Another load is another matter.
  expect(played.turns({ ...MISSED, commandsPerSecond: 20_000 }, 2)).toBe(2);
});

test('it is nobody’s want of cores when there are more of them than busy threads, or few acknowledgements', () => {
  const roomy = { ...MISSED, busyShare: 0.5, cores: BUSY_THREADS };
  expect(new Played().turns(roomy, 100)).toBe(3);
  expect(new Played().turns({ ...roomy, cores: BUSY_THREADS - 1 }, 3)).toBe(2);
  expect(new Played().turns({ ...roomy, busyShare: 0.95 }, 3)).toBe(2);
  expect(new Played().turns({ ...MISSED, acknowledged: 199 }, 100)).toBe(3);
  expect(new Played().turns(MISSED, 100, false)).toBe(3);
});

test('it comes back before it is too far behind, and none goes again before it has made up for that', () => {
  const played = new Played(1, 3);
  expect(played.turns(MISSED, 3)).toBe(2);
  expect(played.turns({ ...MISSED, ackP99Ms: 14 }, 4)).toBe(1);
  expect(played.turns({ ...MISSED, ackP99Ms: 11 }, 50)).toBe(1);
  expect(played.turns({ ...MISSED, ackP99Ms: 11, asideCommands: 2_000_000, asideShare: 1 }, 1)).toBe(3);
  expect(played.decisions.at(-1)?.why).toBe('2000000 commands behind is the most that a replica may be');
  const behind = { ...MISSED, lagCommands: 65_536 };
  expect(played.turns(behind, 200)).toBe(3);
  expect(played.turns({ ...behind, lagCommands: 65_535 }, 1)).toBe(2);
});

test('one that has to go again soon stays for longer each time', () => {
  const played = new Played();
  const calm: number[] = [];
  for (let n = 0; n < 7; n++) {
    played.turns(MISSED, 3);
    played.turns({ ...MISSED, ackP99Ms: 12 }, 3);
    for (let turns = 1; ; turns++) {
      if (played.turns(CALM, 1) === 2) continue;
      calm.push(turns);
      break;
    }
  }
  expect(calm).toEqual([5, 10, 20, 40, 80, 160, 160]);
  played.turns(CALM, 60);
  played.turns(MISSED, 3);
  played.turns({ ...MISSED, ackP99Ms: 12 }, 3);
  expect(played.turns(CALM, 5)).toBe(3);
});

test('without a target, or with equal bounds, all stay', () => {
  expect(new ReplicaCount({ min: 1, max: 3 }, undefined, BUSY_THREADS).decide(MISSED, 3, true)).toBeUndefined();
  expect(new Played(3, 3).turns(MISSED, 100)).toBe(3);
});
