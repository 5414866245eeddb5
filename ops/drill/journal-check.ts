import { readWide } from '../../journal/amounts.ts';
import type { BlockView } from '../../journal/block.ts';
import { hashOf } from '../../journal/chain.ts';
import { COMMAND_WORD, COMMAND_WORDS, encodeCommand, Op } from '../../journal/commands.ts';
import { EVENT_WORD, EventFlag, EventType, eventFlags, eventReason, eventType } from '../../journal/events.ts';
import { JournalReader } from '../../journal/reader.ts';
import { pointOf } from '../../journal/segmentfile.ts';
import type { ChainPoint } from '../../journal/segments.ts';
import { encodeState } from '../../replicas/canonical-state.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../replicas/matcher.ts';
import type { Acknowledged } from './acknowledged.ts';
import { INTRUDER_ID_FROM } from './intruder.ts';
import { commandOf } from './order-flow.ts';

const EVENT_SLOTS = 1024;
/** Findings after these are counted and no more. */
const FINDINGS_MAX = 20;

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
  /** Handled out of the order of their session, or in a block whose time is before that of the block before it. */
  readonly reordered: number;
  /** A replay gives another answer than the client was given, or another state hash than a process reported. */
  readonly contradicted: number;
}

/** A state hash that a process reported. */
interface ReportedState {
  readonly sequence: number;
  readonly stateHash: string;
  readonly by: string;
}

interface Progress {
  readonly told: Acknowledged;
  /** The last request that was handled. */
  lastRequest: number;
  found: number;
  /** Sequences of requests that the journal has, and of whose answer the client knows nothing yet. */
  readonly unheard: Map<number, number>;
  /** Of the answers in request order, the last that was looked at. */
  lastLooked: number;
  lastSequence: number;
}

/** Reads the whole journal, replays it, and compares both with what the clients know. */
export function checkJournal(
  dir: string,
  clients: readonly Acknowledged[],
): { readonly check: JournalCheck; readonly sequence: number; readonly stateHash: string } {
  const checker = new JournalChecker(dir, clients);
  checker.advance();
  return { check: checker.check(), sequence: checker.sequence, stateHash: checker.stateHash() };
}

/**
 * Follows a journal as it grows, replays it, and compares both with what the clients know. Whatever a client was told
 * before {@link advance} is compared by the {@link check} after it.
 */
export class JournalChecker {
  readonly directory: string;
  /** The first differences, in words. */
  readonly findings: string[] = [];
  readonly #clients: readonly Acknowledged[];
  readonly #bySession = new Map<number, Progress>();
  readonly #expected = new Uint32Array(COMMAND_WORDS);
  readonly #events = new EventBuffer(EVENT_SLOTS);
  readonly #reported = new Map<number, ReportedState[]>();
  #matcher: Matcher | undefined;
  #last: ChainPoint | undefined;
  #time = 0n;
  #statesCompared = 0;
  /** Commands that the journal had and has no more. */
  #gone = 0;
  #passedOver = 0;
  #duplicated = 0;
  #reordered = 0;
  #contradicted = 0;

  constructor(directory: string, clients: readonly Acknowledged[]) {
    this.directory = directory;
    this.#clients = clients;
  }

  /** Of the last command that was read. */
  get sequence(): number {
    return this.#last?.sequence ?? 0;
  }

  /** The last block that was read. */
  get last(): ChainPoint | undefined {
    return this.#last;
  }

  /** Reported state hashes that a replay has come past. */
  get statesCompared(): number {
    return this.#statesCompared;
  }

  /** State hash after the last command that was read. */
  stateHash(): string {
    return this.#matcher === undefined ? '' : hashOf(encodeState(this.#matcher.state)).toString('hex');
  }

  /** Notes a state hash that a process reported; it is compared when the replay comes to that sequence. */
  report(state: ReportedState): void {
    if (state.sequence === this.sequence) this.#compareState(state);
    else if (state.sequence > this.sequence)
      this.#reported.set(state.sequence, [...(this.#reported.get(state.sequence) ?? []), state]);
  }

  /** Reads and replays what the journal has more than before. Throws what a reader throws at damage. */
  advance(): void {
    for (const _ of this.#steps());
  }

  /** Like {@link advance}, letting others have their turn as often as `turn` says. */
  async advanceInTurns(turn: () => Promise<void> | undefined): Promise<void> {
    for (const _ of this.#steps()) await turn();
  }

  /** One step a block. */
  *#steps(): Generator<void, void, undefined> {
    const reader = JournalReader.open(this.directory);
    this.#matcher ??= createMatcher(reader.genesis.limits, this.#events);
    for (const told of this.#clients) {
      if (this.#bySession.has(told.session)) continue;
      const progress = { told, lastRequest: 0, found: 0, unheard: new Map(), lastLooked: 0, lastSequence: 0 };
      this.#bySession.set(told.session, progress);
    }
    const before = this.#last;
    if (before !== undefined && !isStill(reader, before)) {
      this.#gone += Math.max(1, before.sequence - reader.last.sequence);
      this.#note(`lost: block ${before.block}, which the journal had, is not there any more or is another one`);
      return;
    }
    for (const block of before === undefined ? reader.blocks() : blocksAfter(reader, before)) {
      if (block.time < this.#time)
        this.#find('reordered', `block ${block.block} is of ${block.time}, the one before it of ${this.#time}`);
      this.#time = block.time;
      for (let index = 0; index < block.count; index++) this.#apply(this.#matcher, block, index);
      this.#last = pointOf(block);
      for (const state of this.#reported.get(block.lastSequence) ?? []) this.#compareState(state);
      this.#reported.delete(block.lastSequence);
      yield;
    }
  }

  /** What came of everything read so far and everything the clients were told so far. */
  check(): JournalCheck {
    let acknowledged = 0;
    let handled = 0;
    let found = 0;
    let contradictions = 0;
    for (const progress of this.#bySession.values()) {
      const { told } = progress;
      for (const [request, sequence] of progress.unheard) {
        if (told.sequenceOf(request) === 0) continue;
        progress.unheard.delete(request);
        if (told.sequenceOf(request) === sequence) progress.found++;
      }
      this.#lookAtOrder(progress);
      acknowledged += told.count;
      handled += progress.lastRequest;
      found += progress.found;
      contradictions += told.contradictions;
    }
    if (acknowledged > found) this.#describeLost();
    return {
      acknowledged,
      handled,
      passedOver: this.#passedOver,
      lost: acknowledged - found + this.#gone,
      duplicated: this.#duplicated,
      reordered: this.#reordered,
      contradicted: this.#contradicted + contradictions,
    };
  }

  #apply(matcher: Matcher, block: BlockView, index: number): void {
    const at = block.wordOf(index);
    matcher.apply(block.words, at);
    this.#lookForIntruder(block, index);
    const of = this.#bySession.get(block.words[at + COMMAND_WORD.session] as number);
    if (of === undefined) {
      this.#events.clear();
      this.#lookAtStranger(block, index);
      return;
    }
    const { told } = of;
    const sequence = block.firstSequence + index;
    const request = block.words[at + COMMAND_WORD.request] as number;
    const toldAt = told.sequenceOf(request);
    const asSent = this.#isAsSent(told.account, request, block.words, at);
    if (toldAt === sequence && asSent) of.found++;
    const name = `session ${told.session}, request ${request}`;

    let outcomes = 0;
    let effects = 0;
    let handled = false;
    this.#events.drain((words, event) => {
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
        if (handled && outcome.sequence !== sequence)
          this.#find('contradicted', `${name}: handled at sequence ${sequence}, answered with ${outcome.sequence}`);
        if (toldAt !== 0 && !told.agrees(request, outcome))
          this.#find('contradicted', `${name}: the client was told something else than ${JSON.stringify(outcome)}`);
        // What time brought with it is no request's.
      } else if (type !== EventType.rejected && words[event + EVENT_WORD.request] === request) effects++;
    });
    if (!handled) {
      this.#passedOver++;
      if (effects > 0) this.#find('duplicated', `${name}: the repeat at sequence ${sequence} changed something`);
      return;
    }
    if (toldAt === 0 && asSent && request >= told.firstKnown) of.unheard.set(request, sequence);
    if (outcomes !== 1) this.#find('contradicted', `${name}: ${outcomes} answers at sequence ${sequence}`);
    if (request <= of.lastRequest) this.#find('duplicated', `${name}: handled again at sequence ${sequence}`);
    else if (request !== of.lastRequest + 1)
      this.#find('reordered', `${name}: handled at sequence ${sequence}, after request ${of.lastRequest}`);
    of.lastRequest = Math.max(of.lastRequest, request);
  }

  /** What an intruder tries to send for others is told by its id, wherever it comes. */
  #lookForIntruder(block: BlockView, index: number): void {
    const at = block.wordOf(index);
    const [low = 0, high = 0] = block.words.subarray(at + COMMAND_WORD.id, at + COMMAND_WORD.id + 2);
    const opcode = (block.words[at] as number) & 255;
    if (opcode !== Op.new && opcode !== Op.sessionOpen) return;
    if (high * 2 ** 32 + low < INTRUDER_ID_FROM) return;
    const [account, session] = [block.words[at + COMMAND_WORD.account], block.words[at + COMMAND_WORD.session]];
    if (opcode === Op.sessionOpen && !this.#clients.some((told) => told.account === account)) return;
    const where = `in session ${session}, at sequence ${block.firstSequence + index}`;
    this.#find('contradicted', `account ${account}: a command of an intruder's, ${where}`);
  }

  /** A client sends in one session, so a command of its account outside of that was handled besides those it knows of. */
  #lookAtStranger(block: BlockView, index: number): void {
    const at = block.wordOf(index);
    const opcode = (block.words[at] as number) & 255;
    const account = block.words[at + COMMAND_WORD.account] as number;
    // An order that comes from another shard keeps its account; a tick is the venue's own.
    if (opcode === Op.sessionOpen || opcode === Op.sessionClose || opcode === Op.moveIn || opcode === Op.tick) return;
    if (this.#clients.some((told) => told.account === account)) {
      const session = block.words[at + COMMAND_WORD.session];
      const sequence = block.firstSequence + index;
      this.#find('duplicated', `account ${account}: a command in session ${session}, at sequence ${sequence}`);
    }
  }

  /** Whether the record is what the client sent, but for what the venue fills in. */
  #isAsSent(account: number, request: number, words: Uint32Array, at: number): boolean {
    encodeCommand(this.#expected, 0, commandOf(account, request));
    for (let word = 0; word < COMMAND_WORD.session; word++) {
      if (words[at + word] !== this.#expected[word]) return false;
    }
    return true;
  }

  /** What a client was told of later requests must be of later sequences. */
  #lookAtOrder(progress: Progress): void {
    const { told } = progress;
    // Up to the first answer that is missing; the journal's own order covers what comes after it.
    const end = told.firstMissing();
    for (let request = Math.max(progress.lastLooked + 1, told.firstKnown); request < end; request++) {
      const sequence = told.sequenceOf(request);
      if (sequence <= progress.lastSequence) {
        const text = `acknowledged at sequence ${sequence}, an earlier one at ${progress.lastSequence}`;
        this.#find('reordered', `session ${told.session}, request ${request}: ${text}`);
      }
      progress.lastSequence = sequence;
      progress.lastLooked = request;
    }
  }

  #compareState({ sequence, stateHash, by }: ReportedState): void {
    this.#statesCompared++;
    const replayed = this.stateHash();
    if (replayed === stateHash) return;
    this.#find('contradicted', `${by}: state hash ${stateHash} at sequence ${sequence}, a replay gives ${replayed}`);
  }

  #find(kind: 'duplicated' | 'reordered' | 'contradicted', text: string): void {
    if (kind === 'duplicated') this.#duplicated++;
    else if (kind === 'reordered') this.#reordered++;
    else this.#contradicted++;
    this.#note(`${kind}: ${text}`);
  }

  #note(text: string): void {
    if (this.findings.length < FINDINGS_MAX && !this.findings.includes(text)) this.findings.push(text);
  }

  /** Reads the journal again for what it has instead of commands that are lost. */
  #describeLost(): void {
    const missing = new Map<number, string>();
    for (const { told } of this.#bySession.values()) {
      for (let request = told.firstKnown; request <= told.highest; request++) {
        const sequence = told.sequenceOf(request);
        if (sequence !== 0)
          missing.set(sequence, `lost: session ${told.session}, request ${request}, acknowledged at ${sequence}`);
      }
    }
    for (const block of JournalReader.open(this.directory).blocks()) {
      for (let index = 0; index < block.count; index++) {
        const at = block.wordOf(index);
        const told = this.#bySession.get(block.words[at + COMMAND_WORD.session] as number)?.told;
        const request = block.words[at + COMMAND_WORD.request] as number;
        const sequence = block.firstSequence + index;
        if (told?.sequenceOf(request) === sequence && this.#isAsSent(told.account, request, block.words, at))
          missing.delete(sequence);
      }
    }
    for (const text of missing.values()) this.#note(text);
  }
}

/** The checker of the journal with the most blocks; the first of several. */
export function longestOf(checkers: readonly JournalChecker[]): JournalChecker {
  const [longest] = checkers.toSorted((a, b) => b.sequence - a.sequence);
  if (longest === undefined) throw new Error('there is no journal to check');
  return longest;
}

/** Whether a journal has a block that it, or another one, had. */
export function isStill(reader: JournalReader, point: ChainPoint): boolean {
  if (reader.last.block < point.block) return false;
  const cursor = reader.cursor(point.block + 1);
  const { hash } = cursor.last;
  cursor.close();
  return hash.equals(point.hash);
}

function* blocksAfter(reader: JournalReader, point: ChainPoint): Generator<BlockView, void, undefined> {
  const cursor = reader.cursor(point.block + 1, point);
  try {
    for (let block = cursor.next(); block !== undefined; block = cursor.next()) yield block;
  } finally {
    cursor.close();
  }
}
