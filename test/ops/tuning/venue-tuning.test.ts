import { afterAll, expect, test } from '@jest/globals';
import { SNAPSHOT_STEP, snapshotEveryFor } from '../../../ops/tuning/tuner.ts';
import { type Notice, openVenue, type Venue, type VenueOptions } from '../../../ops/venue.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';

const LIMITS = { ordersMax: 65_536, levelPagesMax: 256, instrumentsMax: 8, sessionsMax: 16, answersPerSessionMax: 256 };
const PATIENCE_MS = 15_000;
const notices: Notice[] = [];

afterAll(removeTemporaryFolders);

function open(more: Partial<VenueOptions>): Promise<Venue> {
  const onNotice = (notice: Notice): number => notices.push(notice);
  return openVenue({ directory: temporaryFolder(), limits: LIMITS, segmentBytesMax: 4 * 2 ** 20, onNotice, ...more });
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
  expect(venue.tuning).toMatchObject({ fixed: ['commitWindowMicros', 'spins', 'snapshotEvery'] });
  expect(venue.tuning.values).toMatchObject({ commitWindowMicros: 300, snapshotEvery: 3 * SNAPSHOT_STEP });
  await venue.close();
  await expect(open({ blockBounds: { windowMicros: 20_001 } })).rejects.toThrow(
    'blockBounds.windowMicros: 20001 must be a whole number from 0 to 20000',
  );
});
