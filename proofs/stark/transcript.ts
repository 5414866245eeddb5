import { blake3, DIGEST_WORDS, hashWords } from './blake3.ts';
import type { Extension } from './extension.ts';
import { P } from './field.ts';

/** A key for each use of the hash, so that no digest of one use is one of another. */
export function domainKey(use: string): Uint32Array {
  return blake3(new TextEncoder().encode(`veritape proofs 1 ${use}`));
}

const ABSORB = 1;
const DRAW = 2;
const GRIND = 3;

/** State, kind, nonce: what is hashed when grinding. */
const GRIND_WORDS = DIGEST_WORDS + 2;

/**
 * Fiat and Shamir's transcript: every message of the prover is absorbed under its name and length, and challenges are
 * drawn from the hash of all so far.
 */
export class Transcript {
  #state: Uint32Array;
  #draws = 0;
  readonly #key: Uint32Array;

  constructor(protocol: string) {
    this.#key = domainKey('transcript');
    this.#state = blake3(new TextEncoder().encode(protocol), this.#key);
  }

  absorb(name: string, words: ArrayLike<number>): void {
    const label = new TextEncoder().encode(name);
    const message = new Uint32Array(DIGEST_WORDS + 3 + label.length + words.length);
    message.set(this.#state);
    message[DIGEST_WORDS] = ABSORB;
    message[DIGEST_WORDS + 1] = label.length;
    message[DIGEST_WORDS + 2] = words.length;
    message.set(label, DIGEST_WORDS + 3);
    message.set(words, DIGEST_WORDS + 3 + label.length);
    this.#state = hashWords(message, 0, message.length, this.#key);
    this.#draws = 0;
  }

  /** A uniform element of the extension: words that are no canonical element are passed over. */
  challenge(): Extension {
    const drawn: number[] = [];
    while (drawn.length < 5) {
      for (const word of this.#block()) {
        const candidate = word & 0x7fffffff;
        if (drawn.length < 5 && candidate < P) drawn.push(candidate);
      }
    }
    return drawn as unknown as Extension;
  }

  /** Uniform integers below 2^bits, with repetitions. */
  indices(count: number, bits: number): number[] {
    const drawn: number[] = [];
    while (drawn.length < count) {
      for (const word of this.#block()) if (drawn.length < count) drawn.push(bits === 0 ? 0 : word >>> (32 - bits));
    }
    return drawn;
  }

  /** The message whose hash must end in zero bits; its last word is the nonce. */
  grindingMessage(): Uint32Array {
    const message = new Uint32Array(GRIND_WORDS);
    message.set(this.#state);
    message[DIGEST_WORDS] = GRIND;
    return message;
  }

  get key(): Uint32Array {
    return this.#key;
  }

  #block(): Uint32Array {
    const message = new Uint32Array(DIGEST_WORDS + 2);
    message.set(this.#state);
    message[DIGEST_WORDS] = DRAW;
    message[DIGEST_WORDS + 1] = this.#draws++;
    return hashWords(message, 0, message.length, this.#key);
  }
}

/** Whether `nonce` makes the hash of the grinding message end in `bits` zero bits. `message` is overwritten. */
export function isGround(message: Uint32Array, nonce: number, bits: number, key: Uint32Array): boolean {
  message[GRIND_WORDS - 1] = nonce;
  const [low = 0] = hashWords(message, 0, GRIND_WORDS, key);
  return bits === 0 || low << (32 - bits) === 0;
}
