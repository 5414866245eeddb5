import { hashOf } from '../../journal/chain.ts';
import type { SnapshotHeader, SnapshotPlace } from '../../journal/snapshots.ts';
import type { Random } from './random.ts';

export interface StoredSnapshot {
  readonly header: SnapshotHeader;
  readonly state: Buffer;
}

const SNAPSHOTS_KEPT = 3;

/** The snapshots on a host's disk: whole or not there, as journal/snapshots.ts writes them, and checked when they are read. */
export class Snapshots {
  #stored: StoredSnapshot[] = [];

  get count(): number {
    return this.#stored.length;
  }

  write(place: Omit<SnapshotPlace, 'time'>, state: Buffer): void {
    const header: SnapshotHeader = {
      ...place,
      time: 0n,
      chainHash: Buffer.from(place.chainHash),
      compression: 0,
      rawBytes: state.length,
      storedBytes: state.length,
      storedCrc: 0,
      stateHash: hashOf(state),
    };
    this.#stored = this.#stored.filter((stored) => stored.header.sequence !== place.sequence);
    this.#stored.push({ header, state });
    this.#stored.sort((a, b) => a.header.sequence - b.header.sequence);
    this.#stored.splice(0, Math.max(0, this.#stored.length - SNAPSHOTS_KEPT));
  }

  /** The newest one that is whole and of which `whyNot` says nothing. */
  newest(whyNot: (stored: StoredSnapshot) => string | undefined): StoredSnapshot | undefined {
    return this.#stored
      .toReversed()
      .find((stored) => hashOf(stored.state).equals(stored.header.stateHash) && whyNot(stored) === undefined);
  }

  /** Changes a bit of one. */
  damage(random: Random): void {
    const index = random.below(this.#stored.length);
    const { header, state } = this.#stored[index] as StoredSnapshot;
    const changed = Buffer.from(state);
    const at = random.below(state.length);
    changed[at] = (changed[at] as number) ^ (1 << random.below(8));
    this.#stored[index] = { header, state: changed };
  }
}
