import { Random } from './random.ts';

/** Kinds of fault, as they are counted. */
export const FAULTS = {
  drop: 'a message is lost',
  duplicate: 'a message comes twice',
  delay: 'a message comes late, and so do those after it',
  reorder: 'a message comes after later ones',
  partition: 'a host, or a client, reaches nobody for a while',
  kill: 'a process ends between two steps',
  'crash-in-write': 'a process ends inside a write: before the commit, before the flush, or after it',
  pause: 'a process does nothing for a while',
  slow: 'everything on a host takes longer',
  'power-loss': 'a host loses its processes and what was not flushed',
  'disk-full': 'a write finds no room',
  'write-error': 'a flush fails, and the block may be on disk or not',
  'slow-flush': 'a flush takes long',
  'late-open': 'a process that opens a segment tells others late which transaction it found to be the last',
  'bit-flip': 'a bit at rest changes',
  'torn-write': 'the rest of a block at rest is zeros',
  'misdirected-write': 'a block at rest is in the place of another',
  'lost-write': 'a block at rest is zeros',
  'clock-jump': "a host's clock is set",
  'needless-take-over': 'a process takes the journal over although nothing is wrong',
  'hand-over': 'a primary steps down in favour of a standby: nothing wrong, but it may meet something',
  'lease-drop': 'a lease is not renewed, or a heartbeat not sent, when it is time',
  'lost-puback': 'the replicated log stores a message and does not say so',
  'late-puback': 'the replicated log says late that it has stored a message',
  'log-election': 'the replicated log takes nothing for a while',
} as const;
export type FaultKind = keyof typeof FAULTS;

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
