import { readWide } from '../../journal/amounts.ts';
import type { BlockView } from '../../journal/block.ts';
import { hashOf } from '../../journal/chain.ts';
import { COMMAND_WORD, COMMAND_WORDS, encodeCommand } from '../../journal/commands.ts';
import { EVENT_WORD, EventFlag, EventType, eventFlags, eventReason, eventType } from '../../journal/events.ts';
import { JournalReader } from '../../journal/reader.ts';
import { encodeState } from '../../replicas/canonical-state.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../replicas/matcher.ts';
import type { Acknowledged } from './acknowledged.ts';
import { commandOf } from './order-flow.ts';

/** What a journal says to what clients were told. Everything but the first three numbers should be zero. */
export interface JournalCheck {
  readonly acknowledged: number;
  /** Requests that were handled. More than acknowledged: the answer was lost, and the client went away. */
  readonly handled: number;
  /** Commands in the journal that had been handled before, or came before their turn, and changed nothing. */
  readonly passedOver: number;
  /** Acknowledged, and not in the journal at the sequence told, or with other contents. */
  readonly lost: number;
  /** Handled more than once, or a repeat that changed something. */
  readonly duplicated: number;
  /** Handled out of the order of their session. */
  readonly reordered: number;
  /** A replay gives another answer than the client was given, or the client was given two. */
  readonly contradicted: number;
}

interface Progress {
  readonly told: Acknowledged;
  /** The last request that was handled. */
  lastRequest: number;
  found: number;
}

/** Reads the whole journal, replays it, and compares both with what the clients know. */
export function checkJournal(
  dir: string,
  clients: readonly Acknowledged[],
): { readonly check: JournalCheck; readonly sequence: number; readonly stateHash: string } {
  const reader = JournalReader.open(dir);
  const events = new EventBuffer(1024);
  const matcher = createMatcher(reader.genesis.limits, events);
  const audit = new Audit(clients);
  for (const block of reader.blocks()) {
    for (let index = 0; index < block.count; index++) audit.apply(matcher, events, block, index);
  }
  return {
    check: audit.finish(),
    sequence: matcher.sequence(),
    stateHash: hashOf(encodeState(matcher.state)).toString('hex'),
  };
}

class Audit {
  readonly #bySession = new Map<number, Progress>();
  readonly #expected = new Uint32Array(COMMAND_WORDS);
  #passedOver = 0;
  #duplicated = 0;
  #reordered = 0;
  #contradicted = 0;

  constructor(clients: readonly Acknowledged[]) {
    for (const told of clients) this.#bySession.set(told.session, { told, lastRequest: 0, found: 0 });
  }

  apply(matcher: Matcher, events: EventBuffer, block: BlockView, index: number): void {
    const at = block.wordOf(index);
    matcher.apply(block.words, at);
    const of = this.#bySession.get(block.words[at + COMMAND_WORD.session] as number);
    if (of === undefined) return events.clear();
    const sequence = block.firstSequence + index;
    const request = block.words[at + COMMAND_WORD.request] as number;
    if (of.told.sequenceOf(request) === sequence && this.#isAsSent(of.told.account, request, block.words, at))
      of.found++;

    let outcomes = 0;
    let effects = 0;
    let handled = false;
    events.drain((words, event) => {
      const type = eventType(words, event);
      if (type === EventType.answer) {
        outcomes++;
        handled = (eventFlags(words, event) & EventFlag.repeat) === 0;
        const outcome = {
          sequence: readWide(words, event + EVENT_WORD.price),
          open: readWide(words, event + EVENT_WORD.open),
          traded: readWide(words, event + EVENT_WORD.quantity),
          reason: eventReason(words, event),
        };
        if (handled && outcome.sequence !== sequence) this.#contradicted++;
        if (of.told.sequenceOf(request) !== 0 && !of.told.agrees(request, outcome)) this.#contradicted++;
      } else if (type !== EventType.rejected) effects++;
    });
    if (!handled) {
      this.#passedOver++;
      if (effects > 0) this.#duplicated++;
      return;
    }
    if (outcomes !== 1) this.#contradicted++;
    if (request <= of.lastRequest) this.#duplicated++;
    else if (request !== of.lastRequest + 1) this.#reordered++;
    of.lastRequest = Math.max(of.lastRequest, request);
  }

  finish(): JournalCheck {
    let acknowledged = 0;
    let handled = 0;
    let found = 0;
    for (const { told, lastRequest, found: foundOfSession } of this.#bySession.values()) {
      acknowledged += told.count;
      handled += lastRequest;
      found += foundOfSession;
      this.#contradicted += told.contradictions;
      let before = 0;
      for (let request = 1; request <= told.highest; request++) {
        const sequence = told.sequenceOf(request);
        if (sequence === 0) continue;
        if (sequence <= before) this.#reordered++;
        before = sequence;
      }
    }
    return {
      acknowledged,
      handled,
      passedOver: this.#passedOver,
      lost: acknowledged - found,
      duplicated: this.#duplicated,
      reordered: this.#reordered,
      contradicted: this.#contradicted,
    };
  }

  /** Whether the record is what the client sent, but for what the venue fills in. */
  #isAsSent(account: number, request: number, words: Uint32Array, at: number): boolean {
    encodeCommand(this.#expected, 0, commandOf(account, request));
    for (let word = 0; word < COMMAND_WORD.session; word++) {
      if (words[at + word] !== this.#expected[word]) return false;
    }
    return true;
  }
}
