import type { VenueFollower } from '../venue/venue-follower.ts';
import type { Points } from './points.ts';
import { addMarketData, addSnapshots } from './venue-points.ts';

const MS_PER_S = 1e3;

/** What a follower of a venue on another host has counted. */
export function addFollower(points: Points, follower: VenueFollower): void {
  const { reader, repairs, peers, feed, queries } = follower;
  const { lag, caughtUp, agreed } = follower.status();
  points.add('veritape.follower.lag', lag.sequences);
  points.add('veritape.follower.delay', lag.ms === null ? undefined : lag.ms / MS_PER_S);
  points.add('veritape.follower.caught.up', caughtUp ? 1 : 0);
  const { snapshotCounts } = follower.copy;
  if (snapshotCounts !== undefined) addSnapshots(points, snapshotCounts);
  points.add('veritape.digests.agreed', agreed.digests);
  points.add('veritape.states.agreed', agreed.states);
  points.add('veritape.disagreements', follower.hasDisagreed ? 1 : 0);
  const { blocks, gaps, repairs: repaired, retries, duplicates, dropped, refused } = reader.counts;
  points.add('veritape.reader.blocks', blocks, { outcome: 'good' });
  points.add('veritape.reader.blocks', repaired, { outcome: 'repaired' });
  points.add('veritape.reader.blocks', duplicates, { outcome: 'duplicate' });
  points.add('veritape.reader.blocks', dropped, { outcome: 'dropped' });
  points.add('veritape.reader.blocks', refused, { outcome: 'refused' });
  points.add('veritape.reader.gaps', gaps);
  points.add('veritape.reader.retries', retries);
  points.add('veritape.peers.blocks', repairs.taken, { direction: 'in' });
  points.add('veritape.peers.blocks', peers?.given, { direction: 'out' });
  points.add('veritape.reports.published', feed?.counts.messages);
  points.add('veritape.reports.dropped', feed?.counts.dropped);
  if (feed?.marketDataCounts !== undefined) addMarketData(points, feed.marketDataCounts);
  if (queries === undefined) return;
  points.add('veritape.queries', queries.answered, { outcome: 'answered' });
  const refusals = Object.values(queries.refusals).reduce((sum, count) => sum + (count ?? 0), 0);
  points.add('veritape.queries', refusals, { outcome: 'refused' });
}
