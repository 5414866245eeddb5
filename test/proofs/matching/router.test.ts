import { expect, test } from '@jest/globals';
import { calibrate } from '../../../proofs/matching/calibration.ts';
import { type ProvingWorkload, type Route, type RoutingError, routeProving } from '../../../proofs/matching/router.ts';

/** About what a core of a server does. */
const CALIBRATION = { butterflyNs: 1.4, hashedBlockNs: 56 };
const GIB = 2 ** 30;
const USUAL: ProvingWorkload = {
  commands: 1_000_000,
  memoryMax: 4 * GIB,
  memoryTotal: 64 * GIB,
  cores: 8,
  small: false,
  hidden: false,
};

function routed(wishes: Partial<ProvingWorkload>): Route {
  return routeProving({ ...USUAL, ...wishes }, CALIBRATION).chosen;
}

function refusal(wishes: Partial<ProvingWorkload>): RoutingError {
  try {
    routed(wishes);
  } catch (error) {
    return error as RoutingError;
  }
  throw new Error('it was routed');
}

const decisions: [string, Partial<ProvingWorkload>, object][] = [
  [
    'a few commands fit the least height',
    { commands: 100 },
    { plan: { profile: 'standard', heightLog: 16 }, processes: 1, threads: 8, spans: 1 },
  ],
  [
    'hidden rows leave no room for the range table at the least height',
    { commands: 100, hidden: true },
    { plan: { heightLog: 17, hidden: true } },
  ],
  ['many commands keep all cores busy', {}, { plan: { profile: 'standard' }, processes: 4, threads: 2 }],
  ['a lax deadline changes nothing', { deadlineMs: 1e9 }, { plan: { profile: 'standard' } }],
  ['a tight deadline takes fast proofs', { deadlineMs: 40_000 }, { plan: { profile: 'fast' } }],
  [
    'small proofs are compact and high',
    { small: true, memoryMax: 64 * GIB, memoryTotal: 512 * GIB },
    { plan: { profile: 'compact', heightLog: 20 }, spans: 2 },
  ],
  [
    'small proofs in little memory are less high',
    { small: true, memoryMax: 1.5 * GIB },
    { plan: { profile: 'compact', heightLog: 19 } },
  ],
  ['small proofs in a hurry are not', { small: true, deadlineMs: 40_000 }, { plan: { profile: 'fast' } }],
  ['memory for all processes together bounds their number', { memoryTotal: 4 * GIB }, { processes: 2 }],
  [
    'what somebody chose is taken',
    { profile: 'compact', heightLog: 18, processes: 3, threads: 2, memoryMax: 64 * GIB },
    { plan: { profile: 'compact', heightLog: 18 }, processes: 3, threads: 2 },
  ],
  [
    'proofs chain with the one beside them',
    { neighbor: { profile: 'fast', hidden: false, heightLog: 17 } },
    { plan: { profile: 'fast', heightLog: 17 } },
  ],
  [
    'what somebody chose comes before chaining',
    { neighbor: { profile: 'fast', hidden: false, heightLog: 17 }, profile: 'standard' },
    { plan: { profile: 'standard' } },
  ],
  [
    'nothing chains with a proof that hides differently',
    { commands: 100, neighbor: { profile: 'fast', hidden: true, heightLog: 17 } },
    { plan: { profile: 'standard', heightLog: 16 } },
  ],
];

test.each(decisions)('%s', (_, wishes, expected) => {
  expect(routed(wishes)).toMatchObject(expected);
});

test('a wish that cannot be met is named, with what would do', () => {
  const memory = refusal({ memoryMax: GIB / 4 });
  expect(memory).toMatchObject({
    wish: 'memory',
    message: expect.stringMatching(/standard, 2\^16 rows.* needs least, \d+M$/),
  });
  const [, megabytes] = /(\d+)M$/.exec(memory.message) ?? [];
  expect(routed({ memoryMax: Number(megabytes) * 2 ** 20 }).plan.heightLog).toBe(16);

  const deadline = refusal({ deadlineMs: 5_000 });
  expect(deadline).toMatchObject({
    wish: 'deadline',
    message: expect.stringMatching(/--deadline \d+, or about \d+ commands/),
  });
  const [, seconds, commands] = /--deadline (\d+), or about (\d+)/.exec(deadline.message) ?? [];
  expect(routed({ deadlineMs: Number(seconds) * 1000 }).spans).toBeGreaterThan(1);
  expect(Number(commands)).toBeLessThan(USUAL.commands);

  expect(refusal({ hidden: true, heightLog: 16 })).toMatchObject({
    wish: 'height',
    message: 'must be at least 17 with --hide',
  });
  const neighbor = { profile: 'compact', hidden: false, heightLog: 16 } as const;
  expect(refusal({ neighbor, deadlineMs: 10_000 }).message).toContain('--profile fast, whose proofs do not chain');
});

/** The quickest among about equals may be a tenth slower. */
const TOLERANCE = 1.1;

test('more memory, more cores and fewer commands never make a plan slower, nor small proofs larger', () => {
  const workloads: Partial<ProvingWorkload>[] = [{}, { profile: 'fast' }, { heightLog: 17 }];
  for (const workload of workloads) {
    for (const commands of [50, 2_000_000]) {
      const series = {
        memoryMax: [2, 3, 8].map((size) => ({ ...workload, commands, memoryMax: size * GIB })),
        cores: [1, 2, 4, 8, 16].map((cores) => ({ ...workload, commands, cores })),
        commands: [4, 3, 2, 1].map((times) => ({ ...workload, commands: commands * times })),
      };
      for (const steps of Object.values(series)) {
        let quickest = Number.POSITIVE_INFINITY;
        let smallest = Number.POSITIVE_INFINITY;
        for (const step of steps) {
          const { timeMs } = routed({ memoryMax: 2 * GIB, ...step });
          expect(timeMs).toBeLessThanOrEqual(quickest * TOLERANCE);
          quickest = Math.min(quickest, timeMs);
          const { bytes } = routed({ memoryMax: 2 * GIB, ...step, small: true });
          expect(bytes).toBeLessThanOrEqual(smallest);
          smallest = bytes;
        }
      }
    }
  }
});

test('a longer deadline never turns standard proofs into fast ones, and one that was met still is', () => {
  const rank = { fast: 0, standard: 1, compact: 2 };
  let before = -1;
  for (let deadlineMs = 1_000; deadlineMs < 200_000; deadlineMs *= 1.1) {
    try {
      const { plan, timeMs } = routed({ deadlineMs });
      expect(timeMs).toBeLessThan(deadlineMs);
      expect(rank[plan.profile]).toBeGreaterThanOrEqual(before);
      before = rank[plan.profile];
    } catch (error) {
      expect(error).toMatchObject({ wish: 'deadline' });
      expect(before).toBe(-1);
    }
  }
  expect(before).toBe(rank.standard);
});

test('this machine can be calibrated', () => {
  const { butterflyNs, hashedBlockNs } = calibrate();
  expect(butterflyNs).toBeGreaterThan(0);
  expect(hashedBlockNs).toBeGreaterThan(0);
});
