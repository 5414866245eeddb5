import { parentPort, workerData } from 'node:worker_threads';
import { Clock, Stopwatch } from './clock.ts';
import { Idle, type IdleStrategy } from './doorbell.ts';
import { reportMeasures, type ThreadMeasures } from './host-measures.ts';
import { Bells, type PipelineMemory, STATUS } from './pipeline.ts';
import { cellsOf, countersOf, histogramOf, SEQUENCER_COUNTS } from './pipeline-counters.ts';
import { RingConsumer, RingProducer } from './rings.ts';
import { type BlockBounds, type SequencerStart, Sequencing } from './sequencing.ts';
import { TunedBounds } from './tuned-bounds.ts';

export interface SequencerThreadData {
  readonly memory: PipelineMemory;
  readonly bounds: BlockBounds;
  readonly idle: IdleStrategy;
  readonly host: ThreadMeasures;
}

/** Posted to the thread when it is known where the journal ends. */
export interface SequencerThreadBegin {
  readonly start: SequencerStart;
  /** Time of the journal's last block, which no later stamp is before. */
  readonly notBefore: { readonly low: number; readonly high: number };
}

/** Posted when the thread has given its last sequence. */
export interface SequencerStopped {
  readonly kind: 'stopped';
  readonly sequence: number;
}

/** An open block younger than this is looked at again soon, so that it closes in time. */
const OPEN_BLOCK_SLEEP_MS = 1;

const data = workerData as SequencerThreadData;
reportMeasures(data.host);
function run({ start, notBefore }: SequencerThreadBegin): void {
  const { memory } = data;
  const bells = new Bells(memory);
  const status = new Int32Array(memory.status);
  const counters = countersOf(memory.counters, 'sequencer');
  const COUNT = cellsOf(SEQUENCER_COUNTS);
  const nowNs = new Float64Array(1);
  const bounds = { ...data.bounds };
  const sequencing = new Sequencing(
    memory.inputs.map((input) => new RingConsumer(input, 0)),
    new RingProducer(memory.commands),
    new RingProducer(memory.blocks),
    start,
    bounds,
    {
      nowNs,
      stamps: new Float64Array(memory.stamps),
      counters,
      fromGateway: histogramOf(memory.counters, memory.replicas, 'gatewayToSequenced'),
    },
  );
  const tuned = new TunedBounds(memory.tuned);
  let changes = -1;
  const clock = new Clock(notBefore);
  const stopwatch = new Stopwatch(memory.startedNs);
  const idle = new Idle(data.idle, tuned, counters);
  const leader = bells.replicas[0];
  const followers = bells.replicas.slice(1);
  let waits = false;

  for (;;) {
    const seen = bells.sequencer.count();
    if (tuned.changes !== changes) {
      changes = tuned.changes;
      bounds.windowMicros = tuned.get('commitWindowMicros');
    }
    const micros = clock.read();
    nowNs[0] = stopwatch.ns();
    const { sequence, block } = sequencing;
    const work = sequencing.step(clock.high, clock.low, micros, Atomics.load(status, STATUS.durableBlock));
    if (work > 0) {
      // Nobody is woken for what it can do nothing about: only the leader has use for commands before their block closes.
      if (sequencing.sequence !== sequence) leader?.ring();
      if (sequencing.block !== block) {
        bells.journal.ring();
        for (const follower of followers) follower.ring();
      }
      if (waits) Atomics.store(status, STATUS.sequencerWaits, 0);
      waits = false;
      idle.reset();
      continue;
    }
    if (Atomics.load(status, STATUS.failed) !== 0) break;
    if (Atomics.load(status, STATUS.stop) !== 0 && sequencing.open === 0) break;
    if (sequencing.lacksRoom && !waits) {
      counters[COUNT.commandRingFull] = (counters[COUNT.commandRingFull] as number) + 1;
      // And look once more: room that was made before somebody saw the word is found by that.
      waits = true;
      Atomics.store(status, STATUS.sequencerWaits, 1);
      continue;
    }
    if (sequencing.open > 0) idle.park(bells.sequencer, seen, OPEN_BLOCK_SLEEP_MS);
    else idle.wait(bells.sequencer, seen);
  }
  const stopped: SequencerStopped = { kind: 'stopped', sequence: sequencing.sequence };
  parentPort?.postMessage(stopped);
}

parentPort?.once('message', run);
