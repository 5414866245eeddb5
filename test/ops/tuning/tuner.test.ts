import { expect, test } from '@jest/globals';
import { Drift, type DriftAlert, WATCHED } from '../../../ops/tuning/drift.ts';
import {
  type Decision,
  REPLAY_COMMANDS_PER_SECOND,
  SNAPSHOT_STEP,
  snapshotEveryFor,
  Tuner,
  type TuningObjective,
  type TuningTurn,
} from '../../../ops/tuning/tuner.ts';
import {
  SPINS_FEW_CORES,
  SPINS_MANY_CORES,
  type TunedBound,
  TunedBounds,
  type TunedValues,
} from '../../../sequencer/tuned-bounds.ts';

const BUSY_THREADS = 5;

/** What a pipeline would show at a commit window, in microseconds. */
type Pipeline = (values: TunedValues) => Partial<TuningTurn>;

/** Plays turns against a pipeline that a function describes. */
class Played {
  readonly decisions: Decision[] = [];
  readonly #bounds = new TunedBounds(TunedBounds.allocate());
  readonly #tuner: Tuner;
  pipeline: Pipeline;

  constructor(
    objective: TuningObjective,
    pipeline: Pipeline,
    fixed: TunedBound[] = [],
    values: Partial<TunedValues> = {},
    replicas = { min: 2, max: 2 },
  ) {
    this.#tuner = new Tuner(objective, new Set(fixed), BUSY_THREADS, replicas);
    this.pipeline = pipeline;
    const begin = {
      commitWindowMicros: 0,
      spins: SPINS_FEW_CORES,
      snapshotEvery: 1_000_000,
      replicas: replicas.max,
      ...values,
    };
    for (const [bound, value] of Object.entries(begin)) this.#bounds.set(bound as TunedBound, value);
  }

  get values(): TunedValues {
    return this.#bounds.values();
  }

  turns(count: number): Decision[] {
    const before = this.decisions.length;
    for (let turn = 0; turn < count; turn++) {
      const usual = {
        commandsPerSecond: 10_000,
        acknowledged: 10_000,
        ackP99Ms: 1,
        cpuNsPerCommand: 10_000,
        busyShare: 0.3,
        cores: 2,
        lagCommands: 0,
        asideCommands: 0,
        asideShare: 0,
      };
      for (const decision of this.#tuner.decide({ ...usual, ...this.pipeline(this.values) }, this.values)) {
        this.decisions.push(decision);
        this.#bounds.set(decision.bound, decision.to);
      }
    }
    return this.decisions.slice(before);
  }
}

/** Waiting costs latency and saves flushes. */
const saving: Pipeline = ({ commitWindowMicros }) => ({
  ackP99Ms: 1 + (commitWindowMicros / 1000) * 1.5,
  cpuNsPerCommand: 10_000 / (1 + commitWindowMicros / 1000),
});

test('the commit window grows to what the target leaves room for, and no further', () => {
  const played = new Played({ ackTargetMs: 10 }, saving);
  played.turns(40);
  const window = played.values.commitWindowMicros;
  expect(window).toBe(4000);
  expect(played.turns(40)).toEqual([]);
  expect(played.decisions[0]).toMatchObject({ from: 0, to: 1000, why: expect.stringContaining('the target 10 ms') });
});

test('without a target the commit window stays, and so does one that somebody set', () => {
  expect(new Played({}, saving).turns(40)).toEqual([]);
  expect(new Played({ ackTargetMs: 10 }, saving, ['commitWindowMicros']).turns(40)).toEqual([]);
});

test('a longer window that saves nothing is taken back, and not tried again soon', () => {
  const played = new Played({ ackTargetMs: 10 }, () => ({ cpuNsPerCommand: 10_000 }));
  const decisions = played.turns(40);
  expect(decisions.map(({ to }) => to)).toEqual([1000, 0]);
  expect(decisions[1]?.why).toContain('too little');
  // Another load is another matter.
  played.pipeline = (values) => ({ ...saving(values), commandsPerSecond: 100_000, acknowledged: 100_000 });
  expect(played.turns(8).length).toBeGreaterThan(0);
});

test('over the target blocks wait less', () => {
  const played = new Played({ ackTargetMs: 10 }, saving);
  played.turns(40);
  // The disk has become slower.
  played.pipeline = (values) => ({ ...saving(values), ackP99Ms: 8 + values.commitWindowMicros / 1000 });
  played.turns(40);
  expect(played.values.commitWindowMicros).toBe(2000);
});

test('a shorter window that makes it worse is taken back', () => {
  const fewFlushesHelp: Pipeline = ({ commitWindowMicros }) => ({ ackP99Ms: commitWindowMicros >= 2000 ? 12 : 30 });
  const played = new Played({ ackTargetMs: 10 }, fewFlushesHelp, [], { commitWindowMicros: 2000 });
  const decisions = played.turns(20);
  expect(decisions.map(({ to }) => to)).toEqual([1000, 2000]);
  expect(decisions[1]?.why).toContain('more than before');
});

test('cores without time get larger blocks, if that helps', () => {
  const starved: Pipeline = ({ commitWindowMicros }) => ({
    busyShare: 0.97,
    ackP99Ms: commitWindowMicros >= 1000 ? 9 : 40 - commitWindowMicros / 100,
  });
  const played = new Played({ ackTargetMs: 10 }, starved, ['spins']);
  played.turns(20);
  expect(played.values.commitWindowMicros).toBeGreaterThanOrEqual(1000);
  const helpless = new Played({ ackTargetMs: 10 }, ({ commitWindowMicros }) => ({
    busyShare: 0.97,
    ackP99Ms: 40 + commitWindowMicros / 100,
  }));
  expect(helpless.turns(20).map(({ to }) => to)).toEqual([1000, 0]);
});

test('a turn with few answers decides nothing', () => {
  const played = new Played({ ackTargetMs: 10 }, (values) => ({ ...saving(values), acknowledged: 10 }));
  expect(played.turns(40)).toEqual([]);
});

test('who looks around for work does so on cores of its own only', () => {
  const played = new Played({}, () => ({ cores: 16 }));
  expect(played.turns(3).map(({ to }) => to)).toEqual([SPINS_MANY_CORES]);
  played.pipeline = () => ({ cores: 4 });
  const lost = played.turns(3);
  expect(lost).toMatchObject([{ bound: 'spins', to: SPINS_FEW_CORES, why: expect.stringContaining('4 cores') }]);
  expect(new Played({}, () => ({ cores: 16 }), ['spins']).turns(3)).toEqual([]);
});

test('with a target nobody looks around while it is held, and everybody does while it is missed', () => {
  const spins = { spins: SPINS_MANY_CORES };
  const held = new Played({ ackTargetMs: 10 }, () => ({ cores: 16 }), ['commitWindowMicros'], spins);
  expect(held.turns(3).map(({ to }) => to)).toEqual([SPINS_FEW_CORES]);
  held.pipeline = () => ({ cores: 16, ackP99Ms: 12 });
  expect(held.turns(3).map(({ to }) => to)).toEqual([SPINS_MANY_CORES]);
});

test('snapshots are as frequent as costs little, and never rarer than the restart allows', () => {
  const most = snapshotEveryFor(10);
  expect(most).toBeLessThanOrEqual(10 * REPLAY_COMMANDS_PER_SECOND);
  expect(most * 2).toBeGreaterThan(10 * REPLAY_COMMANDS_PER_SECOND);
  expect(snapshotEveryFor(0.001)).toBe(SNAPSHOT_STEP);
  const costly = { snapshot: { encodeMs: 500, sinceMs: 10_000 } };
  const cheap = { snapshot: { encodeMs: 1, sinceMs: 10_000 } };
  const played = new Played({ restartTargetSeconds: 10 }, () => cheap, [], { snapshotEvery: most });
  played.turns(60);
  expect(played.values.snapshotEvery).toBe(SNAPSHOT_STEP);
  played.pipeline = () => costly;
  played.turns(60);
  expect(played.values.snapshotEvery).toBe(most);
  played.pipeline = () => ({});
  expect(played.turns(10)).toEqual([]);
  expect(new Played({}, () => costly).turns(10)).toEqual([]);
});

test('bounds refuse what is out of range', () => {
  const bounds = new TunedBounds(TunedBounds.allocate());
  expect(() => bounds.set('commitWindowMicros', 20_001)).toThrow(
    'commitWindowMicros: 20001 must be a whole number from 0 to 20000',
  );
  expect(bounds.changes).toBe(0);
});

const QUIET = { ackP99Ms: 4, durableP50Ms: 1, appliedP99Ms: 0.5, lagCommands: 100 };

function watched(drift: Drift, turns: number, values: Partial<typeof QUIET> = {}, load = 10_000): DriftAlert[] {
  const alerts: DriftAlert[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const noise = 1 + ((turn * 7919) % 13) / 40;
    const ackP99Ms = (values.ackP99Ms ?? QUIET.ackP99Ms) * noise;
    alerts.push(...drift.take(load, { ...QUIET, ...values, ackP99Ms }));
  }
  return alerts;
}

test('what is far from its usual is told once, with what to do, and once more when it is over', () => {
  const drift = new Drift();
  expect(watched(drift, 120)).toEqual([]);
  const raised = watched(drift, 30, { durableP50Ms: 20 });
  expect(raised).toMatchObject([
    { watched: 'durableP50Ms', raised: true, suggestion: WATCHED.durableP50Ms.suggestion },
  ]);
  expect(raised[0]?.text).toContain('20.0 ms, usually 1.00');
  expect(drift.raised()).toMatchObject({ durableP50Ms: true, ackP99Ms: false });
  expect(watched(drift, 30)).toMatchObject([{ watched: 'durableP50Ms', raised: false }]);
  expect(Object.values(drift.raised())).not.toContain(true);
});

test('another load has another usual, and little differences are nobody’s concern', () => {
  const drift = new Drift();
  watched(drift, 120);
  expect(watched(drift, 20, { ackP99Ms: 40 }, 1_000_000)).toEqual([]);
  expect(watched(drift, 20, { appliedP99Ms: 4 })).toEqual([]);
  expect(watched(drift, 4, { ackP99Ms: 40 })).toEqual([]);
  expect(watched(drift, 20)).toEqual([]);
});

test('a level that stays becomes the usual one', () => {
  const drift = new Drift();
  watched(drift, 120);
  expect(watched(drift, 1_000, { lagCommands: 900_000 }).map(({ raised }) => raised)).toEqual([true, false]);
  expect(watched(drift, 100, { lagCommands: 900_000 })).toEqual([]);
});
