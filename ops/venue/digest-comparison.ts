import { DIGEST_EVERY } from '../../replicas/event-digest.ts';

/** Digests waiting for the other replicas' ones; more than this means that a replica stands still. */
const DIGESTS_WAITING_MAX = 1024;

/** Compares what the replicas of a venue made of the same commands. */
export class DigestComparison {
  readonly #waiting = new Map<number, number>();
  /** Digests that were compared with another one. */
  compared = 0;
  /** Digests that were not the same. */
  differed = 0;

  /** Takes the digest of the commands up to `sequence`; says what is wrong if another replica had another one. */
  take(sequence: number, value: number): string | undefined {
    const other = this.#waiting.get(sequence);
    if (other === undefined) {
      this.#waiting.set(sequence, value);
      if (this.#waiting.size <= DIGESTS_WAITING_MAX) return undefined;
      for (const oldest of this.#waiting.keys()) {
        this.#waiting.delete(oldest);
        break;
      }
      return undefined;
    }
    this.compared++;
    if (other === value) return undefined;
    this.differed++;
    return `replicas differ: the events of the ${DIGEST_EVERY} commands up to sequence ${sequence} are not the same`;
  }
}
