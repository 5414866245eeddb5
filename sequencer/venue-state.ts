/**
 * What a venue answers on veritape.S.state, as JSON: where it is in the chain, and what its replicas computed on the way, so
 * that whoever keeps a copy of the journal and a replica elsewhere can tell that both are the same. The request is the
 * decimal number of a sequence; digests and state hashes of later ones are answered, or, if it is empty, all that are kept.
 */
export interface VenueState {
  readonly shard: number;
  /** Of the journal's genesis record, in hex. */
  readonly genesisHash: string;
  readonly epoch: number;
  /** The last durable block, 0 if there is none; its chain hash in hex. */
  readonly block: number;
  readonly chainHash: string;
  /** The last durable sequence: that of the block, or a little later. */
  readonly sequence: number;
  /** Commands between two digests. */
  readonly digestEvery: number;
  /** Sequence and CRC-32 of the events of the `digestEvery` commands up to it, oldest first. */
  readonly digests: readonly (readonly [sequence: number, crc: number])[];
  /** Sequence and state hash, in hex, of snapshots, oldest first. */
  readonly states: readonly (readonly [sequence: number, hash: string])[];
}

/** Digests that a venue remembers: of four million commands. */
export const DIGESTS_TOLD_MAX = 1_024;
/** State hashes that a venue remembers. */
const STATES_TOLD_MAX = 16;

/** Remembers what a venue's replicas computed since it was opened; the oldest give way. */
export class StateLedger {
  readonly #digests: (readonly [number, number])[] = [];
  readonly #states: (readonly [number, string])[] = [];

  digest(sequence: number, crc: number): void {
    this.#digests.push([sequence, crc]);
    if (this.#digests.length > DIGESTS_TOLD_MAX) this.#digests.shift();
  }

  state(sequence: number, hash: string): void {
    this.#states.push([sequence, hash]);
    if (this.#states.length > STATES_TOLD_MAX) this.#states.shift();
  }

  after(sequence: number): Pick<VenueState, 'digests' | 'states'> {
    const isLater = (told: readonly [number, unknown]): boolean => told[0] > sequence;
    return { digests: this.#digests.filter(isLater), states: this.#states.filter(isLater) };
  }
}

const HASH = /^[0-9a-f]{64}$/;
const U32_MAX = 4_294_967_295;

/** Reads what came on the subject. Throws a RangeError that names the field that is not as it should be. */
export function decodeVenueState(bytes: Uint8Array): VenueState {
  const fields = objectOf(bytes);
  return {
    shard: whole('shard', fields['shard'], U32_MAX),
    genesisHash: hash('genesisHash', fields['genesisHash']),
    epoch: whole('epoch', fields['epoch']),
    block: whole('block', fields['block']),
    chainHash: hash('chainHash', fields['chainHash']),
    sequence: whole('sequence', fields['sequence']),
    digestEvery: whole('digestEvery', fields['digestEvery'], U32_MAX),
    digests: pairs('digests', fields['digests'], DIGESTS_TOLD_MAX).map(([sequence, crc]) => [
      whole('digests', sequence),
      whole('digests', crc, U32_MAX),
    ]),
    states: pairs('states', fields['states'], STATES_TOLD_MAX).map(([sequence, state]) => [
      whole('states', sequence),
      hash('states', state),
    ]),
  };
}

function objectOf(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    value = undefined;
  }
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  throw new RangeError('state: it must be a JSON object');
}

function pairs(field: string, value: unknown, countMax: number): [unknown, unknown][] {
  if (Array.isArray(value) && value.length <= countMax && value.every((pair) => Array.isArray(pair))) {
    return value as [unknown, unknown][];
  }
  throw new RangeError(`${field}: it must be an array of at most ${countMax} pairs`);
}

function whole(field: string, value: unknown, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new RangeError(`${field}: ${JSON.stringify(value)} must be a whole number from 0 to ${max}`);
}

function hash(field: string, value: unknown): string {
  if (typeof value === 'string' && HASH.test(value)) return value;
  throw new RangeError(`${field}: ${JSON.stringify(value)} must be 64 hexadecimal digits`);
}
