import { SnapshotStore } from '../../journal/snapshots.ts';
import { stateCodec } from '../../replicas/canonical-state.ts';
import type { ReplicaReport } from '../../replicas/replica-thread.ts';
import { BLOCK_SLOTS, type PipelineMemory, STATUS } from '../../sequencer/pipeline.ts';
import type { Notice } from './venue.ts';

export type EncodedSnapshot = ReplicaReport & { readonly kind: 'snapshot' };

/** A snapshot that was written. */
export interface SnapshotTaken {
  readonly sequence: number;
  readonly block: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
  readonly stateHash: string;
}

/** Who is told of it. */
export interface SnapshotListener {
  readonly tell: (notice: Notice) => void;
  readonly written: (snapshot: SnapshotTaken) => void;
}

const DURABLE_POLL_MS = 5;
/** So many of those that were written last are told. */
const TAKEN_KEPT = 64;

/**
 * Writes the snapshots that a follower has encoded, off the replicas' threads, one after another, each not before its block
 * is durable. If they come faster than they can be written, the newest waiting one replaces the one before it.
 */
export class SnapshotKeeper {
  /** Those written last, the newest at the end. */
  readonly taken: SnapshotTaken[] = [];
  readonly counts = { written: 0, failed: 0 };
  readonly #store: SnapshotStore;
  readonly #memory: PipelineMemory;
  readonly #shard: () => number;
  readonly #status: Int32Array;
  readonly #listener: SnapshotListener;
  #waiting: EncodedSnapshot | undefined;
  #working: Promise<void> | undefined;
  /** Cleaning takes away every file that is being written. */
  #cleaned: Promise<void> = Promise.resolve();

  constructor(
    directory: string,
    shard: () => number,
    memory: PipelineMemory,
    kept: number,
    listener: SnapshotListener,
  ) {
    this.#store = new SnapshotStore(directory, kept);
    this.#shard = shard;
    this.#memory = memory;
    this.#status = new Int32Array(memory.status);
    this.#listener = listener;
  }

  /** Removes what a server that died left behind. */
  clean(): Promise<void> {
    this.#cleaned = this.#store.clean();
    return this.#cleaned;
  }

  take(snapshot: EncodedSnapshot): void {
    this.#waiting = snapshot;
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  /** Resolves when nothing is being written or waiting. */
  async settled(): Promise<void> {
    while (this.#working !== undefined) await this.#working;
  }

  async #work(): Promise<void> {
    await this.#cleaned;
    while (this.#waiting !== undefined) {
      const snapshot = this.#waiting;
      this.#waiting = undefined;
      try {
        await this.#write(snapshot);
      } catch (error) {
        this.counts.failed++;
        const why = error instanceof Error ? error.message : String(error);
        this.#listener.tell({
          level: 'warn',
          text: 'snapshot was not written',
          fields: { sequence: snapshot.sequence, why },
        });
      }
    }
  }

  async #write(snapshot: EncodedSnapshot): Promise<void> {
    let ahead = this.#durableBlocksAfter(snapshot.block);
    while (ahead < 0) {
      if (Atomics.load(this.#status, STATUS.failed) !== 0) return;
      await new Promise((resolve) => setTimeout(resolve, DURABLE_POLL_MS));
      ahead = this.#durableBlocksAfter(snapshot.block);
    }
    // Hashes are kept for as many blocks as the ring has; a snapshot that waited longer is not worth reading it back for.
    if (ahead >= BLOCK_SLOTS / 2) throw new Error(`it waited for ${ahead} blocks`);
    const chainHash = new Uint8Array(this.#memory.blockHashes)
      .slice((snapshot.block & (BLOCK_SLOTS - 1)) * 32)
      .subarray(0, 32);
    const header = await this.#store.write(
      {
        shard: this.#shard(),
        sequence: snapshot.sequence,
        block: snapshot.block,
        time: (BigInt(snapshot.timeHigh) << 32n) | BigInt(snapshot.timeLow),
        chainHash,
        codec: stateCodec(snapshot.state),
      },
      snapshot.state,
    );
    const taken = {
      sequence: snapshot.sequence,
      block: snapshot.block,
      rawBytes: header.rawBytes,
      storedBytes: header.storedBytes,
      stateHash: header.stateHash.toString('hex'),
    };
    this.counts.written++;
    this.taken.push(taken);
    if (this.taken.length > TAKEN_KEPT) this.taken.shift();
    this.#listener.written(taken);
    this.#listener.tell({
      level: 'info',
      text: 'snapshot written',
      fields: { ...taken, encodeMs: Math.round(snapshot.encodeMs) },
    });
  }

  #durableBlocksAfter(block: number): number {
    return (Atomics.load(this.#status, STATUS.durableBlock) - block) | 0;
  }
}
