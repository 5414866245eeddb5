import { afterAll, afterEach, expect, test } from '@jest/globals';
import { DEFAULT_LIMITS } from '../../../journal/genesis.ts';
import { VenueMarketData } from '../../../ops/feed/venue-market-data.ts';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../../ops/nats-server.ts';
import type { Notice } from '../../../ops/venue/venue.ts';
import { allocatePipeline } from '../../../sequencer/pipeline.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';
import { until } from '../../until.ts';

let nats: OwnNatsServer;
let publisher: VenueMarketData | undefined;
afterEach(async () => {
  await publisher?.close();
  await nats.stop();
});
afterAll(removeTemporaryFolders);

test('a thread that fails is told and started again, later each time', async () => {
  nats = await startNatsServer();
  const notices: Notice[] = [];
  // There is no journal in the folder.
  publisher = new VenueMarketData(
    {
      kept: 512,
      conflateMs: 100,
      memory: allocatePipeline(1, 1),
      directory: temporaryFolder(),
      genesis: { shard: 0, createdAt: 0n, limits: DEFAULT_LIMITS },
      nats: natsConnectionOptions(nats.url),
    },
    (notice) => notices.push(notice),
  );
  await until('it is told twice', () => notices.length >= 2, { seen: () => notices });
  expect(notices.map(({ level, text, fields }) => [level, text, fields['againInMs']])).toEqual([
    ['warn', 'market data is not published', 1_000],
    ['warn', 'market data is not published', 2_000],
  ]);
  expect(notices[0]?.fields['why']).toContain('holds no journal');
});
