import type { ChainPoint } from '../journal/segments.ts';
import { BLOCK_SLOTS, type PipelineMemory, STATUS } from '../sequencer/pipeline.ts';

/** Where a running venue's journal ends on disk, read from what its threads share. */
export class DurablePlace {
  readonly #status: Int32Array;
  readonly #hashes: Uint8Array;
  readonly #start: Pick<ChainPoint, 'block' | 'sequence' | 'hash'>;

  /** `start` is the end of the journal when the pipeline's memory was made. */
  constructor(memory: PipelineMemory, start: Pick<ChainPoint, 'block' | 'sequence' | 'hash'>) {
    this.#status = new Int32Array(memory.status);
    this.#hashes = new Uint8Array(memory.blockHashes);
    this.#start = start;
  }

  get block(): number {
    return this.#start.block + ((Atomics.load(this.#status, STATUS.durableBlock) - this.#start.block) | 0);
  }

  get sequence(): number {
    return this.#start.sequence + ((Atomics.load(this.#status, STATUS.durableSequence) - this.#start.sequence) | 0);
  }

  /** The last durable block with its chain hash, and its last sequence or a little later one. */
  read(): { readonly block: number; readonly chainHash: string; readonly sequence: number } {
    for (;;) {
      const { block } = this;
      const at = (block & (BLOCK_SLOTS - 1)) * 32;
      const hash = block === this.#start.block ? this.#start.hash : Buffer.from(this.#hashes.slice(at, at + 32));
      // The ring of hashes goes round; read again if it did meanwhile.
      if (this.block - block < BLOCK_SLOTS / 2)
        return { block, chainHash: hash.toString('hex'), sequence: this.sequence };
    }
  }
}
