/** Bounds of the number of provers at work: somebody's, or what cores allow. Equal ones fix it. */
export interface ProverBounds {
  readonly min: number;
  readonly max: number;
}

/** What a venue beside the provers told last: nothing, because none was named or none is there; or that it should have. */
export type VenueStrain = 'none' | 'silent' | { readonly ackP99Ms: number; readonly targetMs: number };

/** What was seen in one turn of a second or so. */
export interface ProvingTurn {
  /** Commands in the journal that are in no proof and can be, those of spans at work among them. */
  readonly backlogCommands: number;
  /** For how long the first of them has waited. */
  readonly oldestSeconds: number;
  /** Commands that came in a second, over the last turns. */
  readonly commandsPerSecond: number;
  /** Commands of a whole span. */
  readonly spanCommands: number;
  /** What a prover takes for a span, measured; of the router until one is done. */
  readonly spanSeconds: number;
  /** Bytes that are free on this machine, and what a prover takes. */
  readonly memoryFree: number;
  readonly memoryOfProver: number;
  readonly venue: VenueStrain;
}

export interface ProverDecision {
  readonly from: number;
  readonly to: number;
  readonly why: string;
  /** Those that are too many stand still at once, rather than end with their span. */
  readonly pauses: boolean;
}

/** Why there are not as many provers as there should be. */
export type Ceiling = 'max' | 'memory' | 'venue';

/** More provers are wanted for so many turns before there is one more. */
const RISE_TURNS = 2;
/** Fewer are wanted for so many turns before there are. */
const FALL_TURNS = 10;
/** Provers give way one by one from this share of the venue's target on, and all that may from the target on. */
const NEAR_SHARE = 0.8;
/** Below this share of it there may be more again. */
const ROOM_SHARE = 0.6;
/** After giving way no prover comes back for so many turns; twice as many each time that it was too early. */
const HOLD_TURNS = 5;
const HOLD_TURNS_MAX = 320;
/** One that has to give way within so many turns has come back too early. */
const EARLY_TURNS = 60;
/** Left free for others. */
const MEMORY_KEPT_BYTES = 512 * 2 ** 20;

/**
 * Decides, once a turn, how many provers are at work: as few as prove every command within a time, and never so many that the venue
 * beside them misses its own target. It has no clock and no I/O: what was seen is given to it.
 */
export class ProverCount {
  readonly #bounds: ProverBounds;
  readonly #behindSeconds: number;
  #risen = 0;
  #fallen = 0;
  /** The most that was wanted since fewer are. */
  #fallTo = 0;
  #hold = 0;
  #holdNext = HOLD_TURNS;
  #hasGivenWay = false;
  /** Turns since one came back; none has since provers gave way the last time if undefined. */
  #sinceReturn: number | undefined;

  /** @param behindSeconds every command is to be proven so long after it was journaled */
  constructor(bounds: ProverBounds, behindSeconds: number) {
    this.#bounds = bounds;
    this.#behindSeconds = behindSeconds;
  }

  decide(turn: ProvingTurn, from: number): ProverDecision | undefined {
    const { min, max } = this.#bounds;
    if (this.#hold > 0) this.#hold--;
    if (this.#sinceReturn !== undefined) this.#sinceReturn++;
    const yielded = this.#giveWay(turn.venue, from);
    if (yielded !== undefined) return yielded;
    const wanted = this.#wanted(turn);
    const room = roomFor(turn, from);
    const to = Math.max(min, Math.min(max, wanted, room));
    const load = describeLoad(turn);
    if (to > from) {
      this.#fallen = 0;
      const mayRise = this.#hold === 0 && hasRoom(turn.venue);
      this.#risen = mayRise ? this.#risen + 1 : 0;
      if (this.#risen < RISE_TURNS) return undefined;
      this.#risen = 0;
      if (this.#hasGivenWay) this.#sinceReturn = 0;
      return { from, to: from + 1, pauses: false, why: `${load}: ${many(wanted)} would do` };
    }
    this.#risen = 0;
    if (to === from) {
      this.#fallen = 0;
      return undefined;
    }
    this.#fallTo = this.#fallen === 0 ? to : Math.max(this.#fallTo, to);
    if (++this.#fallen < FALL_TURNS) return undefined;
    this.#fallen = 0;
    const why = room < wanted ? `${mebibytes(turn.memoryFree)} of memory are free` : `${load}: fewer will do`;
    return { from, to: this.#fallTo, pauses: false, why };
  }

  /** What keeps provers fewer than would be needed to be in time; undefined if nothing does. */
  ceiling(turn: ProvingTurn, atWork: number): Ceiling | undefined {
    if (turn.oldestSeconds <= this.#behindSeconds) return undefined;
    if (atWork >= this.#bounds.max) return 'max';
    if (this.#hold > 0 || !hasRoom(turn.venue)) return 'venue';
    return roomFor(turn, atWork) <= atWork ? 'memory' : undefined;
  }

  #giveWay(venue: VenueStrain, from: number): ProverDecision | undefined {
    const { min } = this.#bounds;
    if (venue === 'none' || from <= min) return undefined;
    const to = venue === 'silent' || venue.ackP99Ms >= venue.targetMs ? min : Math.max(min, from - 1);
    if (venue !== 'silent' && venue.ackP99Ms < venue.targetMs * NEAR_SHARE) return undefined;
    if (this.#sinceReturn !== undefined)
      this.#holdNext = this.#sinceReturn < EARLY_TURNS ? Math.min(HOLD_TURNS_MAX, this.#holdNext * 2) : HOLD_TURNS;
    this.#sinceReturn = undefined;
    this.#hasGivenWay = true;
    this.#hold = this.#holdNext;
    this.#risen = 0;
    this.#fallen = 0;
    const why =
      venue === 'silent'
        ? 'the venue does not answer: provers give way'
        : `the venue's 99th percentile of acknowledgements is ${shown(venue.ackP99Ms)} ms, its target ${shown(venue.targetMs)} ms: provers give way`;
    return { from, to, pauses: true, why };
  }

  /** Provers that keep up with what comes, and prove what waits while there is time; no more than there are spans. */
  #wanted({ backlogCommands, oldestSeconds, commandsPerSecond, spanCommands, spanSeconds }: ProvingTurn): number {
    if (backlogCommands === 0) return 0;
    const spans = backlogCommands / spanCommands;
    const left = Math.max(spanSeconds, this.#behindSeconds - oldestSeconds);
    const keepUp = (commandsPerSecond / spanCommands) * spanSeconds;
    // One that waits to be a whole span wants nobody before half of the time is over.
    if (spans < 1 && oldestSeconds < this.#behindSeconds / 2) return Math.ceil(keepUp);
    return Math.min(Math.ceil(keepUp + (spans * spanSeconds) / left), Math.ceil(spans) + Math.ceil(keepUp));
  }
}

/** So many provers have room in memory, those at work among them. */
function roomFor({ memoryFree, memoryOfProver }: ProvingTurn, atWork: number): number {
  return Math.max(0, atWork + Math.floor((memoryFree - MEMORY_KEPT_BYTES) / memoryOfProver));
}

function hasRoom(venue: VenueStrain): boolean {
  if (venue === 'none') return true;
  return venue !== 'silent' && venue.ackP99Ms < venue.targetMs * ROOM_SHARE;
}

function describeLoad({ backlogCommands, oldestSeconds, commandsPerSecond, spanSeconds }: ProvingTurn): string {
  return (
    `${backlogCommands} commands wait, the first for ${shown(oldestSeconds)} s, ${shown(commandsPerSecond)} come in a ` +
    `second, a span takes ${shown(spanSeconds)} s`
  );
}

function many(provers: number): string {
  return provers === 1 ? '1 prover' : `${provers} provers`;
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 20)} MiB`;
}

function shown(value: number): string {
  return value >= 100 || value === 0 ? value.toFixed(0) : value.toPrecision(2);
}
