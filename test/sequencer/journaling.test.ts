import { expect, test } from '@jest/globals';
import { writeWide } from '../../journal/amounts.ts';
import { BLOCK_HEADER_WORDS, type BlockBuffer, BlockView, checkBlock } from '../../journal/block.ts';
import { COMMAND_WORDS } from '../../journal/commands.ts';
import type { ChainPoint } from '../../journal/segments.ts';
import { type BlockWriter, Journaling } from '../../sequencer/journaling.ts';
import { allocatePipeline, BLOCK_SLOT_WORD, type PipelineMemory, STATUS } from '../../sequencer/pipeline.ts';
import { RingConsumer, RingProducer } from '../../sequencer/rings.ts';

const START = { sequence: 2 ** 32 - 3, block: 2 ** 32 - 2 };

/** A journal's writer that keeps what it is given. */
class KeptBlocks implements BlockWriter {
  readonly stored: BlockView[] = [];
  readonly #hash = Buffer.alloc(32, 1);
  #block = START.block;

  seal(block: BlockBuffer, count: number, firstSequence: number, timeLow: number, timeHigh: number): Buffer {
    this.#block++;
    const fields = { epoch: 1, block: this.#block, firstSequence, count, timeLow, timeHigh, shard: 0 };
    const bytes = block.seal({ ...fields, previousHash: this.#hash });
    bytes.copy(this.#hash, 0, 96, 128);
    return bytes;
  }

  appendSealed(bytes: Buffer): void {
    const view = checkBlock(Buffer.from(bytes));
    if (!(view instanceof BlockView)) throw new Error(view.text);
    this.stored.push(view);
  }

  get last(): ChainPoint {
    const { block = 0, lastSequence: sequence = 0, hash = Buffer.alloc(32) } = this.stored.at(-1) ?? {};
    return { block, sequence, epoch: 1, timeLow: 0, timeHigh: 0, hash };
  }

  keepPace(): number {
    return 0;
  }
}

/** A sequencer's side of the rings. */
class ClosedBlocks {
  readonly memory: PipelineMemory = allocatePipeline(1, 1, START.sequence, START.block);
  readonly status = new Int32Array(this.memory.status);
  readonly #commands = new RingProducer(this.memory.commands);
  readonly #blocks = new RingProducer(this.memory.blocks);
  readonly #leader = new RingConsumer(this.memory.commands, 1);
  #sequence = START.sequence;
  #block = START.block;

  close(count: number): void {
    for (let index = 0; index < count; index++) {
      const at = this.#commands.wordAt(index);
      this.#commands.words.fill(this.#sequence + 1 + index, at, at + COMMAND_WORDS);
    }
    this.#commands.publish(count);
    this.#leader.release(count);
    const at = this.#blocks.wordAt(0);
    this.#block++;
    writeWide(this.#blocks.words, at + BLOCK_SLOT_WORD.number, this.#block);
    writeWide(this.#blocks.words, at + BLOCK_SLOT_WORD.firstSequence, this.#sequence + 1);
    this.#blocks.words[at + BLOCK_SLOT_WORD.count] = count;
    this.#blocks.publish(1);
    this.#sequence += count;
  }

  get durable(): readonly number[] {
    return [this.status[STATUS.durableBlock] as number, this.status[STATUS.durableSequence] as number];
  }
}

function isAsSequenced(block: BlockView): boolean {
  const words = Array.from(
    { length: block.count * COMMAND_WORDS },
    (_, word) => block.words[BLOCK_HEADER_WORDS + word],
  );
  return words.every((word, index) => word === (block.firstSequence + Math.floor(index / COMMAND_WORDS)) >>> 0);
}

test('each step appends one closed block and then says that it is durable', () => {
  const closed = new ClosedBlocks();
  const writer = new KeptBlocks();
  const told: number[] = [];
  const journaling = new Journaling({
    memory: closed.memory,
    writer,
    nowNs: () => 0,
    onDurable: (block) => told.push(block),
  });
  expect(journaling.step()).toBe(0);
  for (const count of [5, 4093, 1]) closed.close(count);
  expect(closed.durable).toEqual([START.block | 0, START.sequence | 0]);
  for (const [steps, sequence] of [
    [1, 5],
    [2, 4098],
    [3, 4099],
  ] as const) {
    expect(journaling.step()).toBe(2);
    expect(closed.durable).toEqual([(START.block + steps) | 0, (START.sequence + sequence) | 0]);
    expect(told.at(-1)).toBe(START.block + steps);
  }
  expect(journaling.step()).toBe(0);
  expect(writer.stored.map((block) => block.count)).toEqual([5, 4093, 1]);
  expect(writer.stored.every(isAsSequenced)).toBe(true);
});

test('under replication blocks are handed over ahead, and none is durable before the log holds it and all before it', () => {
  const closed = new ClosedBlocks();
  const writer = new KeptBlocks();
  const handed: number[] = [];
  const replication = { inFlightMax: 3, replicate: (block: number) => handed.push(block) };
  const journaling = new Journaling({ memory: closed.memory, writer, nowNs: () => 0, replication });
  const replicated = (blocks: number): void => {
    closed.status[STATUS.replicatedBlock] = (START.block + blocks) | 0;
  };
  closed.close(10);
  expect(journaling.step()).toBe(1);
  // Closed while the first is on its way: found though the ring was looked at before.
  for (const count of [20, 30, 40, 50]) closed.close(count);
  expect(journaling.step()).toBe(2);
  expect(journaling.step()).toBe(0);
  expect(handed).toEqual([1, 2, 3].map((block) => START.block + block));
  expect(journaling.underWay).toBe(3);
  expect(writer.stored).toEqual([]);
  expect(closed.durable).toEqual([START.block | 0, START.sequence | 0]);

  replicated(2);
  expect(journaling.step()).toBe(1);
  expect(closed.durable).toEqual([(START.block + 1) | 0, (START.sequence + 10) | 0]);
  expect(journaling.step()).toBe(2);
  expect(closed.durable).toEqual([(START.block + 2) | 0, (START.sequence + 30) | 0]);
  expect(journaling.step()).toBe(1);
  expect(journaling.step()).toBe(0);
  expect(writer.stored).toHaveLength(2);

  replicated(5);
  while (journaling.step() > 0);
  expect(journaling.underWay).toBe(0);
  expect(handed).toEqual([1, 2, 3, 4, 5].map((block) => START.block + block));
  expect(writer.stored.map((block) => block.count)).toEqual([10, 20, 30, 40, 50]);
  expect(writer.stored.every(isAsSequenced)).toBe(true);
  expect(closed.durable).toEqual([(START.block + 5) | 0, (START.sequence + 150) | 0]);
});
