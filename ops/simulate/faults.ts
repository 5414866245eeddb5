import { Random } from './random.ts';

/** Kinds of fault, as they are counted. */
export const FAULT_KINDS = [
  /** A message that is lost, comes twice, comes late, or comes after a later one. */
  'drop',
  'duplicate',
  'delay',
  'reorder',
  /** A network link that passes nothing for a while; all links of a host, or of one process. */
  'partition',
  /** A process that ends between two steps. */
  'kill',
  /** A process that ends inside a write: before the commit, before the flush, after it. */
  'crash-in-write',
  /** A process that does nothing for a while; or everything, more slowly. */
  'pause',
  'slow',
  /** A host that loses its power, and with it what was not flushed. */
  'power-loss',
  /** Writes that fail: no room, an error at the flush. A flush that takes long. */
  'disk-full',
  'write-error',
  'slow-flush',
  /** Bytes at rest that change: a bit, the rest of a block, a block in another's place. */
  'bit-flip',
  'torn-write',
  'misdirected-write',
  'lost-write',
  /** The host's clock jumps. */
  'clock-jump',
  /** A process that takes over although nothing is wrong. */
  'needless-take-over',
  /** An acknowledgement of the replicated log that does not come, or late. */
  'lost-puback',
  'late-puback',
  /** The replicated log forgets its end: a majority lost what it had not flushed. */
  'log-tail-lost',
  /** The replicated log takes nothing for a while: it elects a leader. */
  'log-election',
  /** Lease messages that do not come. */
  'lease-drop',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** How often each kind happens where it can, in a million; what is left out never. */
export type FaultRates = Readonly<Partial<Record<FaultKind, number>>>;

/** One thing that a simulation decided to do: its kind, where, and the how-manieth decision there. */
export type DecisionId = string;

/**
 * What goes wrong. Every place where something can go wrong asks a stream of its own; the n-th answer of a stream depends on
 * the seed, the stream's name and n alone. So a fault has a name that stays the same when others are left out, and a failure
 * can be looked for with ever fewer of them.
 */
export class Faults {
  readonly counts = new Map<FaultKind, number>();
  /** What was done, in order: faults, and what clients undertook. */
  readonly done: DecisionId[] = [];
  readonly #seed: number;
  readonly #rates: FaultRates;
  readonly #only: ReadonlySet<DecisionId> | undefined;
  #active = true;

  /** With `only`, nothing else is done than what it names. */
  constructor(seed: number, rates: FaultRates, only?: ReadonlySet<DecisionId>) {
    this.#seed = seed;
    this.#rates = rates;
    this.#only = only;
  }

  /** Faults together; what clients undertake is none. */
  get total(): number {
    let total = 0;
    for (const count of this.counts.values()) total += count;
    return total;
  }

  get active(): boolean {
    return this.#active;
  }

  /** From now on nothing goes wrong. */
  cease(): void {
    this.#active = false;
  }

  rate(kind: FaultKind): number {
    return this.#rates[kind] ?? 0;
  }

  at(place: string): FaultStream {
    return new FaultStream(this, this.#seed, place);
  }

  /** Whether something that was decided on is to be done; counts it. */
  admit(kind: FaultKind | 'work', id: DecisionId): boolean {
    if (kind !== 'work' && !this.#active) return false;
    if (this.#only !== undefined && !this.#only.has(id)) return false;
    if (kind !== 'work') this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    this.done.push(id);
    return true;
  }
}

export class FaultStream {
  readonly #faults: Faults;
  readonly #seed: number;
  readonly #place: string;
  readonly #random: Random;
  #decisions = 0;
  #detail: Random | undefined;

  constructor(faults: Faults, seed: number, place: string) {
    this.#faults = faults;
    this.#seed = seed;
    this.#place = place;
    this.#random = new Random(seed, place);
  }

  /** Whether this fault happens here and now. */
  happens(kind: FaultKind): boolean {
    const decision = this.#decisions++;
    const rate = this.#faults.rate(kind);
    if (rate === 0 || !this.#random.chance(rate)) return false;
    return this.#admit(kind, decision);
  }

  /** Whether something that is planned anyway is done: for faults at set times, and for the work of clients. */
  admits(kind: FaultKind | 'work'): boolean {
    return this.#admit(kind, this.#decisions++);
  }

  /** Numbers that belong to the last fault that happened: how long, how much, which. */
  get detail(): Random {
    return this.#detail ?? this.#random;
  }

  #admit(kind: FaultKind | 'work', decision: number): boolean {
    const id = `${kind}@${this.#place}#${decision}`;
    if (!this.#faults.admit(kind, id)) return false;
    this.#detail = new Random(this.#seed, id);
    return true;
  }
}
