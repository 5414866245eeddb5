import type { ChainPoint } from '../../journal/segments.ts';
import type { VenueState } from '../../sequencer/venue-state.ts';

/** What was compared with the venue and found equal. */
export interface Agreed {
  /** Digests of events, and how many of them were computed here; the venue does not remember those of long ago. */
  readonly digests: number;
  readonly digestsOwn: number;
  /** Hashes of the whole state. */
  readonly states: number;
  /** The last sequence at which a digest or a state was compared. */
  readonly sequence: number;
  /** The last block whose chain hash was compared. */
  readonly block: number;
}

/** Things of one side that wait for the other one's. */
const WAITING_MAX = 4_096;
/** Blocks whose hash is remembered, for what the venue tells of a block that has come already. */
const HASHES_MAX = 1_024;

/**
 * Compares what a replica elsewhere computes with what the venue tells. Either side may be first. Whatever differs is told
 * in words, by the call that finds it, and means that one of the two is wrong: whoever asks must stop.
 */
export class StateAgreement {
  readonly #digests = new Comparison<number>();
  readonly #states = new Comparison<string>();
  readonly #genesisHash: string;
  readonly #hashAt: (block: number) => string | undefined;
  readonly #hashes = new Map<number, string>();
  /** Of blocks that did not come yet. */
  readonly #toldHashes = new Map<number, string>();
  #digestsOwn = 0;
  #sequence = 0;
  #block = 0;
  #digestEvery = 0;
  /** The last sequence of which the venue told a digest: it is asked for later ones. */
  told = 0;

  /** `genesisHash` is of the copy's genesis record. `hashAt` gives the chain hash of any block of the copy, in hex; undefined if it is not kept. */
  constructor(genesisHash: Buffer, hashAt: (block: number) => string | undefined) {
    this.#genesisHash = genesisHash.toString('hex');
    this.#hashAt = hashAt;
  }

  get agreed(): Agreed {
    const { equal: digests } = this.#digests;
    return {
      digests,
      digestsOwn: this.#digestsOwn,
      states: this.#states.equal,
      sequence: this.#sequence,
      block: this.#block,
    };
  }

  /** Takes a digest computed here. */
  digest(sequence: number, crc: number): string | undefined {
    this.#digestsOwn++;
    return this.#judge(this.#digests.own(sequence, crc), sequence, () => this.#digestText(sequence));
  }

  /** Takes the hash of the state computed here, in hex. */
  state(sequence: number, hash: string): string | undefined {
    return this.#judge(this.#states.own(sequence, hash), sequence, () => stateText(sequence));
  }

  /** Takes a block that came. */
  block(block: number, hash: Buffer): string | undefined {
    const hex = hash.toString('hex');
    this.#hashes.set(block, hex);
    this.#hashes.delete(block - HASHES_MAX);
    const told = this.#toldHashes.get(block);
    return told === undefined ? undefined : this.#compareBlock(block, hex, told);
  }

  /** Takes what the venue told, when it was asked while `last` was the copy's end. */
  heard(state: VenueState, last: ChainPoint): string | undefined {
    if (state.genesisHash !== this.#genesisHash)
      return `the venue's genesis record has hash ${state.genesisHash}, the copy's ${this.#genesisHash}: it is another venue's`;
    this.#digestEvery = state.digestEvery;
    for (const [sequence, crc] of state.digests) {
      this.told = Math.max(this.told, sequence);
      const differ = this.#judge(this.#digests.told(sequence, crc), sequence, () => this.#digestText(sequence));
      if (differ !== undefined) return differ;
    }
    for (const [sequence, hash] of state.states) {
      const differ = this.#judge(this.#states.told(sequence, hash), sequence, () => stateText(sequence));
      if (differ !== undefined) return differ;
    }
    return this.#heardBlock(state, last);
  }

  #heardBlock({ block, chainHash, epoch }: VenueState, last: ChainPoint): string | undefined {
    const own = this.#hashes.get(block) ?? (block > last.block ? undefined : this.#hashAt(block));
    if (own === undefined) {
      this.#toldHashes.set(block, chainHash);
      if (this.#toldHashes.size > WAITING_MAX) dropOldest(this.#toldHashes);
    } else {
      // The venue tells the same block again while it has nothing to do.
      this.#hashes.set(block, own);
      const differ = this.#compareBlock(block, own, chainHash);
      if (differ !== undefined) return differ;
    }
    // A server that was fenced, and does not know it yet, is behind without being wrong.
    if (block >= last.block || epoch < last.epoch) return undefined;
    return `the venue's journal ends with block ${block}, before block ${last.block} that it had published: it has lost its end`;
  }

  #compareBlock(block: number, own: string, told: string): string | undefined {
    this.#toldHashes.delete(block);
    if (own !== told) return `block ${block} has chain hash ${own} here and ${told} at the venue: the chains fork`;
    this.#block = Math.max(this.#block, block);
    return undefined;
  }

  #judge(verdict: Verdict, sequence: number, what: () => string): string | undefined {
    if (verdict === 'equal') this.#sequence = Math.max(this.#sequence, sequence);
    return verdict === 'different' ? what() : undefined;
  }

  #digestText(sequence: number): string {
    const { own, told } = this.#digests.last;
    return `the events of the ${this.#digestEvery} commands up to sequence ${sequence} have digest ${own} here and ${told} at the venue`;
  }
}

function stateText(sequence: number): string {
  return `the state after sequence ${sequence} has another hash here than at the venue`;
}

type Verdict = 'waiting' | 'equal' | 'different';

/** Values that two sides have for the same places, each compared once. */
class Comparison<T> {
  equal = 0;
  /** What was compared last. */
  last: { own: T | undefined; told: T | undefined } = { own: undefined, told: undefined };
  readonly #own = new Map<number, T>();
  readonly #told = new Map<number, T>();

  own(place: number, value: T): Verdict {
    return this.#meet(place, value, this.#own, this.#told, (other) => ({ own: value, told: other }));
  }

  told(place: number, value: T): Verdict {
    return this.#meet(place, value, this.#told, this.#own, (other) => ({ own: other, told: value }));
  }

  #meet(
    place: number,
    value: T,
    mine: Map<number, T>,
    others: Map<number, T>,
    both: (other: T) => { own: T; told: T },
  ): Verdict {
    const other = others.get(place);
    if (other === undefined) {
      mine.set(place, value);
      if (mine.size > WAITING_MAX) dropOldest(mine);
      return 'waiting';
    }
    others.delete(place);
    this.last = both(other);
    if (other !== value) return 'different';
    this.equal++;
    return 'equal';
  }
}

function dropOldest(map: Map<number, unknown>): void {
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
