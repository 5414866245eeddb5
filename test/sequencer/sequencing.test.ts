import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readWide } from '../../journal/amounts.ts';
import { BLOCK_ORDERS_MAX } from '../../journal/block.ts';
import { COMMAND_WORD } from '../../journal/commands.ts';
import { BLOCK_SLOT_WORD } from '../../sequencer/pipeline.ts';
import { allocateRing, RingConsumer, type RingMemory, RingProducer } from '../../sequencer/rings.ts';
import { type BlockBounds, checkBlockBounds, DEFAULT_BLOCK_BOUNDS, Sequencing } from '../../sequencer/sequencing.ts';

/** Commands that one input may give in a row while others wait. */
const TURN = 256;
const BOUNDS: BlockBounds = {
  ordersMax: 100,
  ordersReady: 40,
  openMicrosMax: 1000,
  windowMicros: 0,
  lingerMicrosMax: 0,
  inFlightMax: 2,
};

interface Start {
  readonly sequence: number;
  readonly block: number;
}

/** Where the numbers start: at the begin, and where the low words of both turn over. */
const STARTS: readonly Start[] = [
  { sequence: 0, block: 0 },
  { sequence: 2 ** 32 - 8, block: 2 ** 32 - 3 },
  { sequence: 2 ** 31 - 8, block: 2 ** 31 - 3 },
  { sequence: 2 ** 52 + 2 ** 32 - 8, block: 2 ** 40 - 2 },
];

interface Options {
  readonly bounds?: Partial<BlockBounds>;
  readonly start?: Start;
  readonly inputs?: number;
  readonly inputSlots?: number;
  readonly commandSlots?: number;
  readonly blockSlots?: number;
}

/** A block as it was closed. */
interface Closed {
  readonly number: number;
  readonly first: number;
  readonly count: number;
  readonly timeLow: number;
  readonly timeHigh: number;
}

/** The sequencing step between gateways, a journal and a leader that do what they are told, on one thread. */
class Bench {
  readonly sequencing: Sequencing;
  readonly gateways: readonly RingProducer[];
  readonly closed: Closed[] = [];
  /** Commands as the leader saw them: whose, which of theirs, when. */
  readonly applied: { readonly input: number; readonly tag: number; readonly time: number }[] = [];
  durable: number;
  steps = 0;
  readonly #start: Start;
  readonly #memory: RingMemory;
  readonly #journalCommands: RingConsumer;
  readonly #journalBlocks: RingConsumer;
  readonly #leader: RingConsumer;
  readonly #sent: number[];
  readonly #reaped: number[];
  readonly #waiting: Closed[] = [];
  /** Words of applied commands that are not what they should be. */
  #spoiled = 0;

  constructor(options: Options = {}) {
    const { inputs = 1, inputSlots = 1024, commandSlots = 4096, blockSlots = 16 } = options;
    this.#start = options.start ?? { sequence: 0, block: 0 };
    const bounds = { ...BOUNDS, ...options.bounds };
    const gateways = Array.from({ length: inputs }, () => allocateRing(inputSlots, 1));
    this.#memory = allocateRing(commandSlots, 2, (this.#start.sequence + 1) | 0);
    const blocks = allocateRing(blockSlots, 1, (this.#start.block + 1) | 0);
    this.gateways = gateways.map((memory) => new RingProducer(memory));
    this.sequencing = new Sequencing(
      gateways.map((memory) => new RingConsumer(memory, 0)),
      new RingProducer(this.#memory),
      new RingProducer(blocks),
      this.#start,
      bounds,
    );
    this.#journalCommands = new RingConsumer(this.#memory, 0);
    this.#leader = new RingConsumer(this.#memory, 1);
    this.#journalBlocks = new RingConsumer(blocks, 0);
    this.durable = this.#start.block;
    this.#sent = Array(inputs).fill(0) as number[];
    this.#reaped = Array(inputs).fill(0) as number[];
  }

  get open(): number {
    return this.sequencing.open;
  }

  /** A gateway puts up to `count` commands into its ring, each with its own number; returns how many had room. */
  submit(input: number, count: number): number {
    const gateway = this.gateways[input] as RingProducer;
    const room = Math.min(count, gateway.room(count));
    for (let index = 0; index < room; index++) {
      const at = gateway.wordAt(index);
      for (let word = 0; word < COMMAND_WORD.time + 2; word++) gateway.words[at + word] = 0xffff_ff00 + word;
      gateway.words[at + COMMAND_WORD.account] = input;
      gateway.words[at + COMMAND_WORD.id] = (this.#sent[input] as number) + index;
    }
    gateway.publish(room);
    this.#sent[input] = (this.#sent[input] as number) + room;
    return room;
  }

  /** One step; the time stamp is the number of the step. */
  step(micros = 0): number {
    this.steps++;
    return this.sequencing.step(this.steps, 0xffff_fff0, micros, this.durable | 0);
  }

  /** The journal takes closed blocks off the ring and makes up to `count` of them durable. */
  flush(count = 1): void {
    for (let available = this.#journalBlocks.available(); available > 0; available--) {
      const { words } = this.#journalBlocks;
      const at = this.#journalBlocks.wordAt(0);
      const block = {
        number: readWide(words, at + BLOCK_SLOT_WORD.number),
        first: readWide(words, at + BLOCK_SLOT_WORD.firstSequence),
        count: words[at + BLOCK_SLOT_WORD.count] as number,
        timeLow: words[at + BLOCK_SLOT_WORD.time] as number,
        timeHigh: words[at + BLOCK_SLOT_WORD.time + 1] as number,
      };
      this.closed.push(block);
      this.#waiting.push(block);
      this.#journalBlocks.release(1);
    }
    for (const block of this.#waiting.splice(0, count)) {
      this.durable = block.number;
      this.#journalCommands.available();
      this.#journalCommands.release(block.count);
    }
  }

  /** The leader applies up to `count` commands. */
  apply(count: number): void {
    const taken = Math.min(count, this.#leader.available());
    for (let index = 0; index < taken; index++) {
      const { words } = this.#leader;
      const at = this.#leader.wordAt(index);
      // What is between the fields that were set is carried along untouched.
      if (words[at + COMMAND_WORD.time] !== 0xffff_fff0) this.#spoiled++;
      if (words[at + COMMAND_WORD.request] !== 0xffff_ff00 + COMMAND_WORD.request) this.#spoiled++;
      this.applied.push({
        input: words[at + COMMAND_WORD.account] as number,
        tag: words[at + COMMAND_WORD.id] as number,
        time: words[at + COMMAND_WORD.time + 1] as number,
      });
    }
    this.#leader.release(taken);
  }

  /** Sequences that a gateway finds in the slots it was given back since the last time. */
  reap(input: number): number[] {
    const gateway = this.gateways[input] as RingProducer;
    const sequences: number[] = [];
    for (
      ;
      (this.#reaped[input] as number) < gateway.consumed();
      this.#reaped[input] = (this.#reaped[input] as number) + 1
    ) {
      const at = ((this.#reaped[input] as number) & gateway.mask) * 16;
      sequences.push(readWide(gateway.words, at + COMMAND_WORD.time));
    }
    return sequences;
  }

  /** Everything that is still under way comes to its end. */
  finish(): void {
    // Time goes on, as blocks may wait for it.
    let micros = 2 ** 50;
    for (let idle = 0; idle < 3; ) {
      micros += 1e6;
      const work = this.step(micros);
      this.flush(100);
      this.apply(100_000);
      idle = work === 0 ? idle + 1 : 0;
    }
  }

  /** What must hold of everything that came out, whatever happened. */
  check(bounds: BlockBounds): void {
    const total = this.#sent.reduce((sum, sent) => sum + sent, 0);
    expect(this.applied).toHaveLength(total);
    expect(this.#spoiled).toBe(0);
    expect(this.sequencing.sequence).toBe(this.#start.sequence + total);
    // Each input's commands come in its order, every one once, and times do not go back.
    const next = this.#sent.map(() => 0);
    let time = 0;
    let disordered = 0;
    for (const { input, tag, time: stamp } of this.applied) {
      if (tag !== next[input] || stamp < time) disordered++;
      next[input] = tag + 1;
      time = stamp;
    }
    expect(disordered).toBe(0);
    // Blocks follow each other without a gap, in number and in sequence.
    let { block, sequence } = this.#start;
    for (const { number, first, count } of this.closed) {
      expect([number, first]).toEqual([block + 1, sequence + 1]);
      expect(count).toBeGreaterThanOrEqual(1);
      expect(count).toBeLessThanOrEqual(bounds.ordersMax);
      block = number;
      sequence += count;
    }
    expect(sequence).toBe(this.#start.sequence + total);
  }
}

test.each(STARTS)('one command gets its place, its time and a block of its own, after %p', (start) => {
  const bench = new Bench({ start });
  expect(bench.step()).toBe(0);
  bench.submit(0, 1);
  // One command taken and one block closed.
  expect(bench.step()).toBe(2);
  bench.flush();
  bench.apply(1);
  expect(bench.applied).toEqual([{ input: 0, tag: 0, time: 2 }]);
  expect(bench.closed).toEqual([
    { number: start.block + 1, first: start.sequence + 1, count: 1, timeLow: 0xffff_fff0, timeHigh: 2 },
  ]);
  expect(bench.reap(0)).toEqual([start.sequence + 1]);
  expect([bench.sequencing.sequence, bench.open]).toEqual([start.sequence + 1, 0]);
});

test('an idle disk gets what there is at once; a busy one a block that is full enough, or has waited long enough', () => {
  const bench = new Bench();
  bench.submit(0, 3);
  expect(bench.step(0)).toBe(4);
  bench.submit(0, BOUNDS.ordersReady - 1);
  expect(bench.step(10)).toBe(BOUNDS.ordersReady - 1);
  expect(bench.open).toBe(BOUNDS.ordersReady - 1);
  bench.submit(0, 1);
  expect(bench.step(20)).toBe(2);
  expect(bench.open).toBe(0);
  bench.flush(1);
  // One block is in flight again; the age counts from the first command of the open block.
  bench.submit(0, 1);
  expect(bench.step(5000)).toBe(1);
  bench.submit(0, 1);
  expect(bench.step(5000 + BOUNDS.openMicrosMax - 1)).toBe(1);
  expect(bench.step(5000 + BOUNDS.openMicrosMax)).toBe(1);
  expect(bench.open).toBe(0);
  bench.flush(9);
  expect(bench.closed.map(({ count }) => count)).toEqual([3, BOUNDS.ordersReady, 2]);
});

test('with a commit window every block waits for as long, or until it is full, also for an idle disk', () => {
  const window = 400;
  const bench = new Bench({ bounds: { windowMicros: window, openMicrosMax: 100 } });
  bench.submit(0, 3);
  bench.step(0);
  bench.submit(0, BOUNDS.ordersReady);
  bench.step(window - 1);
  expect(bench.open).toBe(3 + BOUNDS.ordersReady);
  bench.step(window);
  expect(bench.open).toBe(0);
  bench.flush(9);
  bench.submit(0, BOUNDS.ordersMax);
  bench.step(1000);
  bench.flush(9);
  expect(bench.closed.map(({ count }) => count)).toEqual([3 + BOUNDS.ordersReady, BOUNDS.ordersMax]);
});

test('after a full enough block the next one waits for more, as long as may be or until it is full', () => {
  const linger = 200;
  const bench = new Bench({ bounds: { lingerMicrosMax: linger } });
  const step = (submitted: number, micros: number): void => {
    bench.submit(0, submitted);
    bench.step(micros);
    bench.flush(9);
  };
  step(BOUNDS.ordersReady, 0);
  expect(bench.open).toBe(0);
  // The disk is idle, and still.
  step(BOUNDS.ordersReady + 1, 10);
  step(1, 10 + linger - 1);
  expect(bench.open).toBe(BOUNDS.ordersReady + 2);
  step(0, 10 + linger);
  expect(bench.open).toBe(0);
  step(BOUNDS.ordersMax, 300);
  expect(bench.open).toBe(0);
  // The one after a small one does not wait.
  step(2, 300);
  step(0, 300 + linger);
  step(3, 900);
  expect(bench.closed.map(({ count }) => count)).toEqual([
    BOUNDS.ordersReady,
    BOUNDS.ordersReady + 2,
    BOUNDS.ordersMax,
    2,
    3,
  ]);
});

test('with as many blocks in flight as may be, the open one grows to its largest, then the gateways wait', () => {
  const bench = new Bench();
  for (let block = 0; block < BOUNDS.inFlightMax; block++) {
    bench.submit(0, BOUNDS.ordersReady);
    expect(bench.step()).toBe(BOUNDS.ordersReady + 1);
  }
  bench.submit(0, 1000);
  expect(bench.step(1e9)).toBe(BOUNDS.ordersMax);
  expect(bench.step(2e9)).toBe(0);
  expect(bench.open).toBe(BOUNDS.ordersMax);
  expect(bench.reap(0)).toHaveLength(2 * BOUNDS.ordersReady + BOUNDS.ordersMax);
  // The disk has got one done: the full block goes, and a new one is begun in the next step.
  bench.flush(1);
  expect(bench.step(2e9)).toBe(1);
  expect(bench.open).toBe(0);
  expect(bench.step(2e9)).toBe(BOUNDS.ordersMax);
  bench.finish();
  bench.check(BOUNDS);
});

test('a block is not closed when the block ring has no room, however many may be in flight', () => {
  const bench = new Bench({ bounds: { inFlightMax: 100, ordersReady: 1 }, blockSlots: 2 });
  for (let block = 0; block < 2; block++) {
    bench.submit(0, 1);
    expect(bench.step()).toBe(2);
  }
  bench.submit(0, 1);
  expect(bench.step()).toBe(1);
  expect(bench.step(1e9)).toBe(0);
  bench.flush(1);
  expect(bench.step(1e9)).toBe(1);
  bench.finish();
  bench.check(BOUNDS);
});

test('nothing is taken while the slowest reader of the commands leaves no room', () => {
  const bench = new Bench({ bounds: { ordersMax: 64 }, commandSlots: 64 });
  bench.submit(0, 200);
  expect(bench.step()).toBe(65);
  bench.flush();
  // The journal is through, the leader is not.
  expect(bench.step()).toBe(0);
  bench.apply(10);
  expect(bench.step()).toBe(11);
  bench.finish();
  bench.check(BOUNDS);
});

test('gateways take turns when there is plenty of room', () => {
  const bench = new Bench({ inputs: 3, bounds: { ordersMax: 4000, ordersReady: 4000, inFlightMax: 1 } });
  for (let input = 0; input < 3; input++) bench.submit(input, 1000);
  bench.step();
  bench.apply(4000);
  expect([0, 1, 2].map((one) => bench.applied.filter(({ input }) => input === one).length)).toEqual([TURN, TURN, TURN]);
});

test.each([TURN, 100, 1])('gateways take turns when there is room for %d at a time', (room) => {
  const inputs = 3;
  const bench = new Bench({ inputs, commandSlots: 256, bounds: { ordersMax: 4000, ordersReady: 1, inFlightMax: 8 } });
  const given = [0, 0, 0];
  // Full, and full gateways behind it.
  for (let input = 0; input < inputs; input++) bench.submit(input, 1024);
  bench.step();
  for (let turn = 0; turn < 800; turn++) {
    bench.flush(9);
    const before = bench.applied.length;
    bench.apply(room);
    for (const { input } of bench.applied.slice(before)) given[input] = (given[input] as number) + 1;
    bench.step();
    for (let input = 0; input < inputs; input++) bench.submit(input, 1024);
    expect(Math.max(...given) - Math.min(...given)).toBeLessThanOrEqual(2 * TURN);
  }
  const fair = given.reduce((sum, each) => sum + each, 0) / inputs;
  expect(Math.min(...given)).toBeGreaterThan(fair / 2);
});

test('a gateway whose neighbours are quiet gets all the turns', () => {
  const bench = new Bench({ inputs: 3, bounds: { ordersMax: 4000 } });
  bench.submit(1, 600);
  expect([bench.step(), bench.step(), bench.step()]).toEqual([TURN + 1, TURN + 1, 600 - 2 * TURN]);
});

test('a command is given back to its gateway before anybody can see it', () => {
  const input = allocateRing(16, 1);
  const gateway = new RingProducer(input);
  const seen: number[] = [];
  class Watched extends RingProducer {
    override publish(count: number): void {
      seen.push(gateway.consumed());
      super.publish(count);
    }
  }
  const commands = new Watched(allocateRing(16, 2, 1));
  const blocks = new RingProducer(allocateRing(4, 1, 1));
  const sequencing = new Sequencing([new RingConsumer(input, 0)], commands, blocks, { sequence: 0, block: 0 }, BOUNDS);
  gateway.publish(5);
  sequencing.step(0, 0, 0, 0);
  expect(seen).toEqual([5]);
});

test('whatever comes when, every command gets one place, in the order of its gateway, and blocks keep their bounds', () => {
  const action = fc.oneof(
    { weight: 4, arbitrary: fc.record({ submit: fc.nat(2), count: fc.integer({ min: 1, max: 40 }) }) },
    { weight: 6, arbitrary: fc.record({ step: fc.integer({ min: 0, max: 400 }) }) },
    { weight: 2, arbitrary: fc.record({ flush: fc.integer({ min: 0, max: 3 }) }) },
    { weight: 2, arbitrary: fc.record({ apply: fc.integer({ min: 1, max: 60 }) }) },
    { weight: 1, arbitrary: fc.record({ reap: fc.nat(2) }) },
  );
  const bounds = fc.record({
    ordersMax: fc.integer({ min: 1, max: 40 }),
    ordersReady: fc.integer({ min: 1, max: 40 }),
    openMicrosMax: fc.integer({ min: 0, max: 1000 }),
    windowMicros: fc.constantFrom(0, 150),
    lingerMicrosMax: fc.constantFrom(0, 300),
    inFlightMax: fc.integer({ min: 1, max: 5 }),
  });
  const run = (limits: BlockBounds, start: Start, actions: readonly Record<string, number>[]): void => {
    const bench = new Bench({ inputs: 3, inputSlots: 32, commandSlots: 64, blockSlots: 4, start, bounds: limits });
    const places: number[] = [];
    let micros = 0;
    for (const { submit, count = 0, step, flush, apply, reap } of actions) {
      if (submit !== undefined) bench.submit(submit, count);
      if (step !== undefined) {
        micros += step;
        bench.step(micros);
        expect(bench.open).toBeLessThanOrEqual(limits.ordersMax);
        const closed = bench.closed.length;
        bench.flush(0);
        const inFlight = start.block + bench.closed.length - bench.durable;
        expect(inFlight).toBeLessThanOrEqual(limits.inFlightMax);
        // With the disk idle, nothing stays open unless more is waited for.
        if (inFlight === 0 && limits.lingerMicrosMax === 0 && limits.windowMicros === 0) expect(bench.open).toBe(0);
        expect(bench.closed.length - closed).toBeLessThanOrEqual(1);
      }
      if (flush !== undefined) bench.flush(flush);
      if (apply !== undefined) bench.apply(apply);
      if (reap !== undefined) places.push(...bench.reap(reap));
      // A slot that is used again before its place was read would lose it.
      for (let input = 0; input < 3; input++) places.push(...bench.reap(input));
    }
    bench.finish();
    for (let input = 0; input < 3; input++) places.push(...bench.reap(input));
    bench.check(limits);
    places.sort((a, b) => a - b);
    expect(places).toEqual(bench.applied.map((_, index) => start.sequence + 1 + index));
  };
  fc.assert(
    fc.property(bounds, fc.constantFrom(...STARTS), fc.array(action, { maxLength: 120 }), (limits, start, actions) =>
      run(limits, start, actions as Record<string, number>[]),
    ),
  );
});

test('each gateway finds the places of its own commands', () => {
  const bench = new Bench({ inputs: 2 });
  bench.submit(0, 3);
  bench.submit(1, 2);
  bench.step();
  bench.submit(1, 1);
  bench.submit(0, 1);
  bench.step();
  expect([bench.reap(0), bench.reap(1)]).toEqual([
    [1, 2, 3, 6],
    [4, 5, 7],
  ]);
});

test.each([
  ['ordersMax', 0, `blockBounds.ordersMax: 0 must be a whole number from 1 to ${BLOCK_ORDERS_MAX}`],
  ['ordersMax', BLOCK_ORDERS_MAX + 1, 'blockBounds.ordersMax: 4094 must be'],
  ['ordersReady', 0, 'blockBounds.ordersReady: 0 must be'],
  ['openMicrosMax', -1, 'blockBounds.openMicrosMax: -1 must be'],
  ['openMicrosMax', Number.NaN, 'blockBounds.openMicrosMax: NaN must be'],
  ['windowMicros', 20_001, 'blockBounds.windowMicros: 20001 must be a whole number from 0 to 20000'],
  ['lingerMicrosMax', -1, 'blockBounds.lingerMicrosMax: -1 must be'],
  ['inFlightMax', 0, 'blockBounds.inFlightMax: 0 must be'],
  ['inFlightMax', 1.5, 'blockBounds.inFlightMax: 1.5 must be'],
])('bounds that would never close a block, or a block too large, are refused: %s %d', (name, value, text) => {
  expect(() => checkBlockBounds({ ...DEFAULT_BLOCK_BOUNDS, [name]: value })).toThrow(text);
});

test('the bounds that a venue has by itself are allowed', () => {
  checkBlockBounds(DEFAULT_BLOCK_BOUNDS);
});
