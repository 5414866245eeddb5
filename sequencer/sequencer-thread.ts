import { parentPort, workerData } from 'node:worker_threads';
import { Clock } from './clock.ts';
import { Idle, type IdleStrategy } from './doorbell.ts';
import { reportMeasures, type ThreadMeasures } from './host-measures.ts';
import { Bells, type PipelineMemory, STATUS } from './pipeline.ts';
import { RingConsumer, RingProducer } from './rings.ts';
import { type BlockBounds, type SequencerStart, Sequencing } from './sequencing.ts';

export interface SequencerThreadData {
  readonly memory: PipelineMemory;
  readonly start: SequencerStart;
  readonly bounds: BlockBounds;
  /** Time of the journal's last block, which no later stamp is before. */
  readonly notBefore: { readonly low: number; readonly high: number };
  readonly idle: IdleStrategy;
  readonly cores: number;
  readonly busyThreads: number;
  readonly host: ThreadMeasures;
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
const { memory } = data;
const bells = new Bells(memory);
const status = new Int32Array(memory.status);
const sequencing = new Sequencing(
  memory.inputs.map((input) => new RingConsumer(input, 0)),
  new RingProducer(memory.commands),
  new RingProducer(memory.blocks),
  data.start,
  data.bounds,
);
const clock = new Clock(data.notBefore);
const idle = new Idle(data.idle, data.cores, data.busyThreads);

for (;;) {
  const seen = bells.sequencer.count();
  const micros = clock.read();
  const work = sequencing.step(clock.high, clock.low, micros, Atomics.load(status, STATUS.durableBlock));
  if (work > 0) {
    for (const bell of bells.replicas) bell.ring();
    bells.journal.ring();
    bells.gateway.ring();
    idle.reset();
    continue;
  }
  if (Atomics.load(status, STATUS.failed) !== 0) break;
  if (Atomics.load(status, STATUS.stop) !== 0 && sequencing.open === 0) break;
  if (sequencing.open > 0) bells.sequencer.sleep(seen, OPEN_BLOCK_SLEEP_MS);
  else idle.wait(bells.sequencer, seen);
}
const stopped: SequencerStopped = { kind: 'stopped', sequence: sequencing.sequence };
parentPort?.postMessage(stopped);
