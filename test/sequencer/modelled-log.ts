import { BLOCK_HEADER_WORDS, BlockBuffer, BlockView, checkBlock } from '../../journal/block.ts';
import { COMMAND_WORDS } from '../../journal/commands.ts';
import { DEFAULT_LIMITS, encodeGenesis } from '../../journal/genesis.ts';
import type { ChainPoint } from '../../journal/segments.ts';
import { ChainFollower, type Fed, LOG_BEGIN } from '../../sequencer/chain-follower.ts';
import type { EpochRecord, LogMessage } from '../../sequencer/log-messages.ts';
import type { PublishOutcome, StoredMessage } from '../../sequencer/replicated-log.ts';

/** A replicated log as the nodes may take it to be, without network, disks or time. */
export class ModelledLog {
  readonly messages: LogMessage[] = [];

  get last(): number {
    return this.messages.length;
  }

  store(message: LogMessage, lastSlot: number | undefined): PublishOutcome {
    if (lastSlot !== undefined && lastSlot !== this.last)
      return { kind: 'rejected', text: `wrong last sequence: ${this.last}` };
    this.messages.push(message);
    return { kind: 'stored', slot: this.last };
  }

  *from(slot: number): Generator<StoredMessage> {
    for (let at = slot; at <= this.last; at++) yield { slot: at, message: this.messages[at - 1] as LogMessage };
  }

  /** What a reader makes of it who reads all of it. */
  read(): { readonly fed: readonly Fed[]; readonly blocks: readonly BlockView[]; readonly follower: ChainFollower } {
    const follower = new ChainFollower(LOG_BEGIN);
    const fed = Array.from(this.from(1), ({ slot, message }) => follower.feed(slot, message));
    return { fed, blocks: fed.flatMap((each) => (each.kind === 'block' ? [each.block] : [])), follower };
  }
}

export const GENESIS = encodeGenesis({ shard: 0, createdAt: 7n, limits: DEFAULT_LIMITS });

export function recordOf(epoch: number, node: string, end: ChainPoint, genesis = GENESIS): EpochRecord {
  return { epoch, node, nonce: Buffer.alloc(16, `${node}${epoch}`), genesis, end };
}

const buffer = new BlockBuffer();

/** A block that follows `last`, of two commands that say who made it. */
export function blockAfter(last: ChainPoint, epoch: number, mark: number): BlockView {
  const count = 2;
  for (let command = 0; command < count; command++)
    buffer.words[BLOCK_HEADER_WORDS + command * COMMAND_WORDS + 6] = mark;
  const sealed = buffer.seal({
    epoch,
    block: last.block + 1,
    firstSequence: last.sequence + 1,
    count,
    timeLow: last.block,
    timeHigh: 0,
    shard: 0,
    previousHash: last.hash,
  });
  const block = checkBlock(Buffer.from(new Uint8Array(sealed).buffer));
  if (!(block instanceof BlockView)) throw new Error(block.text);
  return block;
}

export function blockMessage(envelopeEpoch: number, block: BlockView): LogMessage {
  return { kind: 'block', envelopeEpoch, bytes: block.bytes };
}
