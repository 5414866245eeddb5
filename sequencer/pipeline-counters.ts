import { EventType, type EventTypeName } from '../journal/events.ts';
import { reasonName } from '../journal/reasons.ts';
import { HISTOGRAM_CELLS, LatencyHistogram } from './latency-histogram.ts';

/**
 * What the threads of a pipeline count, in one array of 64-bit floats in shared memory: a section of 16 cells for each
 * thread, which alone writes it, then the histograms of the stages. Anybody may read at any time without the hot path
 * knowing.
 *
 * | cells | section | counted by |
 * |------:|---------|------------|
 * |  0-15 | {@link GATEWAY_COUNTS}   | the port of the gateway |
 * | 16-31 | {@link SEQUENCER_COUNTS} | the sequencer |
 * | 32-47 | {@link JOURNAL_COUNTS}   | the journal thread |
 * | 48 + 16 r | {@link REPLICA_COUNTS} | replica r |
 * | after the last replica's | events let out: {@link EVENT_CELL} | the port of the gateway |
 * | after those | {@link HISTOGRAMS}, {@link HISTOGRAM_CELLS} cells each | as said there |
 */
const SECTION_CELLS = 16;
const REASONS = 256;
/** Events let out, by type; of `rejected` and `canceled` besides, by the reason's code from the cell named here. */
export const EVENT_CELL = { type: 0, rejected: 32, canceled: 32 + REASONS } as const;
const EVENT_CELLS = EVENT_CELL.canceled + REASONS;

/** What every thread does when it finds no work; of the gateway only `parks`. */
const WAITING = ['spins', 'parks'] as const;
export const GATEWAY_COUNTS = [
  ...WAITING,
  /** Batches and commands taken, and batches refused because there was no room. */
  'batches',
  'commands',
  'busy',
  /** Events let out, and turns in which some were. */
  'events',
  'turns',
  /** Most commands under way at once, and most events found waiting. */
  'inFlightMost',
  'eventsWaitingMost',
] as const;
export const SEQUENCER_COUNTS = [
  ...WAITING,
  'commands',
  'blocks',
  /** Looks at which commands waited and the command ring was full. */
  'commandRingFull',
  /** Most commands found waiting in an input ring. */
  'inputWaitingMost',
  'commandsInBlockMost',
] as const;
export const JOURNAL_COUNTS = [
  ...WAITING,
  'blocks',
  'commands',
  /** Of blocks, with their headers. */
  'bytes',
  /** Most blocks found waiting. */
  'blocksWaitingMost',
  /** Pieces of the next segment written ahead. */
  'sparePieces',
] as const;
export const REPLICA_COUNTS = [
  ...WAITING,
  'batches',
  'commands',
  /** Most found waiting: commands for the leader, blocks for a follower. */
  'waitingMost',
  /** Leader: times that it waited for room in the event ring. */
  'eventRingFull',
  /** Follower: times that it was lapped, and blocks that it read from the journal because of that. */
  'laps',
  'blocksRepaired',
] as const;

/** Spans of time on the way of a command, and who records them. */
const STAGES = [
  /** From the gateway's taking a batch to the sequence of its first command; by the sequencer. */
  'gatewayToSequenced',
  /** From its sequence to its block's flush, one command in {@link STAMP_EVERY}; by the journal thread. */
  'sequencedToDurable',
  /** From its sequence to the leader's having applied it, one command in {@link STAMP_EVERY}; by the leader. */
  'sequencedToApplied',
  /** From the gateway's taking a batch to its being let out, every command; by the gateway's port. */
  'gatewayToAcknowledged',
  /** From a block's being handed to LMDB to its being on disk, every block; by the journal thread. Lies within the second. */
  'journalFlush',
] as const;
export type Stage = (typeof STAGES)[number];
/** Spans of time in nanoseconds, and how many commands a block has, by the journal thread. */
const HISTOGRAMS = [...STAGES, 'commandsInBlock'] as const;
export type HistogramName = (typeof HISTOGRAMS)[number];

/** One command in so many is stamped when it gets its sequence. A power of two. */
export const STAMP_EVERY = 64;

type Counts<T extends readonly string[]> = { readonly [name in T[number]]: number };
export type GatewayCounts = Counts<typeof GATEWAY_COUNTS>;

export interface StageLatency {
  readonly count: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly p9999: number;
  readonly max: number;
}

/** What a pipeline has counted since it was laid out. */
export interface PipelineStatistics {
  readonly gateway: GatewayCounts;
  readonly sequencer: Counts<typeof SEQUENCER_COUNTS>;
  readonly journal: Counts<typeof JOURNAL_COUNTS>;
  readonly replicas: readonly Counts<typeof REPLICA_COUNTS>[];
  readonly latencyMicros: Readonly<Record<Stage, StageLatency>>;
  /** Events let out, by type; those of a trade are two. */
  readonly events: Readonly<Record<EventTypeName, number>>;
  /** Of those, by reason; reasons that never came up are not there. */
  readonly rejected: Readonly<Record<string, number>>;
  readonly canceled: Readonly<Record<string, number>>;
}

export function allocateCounters(replicas: number): SharedArrayBuffer {
  return new SharedArrayBuffer((histogramsAt(replicas) + HISTOGRAMS.length * HISTOGRAM_CELLS) * 8);
}

/** The cells of a thread; a replica by its number. Which cell is which: {@link cellsOf}. */
export function countersOf(
  counters: SharedArrayBuffer,
  thread: 'gateway' | 'sequencer' | 'journal' | number,
): Float64Array {
  const section = typeof thread === 'number' ? 3 + thread : { gateway: 0, sequencer: 1, journal: 2 }[thread];
  return new Float64Array(counters, section * SECTION_CELLS * 8, SECTION_CELLS);
}

/** Cell of each name of a section. */
export function cellsOf<T extends readonly string[]>(names: T): Counts<T> {
  return Object.fromEntries(names.map((name, cell) => [name, cell])) as Counts<T>;
}

/** Cells that every section has. */
export const WAITING_CELL = cellsOf(WAITING);

/** What was let out: {@link EVENT_CELL}. */
export function eventCells(counters: SharedArrayBuffer, replicas: number): Float64Array {
  return new Float64Array(counters, eventsAt(replicas) * 8, EVENT_CELLS);
}

export function histogramOf(counters: SharedArrayBuffer, replicas: number, name: HistogramName): LatencyHistogram {
  return new LatencyHistogram(
    new Float64Array(counters),
    histogramsAt(replicas) + HISTOGRAMS.indexOf(name) * HISTOGRAM_CELLS,
  );
}

/** All histograms as they are now, in memory of their own. */
export function readHistograms(
  counters: SharedArrayBuffer,
  replicas: number,
): Readonly<Record<HistogramName, LatencyHistogram>> {
  const read = HISTOGRAMS.map((name) => [name, histogramOf(counters, replicas, name).snapshot()]);
  return Object.fromEntries(read) as Record<HistogramName, LatencyHistogram>;
}

export function readStatistics(counters: SharedArrayBuffer, replicas: number): PipelineStatistics {
  const read = <T extends readonly string[]>(names: T, cells: Float64Array): Counts<T> =>
    Object.fromEntries(names.map((name, cell) => [name, cells[cell]])) as Counts<T>;
  const latencies = STAGES.map((stage) => [stage, latencyOf(histogramOf(counters, replicas, stage).snapshot())]);
  return {
    gateway: read(GATEWAY_COUNTS, countersOf(counters, 'gateway')),
    sequencer: read(SEQUENCER_COUNTS, countersOf(counters, 'sequencer')),
    journal: read(JOURNAL_COUNTS, countersOf(counters, 'journal')),
    replicas: Array.from({ length: replicas }, (_, replica) => read(REPLICA_COUNTS, countersOf(counters, replica))),
    latencyMicros: Object.fromEntries(latencies) as PipelineStatistics['latencyMicros'],
    ...readEvents(eventCells(counters, replicas)),
  };
}

function readEvents(cells: Float64Array): Pick<PipelineStatistics, 'events' | 'rejected' | 'canceled'> {
  const names = Object.keys(EventType) as EventTypeName[];
  const events = names.map((name) => [name, cells[EVENT_CELL.type + EventType[name]] as number]);
  const byReason = (from: number): Record<string, number> => {
    const counted = [...cells.subarray(from, from + REASONS).entries()].filter(([, count]) => count > 0);
    return Object.fromEntries(counted.map(([reason, count]) => [reasonName(reason), count]));
  };
  return {
    events: Object.fromEntries(events) as PipelineStatistics['events'],
    rejected: byReason(EVENT_CELL.rejected),
    canceled: byReason(EVENT_CELL.canceled),
  };
}

/** Percentiles of a histogram, in microseconds. */
export function latencyOf(histogram: LatencyHistogram): StageLatency {
  const micros = (ns: number): number => Math.round(ns / 10) / 100;
  const at = (share: number): number => micros(histogram.percentile(share));
  return {
    count: histogram.count,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    p999: at(0.999),
    p9999: at(0.9999),
    max: micros(histogram.max),
  };
}

function eventsAt(replicas: number): number {
  return (3 + replicas) * SECTION_CELLS;
}

function histogramsAt(replicas: number): number {
  return eventsAt(replicas) + EVENT_CELLS;
}
