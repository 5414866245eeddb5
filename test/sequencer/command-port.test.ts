import { afterEach, expect, test } from '@jest/globals';
import { COMMAND_BYTES, COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { EVENT_WORD, EventType, eventType } from '../../journal/events.ts';
import type { VenueLimits } from '../../journal/genesis.ts';
import { Reason } from '../../journal/reasons.ts';
import { RingSink } from '../../replicas/event-sinks.ts';
import { createMatcher, type Matcher } from '../../replicas/matcher.ts';
import { ACK_POLICIES, type AckPolicy, CommandPort } from '../../sequencer/command-port.ts';
import { type Answer, decodeAnswers } from '../../sequencer/messages.ts';
import { allocatePipeline, appliedWord, BLOCK_SLOT_WORD, COMMAND_CONSUMER, STATUS } from '../../sequencer/pipeline.ts';
import { RingConsumer, RingProducer, SLOT_SHIFT } from '../../sequencer/rings.ts';
import { DEFAULT_BLOCK_BOUNDS, Sequencing } from '../../sequencer/sequencing.ts';

const LIMITS: VenueLimits = {
  ordersMax: 64,
  levelPagesMax: 16,
  instrumentsMax: 4,
  sessionsMax: 4,
  answersPerSessionMax: 16,
};
/** Cancels what is not there: an outcome that is not zero, so that a lost answer shows. */
const CANCEL: Command = { op: 'cancel', account: 1, symbol: 0, id: 1 };

/** What became of a batch so far. */
interface Outcome {
  answers: Answer[];
  done: boolean;
  failed: string;
}

/** The pipeline on one thread, each part a step of its own, so that a test decides who runs when. */
class StepwisePipeline {
  readonly memory = allocatePipeline(1, 2, 0, 0);
  readonly port: CommandPort;
  readonly #status = new Int32Array(this.memory.status);
  readonly #sequencing = new Sequencing(
    this.memory.inputs.map((input) => new RingConsumer(input, 0)),
    new RingProducer(this.memory.commands),
    new RingProducer(this.memory.blocks),
    { sequence: 0, block: 0 },
    DEFAULT_BLOCK_BOUNDS,
  );
  readonly #journalCommands = new RingConsumer(this.memory.commands, COMMAND_CONSUMER.journal);
  readonly #journalBlocks = new RingConsumer(this.memory.blocks, 0);
  readonly #leaderCommands = new RingConsumer(this.memory.commands, COMMAND_CONSUMER.leader);
  readonly #sink = new RingSink(this.memory, 0);
  readonly #matcher: Matcher = createMatcher(LIMITS, this.#sink);

  constructor(policy: AckPolicy) {
    this.port = new CommandPort(this.memory, 0, policy);
    this.#sink.begin(0);
  }

  sequence(): void {
    this.#sequencing.step(1, 1, 0, this.#status[STATUS.durableBlock] as number);
  }

  /** The leader applies what there is, or a part of it, and the follower with it. */
  apply(most = Number.MAX_SAFE_INTEGER): void {
    const count = Math.min(this.#leaderCommands.available(), most);
    if (count === 0) return;
    for (let index = 0; index < count; index++) {
      this.#matcher.apply(this.#leaderCommands.words, this.#leaderCommands.wordAt(index));
    }
    this.#sink.publish();
    this.#leaderCommands.release(count);
    for (const replica of [0, 1]) this.#status[appliedWord(replica)] = this.#matcher.sequence();
  }

  /** The journal makes every closed block durable. */
  flush(): void {
    for (let left = this.#journalBlocks.available(); left > 0; left--) {
      const at = this.#journalBlocks.wordAt(0);
      const count = this.#journalBlocks.words[at + BLOCK_SLOT_WORD.count] as number;
      const first = this.#journalBlocks.words[at + BLOCK_SLOT_WORD.firstSequence] as number;
      this.#journalCommands.available();
      this.#journalCommands.release(count);
      this.#journalBlocks.release(1);
      this.#status[STATUS.durableSequence] = first + count - 1;
      this.#status[STATUS.durableBlock] = (this.#status[STATUS.durableBlock] as number) + 1;
    }
  }

  /** Submits a batch; what was answered stands in the result when it is done. */
  submit(count: number, command: Command = CANCEL): Outcome {
    const words = new Uint32Array(count * COMMAND_WORDS);
    for (let index = 0; index < count; index++) encodeCommand(words, index * COMMAND_WORDS, command);
    const outcome: Outcome = { answers: [], done: false, failed: '' };
    const status = this.port.submit(words, 0, count, 0, 0, {
      done(answers, at, answered) {
        outcome.answers = decodeAnswers(answers, at, answered);
        outcome.done = true;
      },
      fail(why) {
        outcome.failed = why;
      },
    });
    if (status !== 'ok') outcome.failed = status;
    return outcome;
  }
}

/** Lets everybody work until there is nothing left to do. */
function finish(pipeline: StepwisePipeline): void {
  for (let round = 0; round < 200; round++) {
    pipeline.sequence();
    pipeline.apply();
    pipeline.flush();
    pipeline.port.pump();
  }
}

const atomicLoad = Atomics.load;
afterEach(() => {
  Atomics.load = atomicLoad;
});

/** Runs `action`; before its n-th atomic load, `between(n)` runs, as if other threads had come between. */
function interleaved(action: () => void, between: (load: number) => void): number {
  let loads = 0;
  let inside = false;
  const load = (words: Int32Array, index: number): number => {
    if (!inside) {
      inside = true;
      between(loads++);
      inside = false;
    }
    return atomicLoad(words, index);
  };
  Atomics.load = load as typeof Atomics.load;
  try {
    action();
  } finally {
    Atomics.load = atomicLoad;
  }
  return loads;
}

test.each(ACK_POLICIES)(
  'under `%s` no answer is lost, wherever the other threads come between two looks of the port',
  (policy) => {
    const pipeline = new StepwisePipeline(policy);
    const loadsMax = 12;
    let place = 0;
    let most = 0;
    for (let sequenced = 0; sequenced < loadsMax; sequenced++) {
      for (let applied = sequenced; applied < loadsMax; applied++) {
        for (let flushed = sequenced; flushed < loadsMax; flushed++) {
          const outcome = pipeline.submit(2);
          const loads = interleaved(
            () => pipeline.port.pump(),
            (load) => {
              if (load === sequenced) pipeline.sequence();
              if (load === applied) pipeline.apply();
              if (load === flushed) pipeline.flush();
            },
          );
          most = Math.max(most, loads);
          for (let round = 0; round < 3; round++) {
            pipeline.sequence();
            pipeline.apply();
            pipeline.flush();
            pipeline.port.pump();
          }
          const rest = { open: 0, traded: 0, reason: Reason.unknownOrder, repeat: false };
          const expected = [
            { sequence: place + 1, ...rest },
            { sequence: place + 2, ...rest },
          ];
          expect({ sequenced, applied, flushed, ...outcome }).toEqual({
            ...{ sequenced, applied, flushed },
            ...{ answers: expected, done: true, failed: '' },
          });
          place += 2;
        }
      }
    }
    // Every place between two loads was tried.
    expect(most).toBeLessThanOrEqual(loadsMax);
    expect(most).toBeGreaterThan(3);
  },
);

test('places are read before their slots are used again, wherever the sequencer comes between', () => {
  for (let between = 0; between < 5; between++) {
    const pipeline = new StepwisePipeline('disk');
    const slots = (pipeline.memory.inputs[0]?.slots.byteLength ?? 0) / COMMAND_BYTES;
    const outcomes = Array.from({ length: slots / 256 }, () => pipeline.submit(256));
    interleaved(
      () => outcomes.push(pipeline.submit(256)),
      (load) => {
        if (load === between) pipeline.sequence();
      },
    );
    const taken = outcomes.filter(({ failed }) => failed === '');
    // Round the whole ring, while the port looks elsewhere.
    for (let step = 0; step < 2 * outcomes.length; step++) {
      pipeline.sequence();
      pipeline.flush();
    }
    finish(pipeline);
    expect(taken.every(({ done }) => done)).toBe(true);
    const sequences = taken.flatMap(({ answers }) => answers.map(({ sequence }) => sequence));
    expect(sequences).toEqual(Array.from({ length: taken.length * 256 }, (_, index) => index + 1));
  }
});

test('a batch is not done before the events of its last command are out', () => {
  const isWhole = ({ done, answers }: Outcome, count: number): boolean =>
    !done || (answers.length === count && answers.every(({ reason }) => reason === Reason.unknownOrder));
  const pipeline = new StepwisePipeline('disk');
  const outcome = pipeline.submit(4);
  pipeline.sequence();
  pipeline.apply(2);
  // From here the port knows of two events, of which none may go.
  pipeline.port.pump();
  pipeline.apply();
  pipeline.flush();
  pipeline.port.pump();
  expect(isWhole(outcome, 4)).toBe(true);
  finish(pipeline);
  expect(outcome).toMatchObject({ done: true });
  expect(isWhole(outcome, 4)).toBe(true);
  // More events than go out in one turn.
  const many = Array.from({ length: 40 }, () => pipeline.submit(256));
  for (let step = 0; step < 80; step++) {
    pipeline.sequence();
    pipeline.apply();
    pipeline.flush();
  }
  while (pipeline.port.pump() > 0) expect(many.every((each) => isWhole(each, 256))).toBe(true);
  expect(many.every(({ done }) => done)).toBe(true);
});

test('batches are answered in order, and each event is shown once', () => {
  const pipeline = new StepwisePipeline('disk');
  const seen: number[] = [];
  pipeline.port.listen((words, mask, from, count) => {
    for (let index = 0; index < count; index++) {
      const at = ((from + index) & mask) << SLOT_SHIFT;
      expect(eventType(words, at)).toBe(EventType.rejected);
      seen.push(words[at + EVENT_WORD.sequence] as number);
    }
  });
  const outcomes = [1, 5, 3].map((count) => pipeline.submit(count));
  pipeline.sequence();
  pipeline.apply();
  expect(pipeline.port.pump()).toBe(0);
  pipeline.flush();
  expect(pipeline.port.pump()).toBe(9);
  expect(pipeline.port.pump()).toBe(0);
  expect(outcomes.map(({ done }) => done)).toEqual([true, true, true]);
  expect(outcomes.flatMap(({ answers }) => answers.map(({ sequence }) => sequence))).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8, 9,
  ]);
  expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('under `memory` an answer waits for the slowest replica, under `disk` for the journal', () => {
  for (const policy of ACK_POLICIES) {
    const pipeline = new StepwisePipeline(policy);
    const status = new Int32Array(pipeline.memory.status);
    const outcome = pipeline.submit(1);
    pipeline.sequence();
    pipeline.apply();
    status[appliedWord(1)] = 0;
    pipeline.port.pump();
    expect(outcome.done).toBe(false);
    pipeline.flush();
    pipeline.port.pump();
    expect(outcome.done).toBe(policy !== 'memory');
    status[appliedWord(1)] = 1;
    pipeline.port.pump();
    expect(outcome.done).toBe(true);
  }
});

test('a command without events is done when its place is', () => {
  for (const policy of ACK_POLICIES) {
    const pipeline = new StepwisePipeline(policy);
    const outcome = pipeline.submit(3, { op: 'massCancel', account: 1 });
    pipeline.sequence();
    pipeline.apply();
    pipeline.flush();
    pipeline.port.pump();
    const nothing = { open: 0, traded: 0, reason: Reason.none, repeat: false };
    const answers = [1, 2, 3].map((sequence) => ({ sequence, ...nothing }));
    expect(outcome).toEqual({ answers, done: true, failed: '' });
  }
});

test('a full input ring is busy, until the sequencer has taken something and its places were read', () => {
  const pipeline = new StepwisePipeline('disk');
  const slots = (pipeline.memory.inputs[0]?.slots.byteLength ?? 0) / COMMAND_BYTES;
  for (let taken = 0; taken < slots; taken += 256) expect(pipeline.submit(256).failed).toBe('');
  expect(pipeline.submit(1).failed).toBe('busy');
  pipeline.sequence();
  expect(pipeline.submit(256).failed).toBe('');
  expect(pipeline.submit(1).failed).toBe('busy');
});

test('what was not answered when the venue fails is told so, and nothing is taken afterwards', async () => {
  const pipeline = new StepwisePipeline('disk');
  const answered = pipeline.submit(1);
  pipeline.sequence();
  pipeline.apply();
  pipeline.flush();
  pipeline.port.pump();
  const waiting = [pipeline.submit(2), pipeline.submit(1)];
  const drained = pipeline.port.drained();
  pipeline.sequence();
  pipeline.apply();
  pipeline.port.fail('the disk is gone');
  pipeline.flush();
  expect(pipeline.port.pump()).toBe(0);
  await drained;
  expect(answered).toMatchObject({ done: true, failed: '' });
  for (const outcome of waiting) expect(outcome).toEqual({ answers: [], done: false, failed: 'the disk is gone' });
  expect(pipeline.submit(1).failed).toBe('unavailable');
});

test('a port that refuses still answers what it had taken', async () => {
  const pipeline = new StepwisePipeline('disk');
  const outcome = pipeline.submit(2);
  pipeline.port.refuse();
  expect(pipeline.submit(1).failed).toBe('unavailable');
  const drained = pipeline.port.drained();
  pipeline.sequence();
  pipeline.apply();
  pipeline.flush();
  pipeline.port.pump();
  await drained;
  expect(outcome.done).toBe(true);
});

test('a port of a gateway that the pipeline has no ring for is refused', () => {
  expect(() => new CommandPort(allocatePipeline(1, 1, 0, 0), 1, 'disk')).toThrow('gateway: 1 is not below 1');
});
