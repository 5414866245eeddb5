import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { BlockView } from '../../journal/block.ts';
import { JournalReader } from '../../journal/reader.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../replicas/matcher.ts';
import { restoreNewest } from '../../replicas/replay.ts';
import { Bells, STATUS } from '../../sequencer/pipeline.ts';
import { VENUE_PREFIX } from '../../sequencer/reports.ts';
import { natsJoin } from '../cli/nats-credentials.ts';
import { DaySoFar } from './day-so-far.ts';
import { applyAndCount, daysAfter, type TradedSoFar } from './day-statistics.ts';
import { FeedService } from './feed-service.ts';
import {
  MARKET_DATA_COUNTS,
  MARKET_DATA_END,
  MARKET_DATA_SERVE,
  type MarketDataReport,
  type MarketDataThreadData,
  type MarketLook,
} from './market-data-reports.ts';
import { ReplicaMarket } from './replica-market.ts';
import type { TradeTape } from './trade-tape.ts';

/**
 * The market data of a venue, from a replica of its own: it reads the venue's journal as it grows, and publishes what comes
 * of blocks that are durable. Nobody waits for it: the pipeline rings a bell for it once a block and knows nothing else of it.
 *
 * On a standby it follows the journal that another process writes, and publishes nothing until it is told to serve.
 */

/** In this process the reader sees a block before it is on disk; nothing of it leaves before. */
const UNFLUSHED = { unflushed: true };
/** A sleeping thread looks around this often even if nobody rings. */
const SLEEP_MS_MAX = 50;
/** The end of a journal that another process writes is looked for this often. */
const TAIL_SLEEP_MS = 10;
/** The loop lets the connection have its turn this often while blocks wait. */
const TURN_MS = 2;
const EVENT_SLOTS = 4096;
/** As in the venue's gateway. */
const RECONNECT_MS = 200;
const LEAVE_MS_MAX = 2_000;

const data = workerData as MarketDataThreadData;
const status = new Int32Array(data.memory.status);
const bell = new Bells(data.memory).marketData;
const shared = new Float64Array(data.counts);
let { serving } = data;
let ending = false;
/** For whoever looks at it in this process, once there is a replica. */
let market: ReplicaMarket | undefined;
parentPort?.on('message', (message: string | MarketLook) => {
  serving ||= message === MARKET_DATA_SERVE;
  ending ||= message === MARKET_DATA_END;
  if (typeof message !== 'string') tell({ kind: 'looked', look: message.look, market: market?.look(message.symbol) });
});

function isDurable(block: number): boolean {
  return ((Atomics.load(status, STATUS.durableBlock) - block) | 0) >= 0;
}

function tell(report: MarketDataReport): void {
  parentPort?.postMessage(report);
}

async function publish(connection: NatsConnection): Promise<void> {
  const started = performance.now();
  const events = new EventBuffer(EVENT_SLOTS);
  const matcher = createMatcher(data.genesis.limits, events, data.hashSeed);
  const restored = await restoreNewest(data.directory, matcher, undefined, UNFLUSHED);
  market = new ReplicaMarket(matcher);
  const { tape } = market;
  const cursor = JournalReader.open(data.directory, UNFLUSHED).cursor(restored.block + 1);
  const days = daysAfter(matcher.state.instruments, restored);
  let daySoFar: DaySoFar | undefined;
  let service: FeedService | undefined;
  // What is durable when it begins to serve is caught up with in silence; what comes later is published, however much it is.
  let target: number | undefined;
  let isFollowing = false;
  const replayed = (): Pick<MarketDataReport & { kind: 'begun' }, 'sequence' | 'replayed' | 'tookMs'> => {
    const sequence = matcher.sequence();
    return { sequence, replayed: sequence - restored.sequence, tookMs: performance.now() - started };
  };
  const readDay = (): void => {
    if (!days.isPartial || daySoFar !== undefined) return;
    daySoFar = readDaySoFar(restored.sequence, days.daysBefore, (traded) => {
      if (service === undefined) days.addBefore(traded);
      else service.learnDay(traded);
    });
  };
  let last = { block: restored.block, timeLow: 0, timeHigh: 0 };
  let waiting: BlockView | undefined;
  let turnAt = started;
  try {
    for (;;) {
      const seen = bell.count();
      const isEnd = ending;
      const isServing = serving;
      if (isEnd && !isServing) return;
      if (isServing) target ??= Math.max(last.block, Atomics.load(status, STATUS.durableBlock));
      if (service === undefined && target !== undefined && ((last.block - target) | 0) >= 0 && isDurable(last.block)) {
        const place = { ...last, sequence: matcher.sequence() };
        const { shard } = data.genesis;
        const { state } = matcher;
        service = new FeedService({ ...data, connection, prefix: VENUE_PREFIX, shard, state, place, days });
        tell({ kind: 'begun', ...replayed() });
        readDay();
      }
      waiting ??= cursor.next();
      // What another process has written is on its disk before this one can serve, and is not published before.
      if (waiting !== undefined && (!isServing || isDurable(waiting.block))) {
        if (service === undefined) applyAndCount(matcher, events, waiting, days, { onTrade: tape.takeEvent });
        else applyAndPublish(matcher, events, waiting, service, tape);
        last = { block: waiting.block, timeLow: waiting.timeLow, timeHigh: waiting.timeHigh };
        waiting = undefined;
        if (performance.now() - turnAt < TURN_MS) continue;
        share(service);
        await service?.room();
        await nextTurn();
        turnAt = performance.now();
        continue;
      }
      share(service);
      if (isEnd) return;
      if (!isServing && !isFollowing) {
        isFollowing = true;
        tell({ kind: 'following', ...replayed() });
        readDay();
      }
      await bell.sleepAsync(seen, isServing ? SLEEP_MS_MAX : TAIL_SLEEP_MS);
      turnAt = performance.now();
    }
  } finally {
    cursor.close();
    service?.end();
    await daySoFar?.end();
  }
}

/** Has what traded in trading days up to a sequence, once it is read. Without it statistics stay partial until these are over. */
function readDaySoFar(upTo: number, daysBefore: number, take: (traded: TradedSoFar) => void): DaySoFar {
  const started = performance.now();
  const reading = new DaySoFar({ directory: data.directory, upTo, daysBefore });
  reading.told.then(
    ({ traded, replayed }) => {
      take(traded);
      tell({ kind: 'dayRead', replayed, tookMs: performance.now() - started });
    },
    (error: unknown) => {
      if (!ending) tell({ kind: 'dayUnread', why: error instanceof Error ? error.message : String(error) });
    },
  );
  return reading;
}

function applyAndPublish(
  matcher: Matcher,
  events: EventBuffer,
  block: BlockView,
  service: FeedService,
  tape: TradeTape,
): void {
  for (let index = 0; index < block.count; index++) {
    const at = block.wordOf(index);
    matcher.apply(block.words, at);
    service.publisher.take(events.words, events.mask, 0, events.next, block.words, at);
    tape.take(events.words, events.mask, 0, events.next);
    events.clear();
  }
  service.flush();
}

function share(service: FeedService | undefined): void {
  if (service === undefined) return;
  const { publisher, counts } = service;
  const { sequence } = publisher;
  const all: Readonly<Record<(typeof MARKET_DATA_COUNTS)[number], number>> = {
    ...publisher.counts,
    sequence,
    dropped: counts.dropped,
    corrected: publisher.corrected,
  };
  for (const [place, name] of MARKET_DATA_COUNTS.entries()) shared[place] = all[name];
}

let connection: NatsConnection | undefined;
try {
  connection = await connect({
    name: `veritape shard ${data.genesis.shard} market data`,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_MS,
    ...(data.credentials === undefined
      ? data.nats
      : natsJoin(data.credentials.urls, data.credentials.options).connection),
  });
  await publish(connection);
} catch (error) {
  tell({ kind: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
} finally {
  if (connection !== undefined && !connection.isClosed()) {
    const tooLong = delay(LEAVE_MS_MAX, undefined, { ref: false });
    // Draining fails when the server is gone.
    await Promise.race([connection.drain().catch(() => undefined), tooLong]);
    await connection.close();
  }
  parentPort?.close();
}
