import { afterAll, afterEach, expect, test } from '@jest/globals';
import { tuningSettingsOf } from '../../../ops/cli/tuning-options.ts';
import { SNAPSHOT_STEP, snapshotEveryFor } from '../../../ops/tuning/tuner.ts';
import { type Notice, openVenue, type Venue, type VenueOptions } from '../../../ops/venue/venue.ts';
import { DIGEST_EVERY } from '../../../replicas/event-digest.ts';
import { allowedCores, keepOnCores, Refused } from '../../../sequencer/linux.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';

const LIMITS = { ordersMax: 65_536, levelPagesMax: 256, instrumentsMax: 8, sessionsMax: 16, answersPerSessionMax: 256 };
const PATIENCE_MS = 15_000;
const notices: Notice[] = [];
const opened: Venue[] = [];

afterEach(async () => {
  // Of a test that failed; its threads would keep Jest from ending.
  for (const venue of opened.splice(0)) await venue.abandon();
});
afterAll(removeTemporaryFolders);

async function open(more: Partial<VenueOptions>): Promise<Venue> {
  const onNotice = (notice: Notice): number => notices.push(notice);
  const defaults = { directory: temporaryFolder(), limits: LIMITS, segmentBytesMax: 4 * 2 ** 20, onNotice };
  const venue = await openVenue({ ...defaults, ...more });
  opened.push(venue);
  return venue;
}

/** Orders that trade with each other, in batches, until something is true. */
async function trade(venue: Venue, isEnough: () => boolean): Promise<void> {
  const session = await venue.openSession(0, 1);
  await session.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
  const until = performance.now() + PATIENCE_MS;
  for (let id = 1; !isEnough() && performance.now() < until; id += 8) {
    await session.send(
      Array.from({ length: 8 }, (_, at) => ({
        op: 'new',
        account: 7,
        symbol: 0,
        id: id + at,
        side: at % 2 === 0 ? 'buy' : 'sell',
        price: 100,
        quantity: 1,
      })),
    );
  }
}

test('a venue with room below its target opens a commit window, says why, and its replicas agree', async () => {
  const venue = await open({ tuning: { ackTargetMs: 2_000, restartTargetSeconds: 1 } });
  const tuned = (): boolean => venue.tuning.values.commitWindowMicros > 0;
  await trade(venue, tuned);
  expect(venue.tuning.decisions[0]).toMatchObject({ bound: 'commitWindowMicros', from: 0, why: expect.any(String) });
  expect(venue.tuning.values.snapshotEvery).toBe(snapshotEveryFor(1));
  expect(venue.tuning.decided.commitWindowMicros).toBe(venue.tuning.decisions.length);
  expect(venue.info()).toMatchObject({ tuning: { objective: { ackTargetMs: 2_000 } } });
  expect(notices).toContainEqual(
    expect.objectContaining({ text: 'tuned', fields: expect.objectContaining({ bound: 'commitWindowMicros' }) }),
  );
  const { stateHashes } = await venue.close();
  expect(new Set(stateHashes).size).toBe(1);
});

test('what somebody has set stays, and out of range is refused', async () => {
  const venue = await open({
    tuning: { ackTargetMs: 2_000, restartTargetSeconds: 1 },
    blockBounds: { windowMicros: 300 },
    snapshotEvery: 3 * SNAPSHOT_STEP,
    idle: 'park',
  });
  expect(venue.tuning).toMatchObject({ fixed: ['commitWindowMicros', 'spins', 'snapshotEvery', 'replicas'] });
  expect(venue.tuning.values).toMatchObject({ commitWindowMicros: 300, snapshotEvery: 3 * SNAPSHOT_STEP });
  await venue.close();
  await expect(open({ blockBounds: { windowMicros: 20_001 } })).rejects.toThrow(
    'blockBounds.windowMicros: 20001 must be a whole number from 0 to 20000',
  );
});

/** More threads than cores, on any machine that lets itself be told so. */
async function onTwoCores(act: () => Promise<void>): Promise<void> {
  let before: number[] = [];
  try {
    before = allowedCores();
    keepOnCores(before.slice(0, 2));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
  try {
    await act();
  } finally {
    if (before.length > 0) keepOnCores(before);
  }
}

/** Sends batches of commands from several sessions, as quickly as they are answered, until something is true. */
async function hurry(
  venue: Venue,
  { sessions, commands }: { readonly sessions: number; readonly commands: number },
  isEnough: () => boolean,
): Promise<void> {
  const opened = await Promise.all(Array.from({ length: sessions }, (_, at) => venue.openSession(7, at + 1)));
  const batch = Array.from({ length: commands }, () => ({ op: 'cancel' as const, account: 7, symbol: 0, id: 1 }));
  const until = performance.now() + 4 * PATIENCE_MS;
  await Promise.all(
    opened.map(async (session) => {
      while (!isEnough() && performance.now() < until) await session.send(batch);
    }),
  );
}

const HEAVY = { sessions: 14, commands: 128 };

test(
  'a replica that is set aside misses nothing: it is back by itself, from the journal, and all digests are compared',
  () =>
    onTwoCores(async () => {
      // Acknowledgements wait for twenty times the target, whoever is set aside.
      const venue = await open({
        tuning: { ackTargetMs: 1 },
        blockBounds: { windowMicros: 20_000 },
        replicasMin: 1,
        segmentBytesMax: 20 * 2 ** 20,
        snapshotEvery: 0,
      });
      const from = notices.length;
      const seen = (text: string): Notice | undefined => notices.slice(from).find((one) => one.text === text);
      await hurry(venue, HEAVY, () => venue.tuning.values.replicas === 1);
      expect(seen('a replica is set aside')).toMatchObject({ level: 'warn', fields: { replica: 1 } });
      // Of another load it can not be told whether it helped; it waits until it is as far behind as it may be.
      await hurry(
        venue,
        { sessions: 5, commands: 64 },
        () => seen('all replicas have been compared again') !== undefined,
      );
      expect(venue.tuning.decisions.filter(({ bound }) => bound === 'replicas')).toMatchObject([
        { from: 2, to: 1, why: expect.stringMatching(/one replica waits$/) },
        { from: 1, to: 2, why: expect.stringMatching(/commands behind is the most that a replica may be$/) },
      ]);
      expect(seen('replica is back')).toMatchObject({ level: 'info', fields: { replica: 1 } });
      const { sequence, stateHashes, digestsCompared } = await venue.close();
      expect(digestsCompared).toBe(Math.floor(sequence / DIGEST_EVERY));
      expect(new Set(stateHashes).size).toBe(1);
    }),
  6 * PATIENCE_MS,
);

test(
  'one that is set aside when the venue closes makes up for it first',
  () =>
    onTwoCores(async () => {
      const venue = await open({
        tuning: { ackTargetMs: 1 },
        blockBounds: { windowMicros: 20_000 },
        replicas: 3,
        segmentBytesMax: 64 * 2 ** 20,
        snapshotEvery: 0,
      });
      await hurry(venue, HEAVY, () => venue.tuning.values.replicas === 2);
      expect(venue.tuning.values.replicas).toBe(2);
      const { stateHashes } = await venue.close();
      expect(stateHashes).toHaveLength(3);
      expect(new Set(stateHashes).size).toBe(1);
    }),
  6 * PATIENCE_MS,
);

test('how many replicas work at least is refused when it is none, too many, or when an answer needs all', async () => {
  const rule = 'replicasMin: 3 must be a whole number from 1 to 2, the replicas';
  await expect(open({ replicasMin: 3 })).rejects.toThrow(rule);
  await expect(open({ replicasMin: 0 })).rejects.toThrow('must be a whole number from 1 to 2');
  await expect(open({ replicasMin: 1, ackPolicy: 'memory' })).rejects.toThrow('every replica is waited for');
  const options = { snapshotEvery: 0, replicas: 2, replicasMin: 1, ackTargetMs: 5 };
  expect(tuningSettingsOf(options)).toMatchObject({ replicasMin: 1 });
  const { ackTargetMs: _, ...untargeted } = options;
  expect(() => tuningSettingsOf(untargeted)).toThrow('replicas-min: 1: is of use only with --ack-target-ms');
  expect(() => tuningSettingsOf({ ...options, replicasMin: 3 })).toThrow('must not be above --replicas, 2');
  expect(() => tuningSettingsOf({ ...options, ack: 'memory' })).toThrow(
    'with --ack memory every replica is waited for',
  );
});
