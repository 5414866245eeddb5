import { readWide } from '../../journal/amounts.ts';
import { BLOCK_HEADER_WORDS, type BlockView } from '../../journal/block.ts';
import { hashOf } from '../../journal/chain.ts';
import { COMMAND_WORD, COMMAND_WORDS } from '../../journal/commands.ts';
import {
  EVENT_WORD,
  EVENT_WORDS,
  EventFlag,
  EventType,
  eventFlags,
  eventReason,
  eventType,
} from '../../journal/events.ts';
import type { VenueLimits } from '../../journal/genesis.ts';
import { encodeState, StateScratch } from '../../replicas/canonical-state.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../replicas/matcher.ts';

/** What a request is answered, whoever answers it and how often. */
export interface KnownAnswer {
  readonly sequence: number;
  readonly open: number;
  readonly traded: number;
  readonly reason: number;
}

/** Events of this many commands are kept, for gateways that let them out late. */
const COMMANDS_KEPT = 1 << 15;
const EVENT_SLOTS = 1 << 12;

/**
 * A replica of the simulation's own. It applies what can not be lost any more, once, in order, and so knows what every request
 * is to be answered, which events belong to a command, and the state's hash after it.
 */
export class Reference {
  readonly #events = new EventBuffer(EVENT_SLOTS);
  readonly #matcher: Matcher;
  readonly #scratch = new StateScratch();
  readonly #answers = new Map<string, KnownAnswer>();
  /** Events of each command but `top`, by sequence. */
  readonly #eventsOf = new Map<number, Uint32Array>();
  readonly #one = new Uint32Array(COMMAND_WORDS);

  constructor(limits: VenueLimits) {
    this.#matcher = createMatcher(limits, this.#events);
  }

  get sequence(): number {
    return this.#matcher.sequence();
  }

  hash(): string {
    return hashOf(encodeState(this.#matcher.state, this.#scratch)).toString('hex');
  }

  /** By session and request; of a session's opening by 0 and the sequence of the command. */
  answerTo(session: number, request: number): KnownAnswer | undefined {
    return this.#answers.get(`${session}:${request}`);
  }

  eventsOf(sequence: number): Uint32Array | undefined {
    return this.#eventsOf.get(sequence);
  }

  /** Applies command `index` of a block; returns what is wrong with what it did, if anything is. */
  apply(block: BlockView, index: number): string | undefined {
    const at = BLOCK_HEADER_WORDS + index * COMMAND_WORDS;
    this.#one.set(block.words.subarray(at, at + COMMAND_WORDS));
    this.#events.clear();
    this.#matcher.apply(this.#one, 0);
    const sequence = this.#matcher.sequence();
    const { words, next } = this.#events;
    const kept = words.slice(0, next * EVENT_WORDS);
    this.#eventsOf.set(sequence, kept);
    this.#eventsOf.delete(sequence - COMMANDS_KEPT);
    return this.#note(kept, sequence);
  }

  #note(events: Uint32Array, sequence: number): string | undefined {
    const session = this.#one[COMMAND_WORD.session] as number;
    const request = this.#one[COMMAND_WORD.request] as number;
    let answer: KnownAnswer = { sequence, open: 0, traded: 0, reason: 0 };
    let repeat = false;
    for (let at = 0; at < events.length; at += EVENT_WORDS) {
      const type = eventType(events, at);
      if (type !== EventType.answer && type !== EventType.rejected && type !== EventType.session) continue;
      const rejected = type === EventType.rejected;
      repeat = type === EventType.answer && (eventFlags(events, at) & EventFlag.repeat) !== 0;
      answer = {
        sequence: type === EventType.answer ? readWide(events, at + EVENT_WORD.price) : sequence,
        open: rejected ? 0 : readWide(events, at + EVENT_WORD.open),
        traded: rejected ? 0 : readWide(events, at + EVENT_WORD.quantity),
        reason: eventReason(events, at),
      };
    }
    const name = session === 0 ? `0:${sequence}` : `${session}:${request}`;
    const known = this.#answers.get(name);
    if (repeat) {
      if (known === undefined) return `request ${name} is answered as a repeat and was never handled`;
      if (!sameAnswer(known, answer)) return `request ${name} is answered again otherwise than before`;
      return undefined;
    }
    // A request that came too early or too late was not handled.
    if (answer.reason >= SESSION_REASON_MIN && answer.reason <= SESSION_REASON_MAX) return undefined;
    if (known !== undefined)
      return `request ${name} was handled at sequence ${known.sequence} and again at ${sequence}`;
    this.#answers.set(name, answer);
    return undefined;
  }
}

/** Reasons that concern the session: journal/reasons.ts. */
const SESSION_REASON_MIN = 32;
const SESSION_REASON_MAX = 36;

export function sameAnswer(a: KnownAnswer, b: KnownAnswer): boolean {
  return a.sequence === b.sequence && a.open === b.open && a.traded === b.traded && a.reason === b.reason;
}
