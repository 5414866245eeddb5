import type { PipelineStatistics, Stage } from '../../sequencer/pipeline-counters.ts';
import type { ThreadCounts } from '../../sequencer/thread-counters.ts';
import type { Venue } from '../venue/venue.ts';
import { COMMANDS, type Points, SECONDS } from './points.ts';

const COMMAND_STAGES: readonly Stage[] = [
  'gatewayToSequenced',
  'sequencedToDurable',
  'sequencedToApplied',
  'gatewayToAcknowledged',
];
/** Reasons of which a rejection says that a limit of the journal is used up. */
const LIMIT_REASONS = ['ordersFull', 'levelsFull', 'sessionsFull', 'instrumentsFull'] as const;
const MICROS_PER_S = 1e6;
const MS_PER_S = 1e3;

/** What a venue's threads have counted, whether it leads or stands by. */
export function addVenue(points: Points, venue: Venue): void {
  const statistics = venue.statistics();
  addCounts(points, statistics);
  addLatencies(points, venue, statistics);
  addProgress(points, venue, statistics);
  const { digests, isServing, snapshots, clockAheadMs } = venue.watch;
  points.add('veritape.digests.agreed', digests.compared - digests.differed);
  points.add('veritape.disagreements', digests.differed > 0 ? 1 : 0);
  addSnapshots(points, snapshots);
  points.add('veritape.clock.ahead', clockAheadMs === undefined ? undefined : clockAheadMs / MS_PER_S);
  for (const counts of venue.threadCounters()) addThread(points, counts);
  if (!isServing) return;
  addTuning(points, venue, statistics.replicas.length);
  addOutlets(points, venue);
}

/** Those of a venue or of a copy. */
export function addSnapshots(points: Points, { written, failed }: Venue['watch']['snapshots']): void {
  points.add('veritape.snapshots', written);
  points.add('veritape.snapshot.failures', failed);
}

function addCounts(points: Points, statistics: PipelineStatistics): void {
  const { gateway, sequencer, journal, replicas, events, rejected, canceled } = statistics;
  points.add('veritape.commands', gateway.commands, { stage: 'taken' });
  points.add('veritape.commands', sequencer.commands, { stage: 'sequenced' });
  points.add('veritape.commands', journal.commands, { stage: 'journaled' });
  points.add('veritape.batches', gateway.batches);
  points.add('veritape.batches.busy', gateway.busy);
  for (const [type, count] of Object.entries(events)) points.add('veritape.events', count, { type });
  // Each is a maker's record and a taker's.
  points.add('veritape.trades', events.tradeTaker);
  // From 0 on, so that the first one of them is seen to rise.
  for (const reason of LIMIT_REASONS)
    if (rejected[reason] === undefined) points.add('veritape.rejections', 0, { reason });
  for (const [reason, count] of Object.entries(rejected)) points.add('veritape.rejections', count, { reason });
  for (const [reason, count] of Object.entries(canceled)) points.add('veritape.cancellations', count, { reason });
  points.add('veritape.journal.blocks', journal.blocks);
  points.add('veritape.journal.written', journal.bytes);
  const threads = { gateway, sequencer, journal };
  for (const [thread, { parks }] of Object.entries(threads)) points.add('veritape.thread.parks', parks, { thread });
  points.add('veritape.thread.spins', sequencer.spins, { thread: 'sequencer' });
  points.add('veritape.thread.spins', journal.spins, { thread: 'journal' });
  for (const [index, { commands, laps, blocksRepaired, spins, parks }] of replicas.entries()) {
    const replica = String(index);
    points.add('veritape.replica.commands', commands, { replica });
    points.add('veritape.replica.laps', laps, { replica });
    points.add('veritape.replica.repairs', blocksRepaired, { replica });
    points.add('veritape.thread.spins', spins, { thread: `replica${replica}` });
    points.add('veritape.thread.parks', parks, { thread: `replica${replica}` });
  }
}

function addLatencies(points: Points, venue: Venue, { latencyMicros }: PipelineStatistics): void {
  const histograms = venue.watch.histograms();
  for (const stage of COMMAND_STAGES)
    points.addHistogram('veritape.stage.duration', histograms[stage], SECONDS, { stage });
  points.addHistogram('veritape.journal.flush.duration', histograms.journalFlush, SECONDS);
  points.addHistogram('veritape.journal.block.commands', histograms.commandsInBlock, COMMANDS);
  for (const [stage, { count, p50, p90, p99, p999, p9999, max }] of Object.entries(latencyMicros)) {
    if (count === 0) continue;
    const percentiles = [
      [50, p50],
      [90, p90],
      [99, p99],
      [99.9, p999],
      [99.99, p9999],
      [100, max],
    ] as const;
    for (const [percentile, micros] of percentiles)
      points.add('veritape.latency.percentile', micros / MICROS_PER_S, { stage, percentile: String(percentile) });
  }
}

function addProgress(
  points: Points,
  venue: Venue,
  { gateway, sequencer, journal, replicas }: PipelineStatistics,
): void {
  const progress = venue.watch.progress();
  if (progress === undefined) return;
  const { rings, undurable, unapplied, unreplicatedBlocks } = progress;
  const most = {
    input: sequencer.inputWaitingMost,
    command: replicas[0]?.waitingMost ?? 0,
    block: journal.blocksWaitingMost,
    event: gateway.eventsWaitingMost,
  };
  for (const ring of ['input', 'command', 'block', 'event'] as const) {
    points.add('veritape.ring.used', rings[ring].used, { ring });
    points.add('veritape.ring.capacity', rings[ring].slots, { ring });
    points.add('veritape.ring.used.max', most[ring], { ring });
  }
  points.add('veritape.ring.stalls', gateway.busy, { ring: 'input' });
  points.add('veritape.ring.stalls', sequencer.commandRingFull, { ring: 'command' });
  points.add('veritape.ring.stalls', replicas[0]?.eventRingFull, { ring: 'event' });
  points.add('veritape.commands.pending', undurable);
  for (const [replica, lag] of unapplied.entries())
    points.add('veritape.replica.lag', lag, { replica: String(replica) });
  if (venue.isReplicated) points.add('veritape.replication.lag', unreplicatedBlocks);
}

function addTuning(
  points: Points,
  { tuning: { objective, values, decided, drifting } }: Venue,
  replicas: number,
): void {
  if (objective.ackTargetMs !== undefined) points.add('veritape.tuning.target', objective.ackTargetMs / MS_PER_S);
  for (let replica = 1; replica < replicas; replica++)
    points.add('veritape.replica.aside', replica < values.replicas ? 0 : 1, { replica: String(replica) });
  for (const [bound, value] of Object.entries(values)) points.add('veritape.tuning.bound', value, { bound });
  for (const [bound, count] of Object.entries(decided)) points.add('veritape.tuning.decisions', count, { bound });
  for (const [watched, isDrifting] of Object.entries(drifting))
    points.add('veritape.drift', isDrifting ? 1 : 0, { watched });
}

/** What goes to clients and readers, and what came over NATS. */
function addOutlets(points: Points, venue: Venue): void {
  const { gatewayCounts, multicastCounts, marketDataCounts } = venue;
  if (gatewayCounts !== undefined) {
    points.add('veritape.gateway.requests', gatewayCounts.requests);
    for (const [error, count] of Object.entries(gatewayCounts.refusals))
      points.add('veritape.gateway.refusals', count, { error });
    points.add('veritape.gateway.failures', gatewayCounts.failed);
    points.add('veritape.gateway.disconnects', gatewayCounts.disconnects);
  }
  if (multicastCounts !== undefined) {
    points.add('veritape.multicast.datagrams', multicastCounts.datagrams);
    points.add('veritape.multicast.io', multicastCounts.bytes);
    points.add('veritape.multicast.dropped', multicastCounts.dropped);
    points.add('veritape.multicast.errors', multicastCounts.errors);
  }
  if (marketDataCounts === undefined) return;
  addMarketData(points, marketDataCounts);
  points.add('veritape.feed.corrected', marketDataCounts.corrected);
  // Before it has published anything it does not say where it is.
  if (marketDataCounts.sequence > 0)
    points.add('veritape.feed.lag', Math.max(0, venue.durableSequence - marketDataCounts.sequence));
}

interface MarketDataNumbers {
  readonly packets: number;
  readonly messages: number;
  readonly bytes: number;
  readonly dropped: number;
  readonly repairs: number;
  readonly snapshots: number;
  readonly refusals: number;
}

/** Market data in full, of a venue or of a follower. */
export function addMarketData(points: Points, counts: MarketDataNumbers): void {
  points.add('veritape.feed.packets', counts.packets);
  points.add('veritape.feed.messages', counts.messages);
  points.add('veritape.feed.io', counts.bytes);
  points.add('veritape.feed.dropped', counts.dropped);
  points.add('veritape.feed.requests', counts.repairs, { outcome: 'repair' });
  points.add('veritape.feed.requests', counts.snapshots, { outcome: 'snapshot' });
  points.add('veritape.feed.requests', counts.refusals, { outcome: 'refusal' });
}

function addThread(points: Points, { thread, counts }: ThreadCounts): void {
  const { cpuMs, contextSwitches, pageFaults, migrations, cycles, instructions, cacheMisses, branchMisses } = counts;
  points.add('veritape.thread.cpu.time', cpuMs === undefined ? undefined : cpuMs / MS_PER_S, { thread });
  points.add('veritape.thread.context_switches', contextSwitches, { thread });
  points.add('veritape.thread.page_faults', pageFaults, { thread });
  points.add('veritape.thread.migrations', migrations, { thread });
  points.add('veritape.thread.cycles', cycles, { thread });
  points.add('veritape.thread.instructions', instructions, { thread });
  points.add('veritape.thread.cache_misses', cacheMisses, { thread });
  points.add('veritape.thread.branch_misses', branchMisses, { thread });
}
