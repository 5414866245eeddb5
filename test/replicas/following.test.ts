import { expect, test } from '@jest/globals';
import { BLOCK_HEADER_WORDS, BlockBuffer, BlockView, checkBlock } from '../../journal/block.ts';
import { encodeCommand } from '../../journal/commands.ts';
import { JournalError } from '../../journal/findings.ts';
import { DEFAULT_LIMITS } from '../../journal/genesis.ts';
import { DigestSink } from '../../replicas/event-sinks.ts';
import { Follower } from '../../replicas/following.ts';
import { createMatcher } from '../../replicas/matcher.ts';
import { allocatePipeline, BLOCK_SLOTS } from '../../sequencer/pipeline.ts';
import { RingProducer } from '../../sequencer/rings.ts';

const LIMITS = { ...DEFAULT_LIMITS, ordersMax: 64, levelPagesMax: 8, instrumentsMax: 2, sessionsMax: 2 };
const EPOCH = 5;

function blockOf(epoch: number, block: number): BlockView {
  const buffer = new BlockBuffer();
  encodeCommand(buffer.words, BLOCK_HEADER_WORDS, { op: 'sessionOpen', account: 1, id: block });
  const fields = { epoch, block, firstSequence: block, count: 1, timeLow: block, timeHigh: 1, shard: 0 };
  const view = checkBlock(buffer.seal({ ...fields, previousHash: Buffer.alloc(32) }));
  if (!(view instanceof BlockView)) throw new Error(view.text);
  return view;
}

/** A follower that was lapped, and the blocks that it finds in the journal. */
function lapped(blocks: readonly BlockView[]): { readonly follower: Follower; readonly caughtUp: number[][] } {
  const memory = allocatePipeline(1, 2, 0, 0);
  const sink = new DigestSink();
  const matcher = createMatcher(LIMITS, sink);
  sink.begin(0);
  const caughtUp: number[][] = [];
  const follower = new Follower({
    ...{ memory, replica: 1, matcher, block: 0, epoch: EPOCH, sink },
    replay: (sequence) => blocks.filter((block) => block.firstSequence >= sequence),
    onDigest: () => undefined,
    onCaughtUp: (from, to) => caughtUp.push([from, to]),
  });
  new RingProducer(memory.blocks).publish(BLOCK_SLOTS + 1);
  return { follower, caughtUp };
}

test('a follower that was lapped goes on from the journal, with blocks of its writer and of those before', () => {
  const { follower, caughtUp } = lapped([blockOf(EPOCH - 1, 1), blockOf(EPOCH, 2), blockOf(EPOCH, 3)]);
  expect(follower.step()).toBeGreaterThan(0);
  expect(caughtUp[0]?.[0]).toBe(1);
  expect(follower.last.timeLow).toBe(follower.last.block);
  expect(follower.matcher.sequence()).toBe(follower.last.block);
});

test('what another writer has appended since ends it as one that was passed', () => {
  const { follower } = lapped([blockOf(EPOCH, 1), blockOf(EPOCH + 1, 2)]);
  const seen = (): number => follower.step();
  let error: unknown;
  try {
    while (seen() > 0);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(JournalError);
  expect(error).toMatchObject({
    code: 'epoch-lost',
    message: 'another writer took the journal over with epoch 6; this one has 5',
  });
  expect(follower.matcher.sequence()).toBe(1);
});
