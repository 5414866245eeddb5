import { DIGEST_WORDS, littleEndianWords } from './blake3.ts';
import type { Circuit } from './constraints.ts';
import { DEGREE } from './extension.ts';
import { P } from './field.ts';
import { LEAF_WORDS } from './fri.ts';
import { HEIGHT_LOG_MAX, HEIGHT_LOG_MIN, type ProofParameters } from './parameters.ts';
import { layoutOf, type ProofLayout } from './proof-layout.ts';

/**
 * A proof as bytes, little-endian. There is one encoding of each proof: elements are below p, rows and digests come in the
 * order of their places, and nothing follows.
 *
 * | bytes | what |
 * |------:|------|
 * |  4 | "VTPR" |
 * |  2 | version of this encoding |
 * |  1 | logarithm of the height |
 * |  1 | 0 |
 * | 32 | digest of the circuit |
 * | 32 each | roots: of the column groups, of the helpers if there are any, of the quotient |
 * | 20 each | openings: all columns, helpers and chunks at the point, then what is opened at the next |
 * | 32 each | roots of the folded words |
 * | 20 each | coefficients of the final polynomial |
 * |  4 | nonce |
 * | | for each tree, as its root came: rows (u16), digests (u16), the rows' words, 4 each, and the digests, 32 each |
 * | | for each folded word the same, with rows of 40 words |
 *
 * A row is the elements of its columns, and with zero knowledge 8 random words that need not be elements.
 */
export interface Proof {
  readonly heightLog: number;
  readonly circuitDigest: Uint32Array;
  readonly roots: readonly Uint32Array[];
  readonly openings: Uint32Array;
  readonly layerRoots: readonly Uint32Array[];
  readonly finalPolynomial: Uint32Array;
  readonly nonce: number;
  readonly trees: readonly TreeOpening[];
  readonly layers: readonly TreeOpening[];
}

export interface TreeOpening {
  readonly rows: readonly Uint32Array[];
  /** One behind the other. */
  readonly digests: Uint32Array;
}

const MAGIC = 0x52505456;
const VERSION = 1;
/** The only error that reading or verifying a proof throws. */
export class VerificationError extends Error {
  override readonly name = 'VerificationError';
}

export function encodeProof(proof: Proof): Uint8Array {
  const words: number[] = [MAGIC, VERSION + proof.heightLog * 0x10000];
  const put = (part: Iterable<number>): void => {
    for (const word of part) words.push(word);
  };
  const putTree = ({ rows, digests }: TreeOpening): void => {
    words.push(rows.length + (digests.length / DIGEST_WORDS) * 0x10000);
    for (const row of rows) put(row);
    put(digests);
  };
  put(proof.circuitDigest);
  for (const root of proof.roots) put(root);
  put(proof.openings);
  for (const root of proof.layerRoots) put(root);
  put(proof.finalPolynomial);
  words.push(proof.nonce);
  for (const tree of [...proof.trees, ...proof.layers]) putTree(tree);
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of words.entries()) view.setUint32(i * 4, word, true);
  return bytes;
}

/** Reads a proof of this circuit under these parameters. No more is read than such a proof can have. */
export function decodeProof(
  circuit: Circuit,
  parameters: ProofParameters,
  bytes: Uint8Array,
): { readonly proof: Proof; readonly layout: ProofLayout } {
  const reader = new Reader(bytes);
  if (reader.word() !== MAGIC) throw new VerificationError('not a proof');
  const head = reader.word();
  if ((head & 0xffff) !== VERSION) throw new VerificationError('a proof of another version');
  const heightLog = head >>> 16;
  if (heightLog < HEIGHT_LOG_MIN || heightLog > HEIGHT_LOG_MAX) throw new VerificationError('a height out of bounds');
  const circuitDigest = reader.words(DIGEST_WORDS);
  if (circuitDigest.some((word, i) => word !== circuit.digest[i])) {
    throw new VerificationError('a proof of another circuit');
  }
  const layout = layoutFor(circuit, parameters, heightLog);
  const digests = (count: number): Uint32Array[] => Array.from({ length: count }, () => reader.words(DIGEST_WORDS));
  const tree = (columns: number, saltWords: number, leavesLog: number): TreeOpening => {
    const counts = reader.word();
    const rows = counts & 0xffff;
    const count = counts >>> 16;
    if (rows === 0 || rows > parameters.queries || count > rows * leavesLog) {
      throw new VerificationError('an opening of impossible size');
    }
    reader.demand(rows * (columns + saltWords) + count * DIGEST_WORDS);
    return {
      rows: Array.from({ length: rows }, () => reader.elementsAndSalt(columns, saltWords)),
      digests: reader.words(count * DIGEST_WORDS),
    };
  };
  const proof: Proof = {
    heightLog,
    circuitDigest,
    roots: digests(layout.treeColumns.length),
    openings: reader.elements((layout.openings + layout.nextOpenings) * DEGREE),
    layerRoots: digests(layout.foldedLogs.length),
    finalPolynomial: reader.elements(2 ** layout.finalLog * DEGREE),
    nonce: reader.word(),
    trees: layout.treeColumns.map((columns) => tree(columns, layout.saltWords, heightLog + layout.blowUpLog)),
    layers: layout.foldedLogs.map((log) => tree(LEAF_WORDS, 0, log - 3 + layout.blowUpLog)),
  };
  reader.end();
  return { proof, layout };
}

function layoutFor(circuit: Circuit, parameters: ProofParameters, heightLog: number): ProofLayout {
  try {
    return layoutOf(circuit, parameters, heightLog);
  } catch {
    throw new VerificationError('a height that these parameters do not allow');
  }
}

class Reader {
  readonly #words: Uint32Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    if (bytes.length % 4 !== 0) throw new VerificationError('a proof of broken length');
    this.#words = littleEndianWords(bytes);
  }

  /** Refuses before anything is allocated for what is not there. */
  demand(words: number): void {
    if (this.#at + words > this.#words.length) throw new VerificationError('a proof that ends too early');
  }

  word(): number {
    this.demand(1);
    return this.#words[this.#at++] as number;
  }

  words(count: number): Uint32Array {
    this.demand(count);
    this.#at += count;
    return this.#words.subarray(this.#at - count, this.#at);
  }

  elements(count: number): Uint32Array {
    return this.elementsAndSalt(count, 0);
  }

  elementsAndSalt(count: number, saltWords: number): Uint32Array {
    const words = this.words(count + saltWords);
    for (let i = 0; i < count; i++) {
      if ((words[i] as number) >= P) throw new VerificationError('an element that is not below p');
    }
    return words;
  }

  end(): void {
    if (this.#at !== this.#words.length) throw new VerificationError('bytes after the end of a proof');
  }
}
