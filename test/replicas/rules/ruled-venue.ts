import { COMMAND_WORDS, type Command, encodeCommand } from '../../../journal/commands.ts';
import { decodeEvent, type VenueEvent } from '../../../journal/events.ts';
import type { VenueLimits } from '../../../journal/genesis.ts';
import { recordsOf } from '../../../journal/order-terms.ts';
import { encodeState, restoreState } from '../../../replicas/canonical-state.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../../replicas/matcher.ts';

const LIMITS: VenueLimits = {
  ...{ ordersMax: 20_000, levelPagesMax: 512, instrumentsMax: 8, sessionsMax: 8, answersPerSessionMax: 16 },
};

/** A matcher that is asked with commands as objects, with a clock that stands still until it is set. */
export class RuledVenue {
  readonly matcher: Matcher;
  readonly #events = new EventBuffer(1 << 16);
  readonly #words = new Uint32Array(COMMAND_WORDS);
  readonly limits: VenueLimits;
  time = 1_000_000n;

  constructor(limits: Partial<VenueLimits> = {}, hashSeed = 1) {
    this.limits = { ...LIMITS, ...limits };
    this.matcher = createMatcher(this.limits, this.#events, hashSeed);
  }

  /** What the last of the command's records did; the others have terms only. */
  do(command: Command): VenueEvent[] {
    const told: VenueEvent[] = [];
    for (const record of recordsOf({ time: this.time, ...command })) {
      encodeCommand(this.#words, 0, record);
      this.matcher.apply(this.#words, 0);
      this.#events.drain((words, at) => told.push(decodeEvent(words, at)));
    }
    return told;
  }

  /** The same, each event as one line of what matters of it. */
  tell(command: Command): string[] {
    return this.do(command).map(lineOf);
  }

  at(time: bigint): this {
    this.time = time;
    return this;
  }

  state(): Buffer {
    return Buffer.from(encodeState(this.matcher.state));
  }

  /** Another venue that goes on from here, with orders in other places of its memory. */
  restored(): RuledVenue {
    const other = new RuledVenue(this.limits, 99);
    restoreState(other.matcher.state, this.state());
    other.time = this.time;
    return other;
  }
}

function lineOf(event: VenueEvent): string {
  const { type, id, price, quantity, open, reason, side } = event;
  if (type === 'state') return `state ${event.generation}>${event.slot}${id === 0 ? '' : ` until ${id}`}`;
  if (type === 'indicative' || type === 'auction') return `${type} ${quantity}@${price} ${side}+${open}`;
  const why = reason === '' || reason === 'none' ? '' : ` ${reason}`;
  return `${type} ${id} ${quantity}@${price} left ${open}${why}`;
}
