import { cpSync, renameSync, rmSync } from 'node:fs';
import { afterAll, expect, test } from '@jest/globals';
import { readWide } from '../../../journal/amounts.ts';
import { BLOCK_HEADER_WORDS, BlockBuffer } from '../../../journal/block.ts';
import { hashOf } from '../../../journal/chain.ts';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../../journal/commands.ts';
import { EVENT_WORD, EventFlag, EventType, eventFlags, eventReason, eventType } from '../../../journal/events.ts';
import { DEFAULT_LIMITS } from '../../../journal/genesis.ts';
import { JournalWriter } from '../../../journal/log.ts';
import { recordsOf } from '../../../journal/order-terms.ts';
import { SEGMENT_BYTES_MIN } from '../../../journal/segments.ts';
import { Acknowledged } from '../../../ops/drill/acknowledged.ts';
import { INTRUDER_ID_FROM } from '../../../ops/drill/intruder.ts';
import { type JournalCheck, JournalChecker } from '../../../ops/drill/journal-check.ts';
import { commandOf } from '../../../ops/drill/order-flow.ts';
import { encodeState } from '../../../replicas/canonical-state.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher } from '../../../replicas/matcher.ts';
import type { Answer } from '../../../sequencer/messages.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';

const LIMITS = { ...DEFAULT_LIMITS, ordersMax: 4096, levelPagesMax: 64, answersPerSessionMax: 64 };
const ACCOUNT = 1;
const TIME = 1_700_000_000;
const REQUESTS = 40;
/** More than a client has to remember. */
const MANY_REQUESTS = 6_000;
const BLOCK_REQUESTS = 500;

afterAll(removeTemporaryFolders);

/** A venue of a few lines: a journal of one instrument and one session, and what it told the client of it. */
class SmallVenue {
  readonly directory = temporaryFolder();
  readonly told = new Acknowledged(ACCOUNT);
  /** Nanoseconds since the Unix epoch; low enough for one word. */
  time = TIME;
  readonly #events = new EventBuffer(64);
  readonly #matcher = createMatcher(LIMITS, this.#events);
  readonly #writer: JournalWriter;
  readonly #buffer = new BlockBuffer();

  constructor() {
    const genesis = { shard: 0, createdAt: 1n, limits: LIMITS };
    const options = { genesis, segmentBytesMax: SEGMENT_BYTES_MIN, preallocate: false };
    this.#writer = JournalWriter.open(this.directory, options);
    this.handle({ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' });
    this.told.session = this.handle({ op: 'sessionOpen', account: ACCOUNT, id: 7 }).open;
  }

  get stateHash(): string {
    return hashOf(encodeState(this.#matcher.state)).toString('hex');
  }

  get sequence(): number {
    return this.#matcher.sequence();
  }

  /** Handles commands and writes them, as one block; gives the answers, of which nobody knows yet. */
  handleAll(commands: readonly Command[], session: number, firstRequest: number): Answer[] {
    const { words } = this.#buffer;
    const answers = commands.map((command, index): Answer => {
      const at = BLOCK_HEADER_WORDS + index * COMMAND_WORDS;
      const request = session === 0 ? 0 : firstRequest + index;
      encodeCommand(words, at, { ...command, session, request, time: BigInt(this.time) });
      this.#matcher.apply(words, at);
      return this.#answer();
    });
    this.#writer.append(this.#buffer, commands.length, this.sequence - commands.length + 1, this.time, 0);
    return answers;
  }

  handle(command: Command, session = 0, request = 0): Answer {
    return this.handleAll([command], session, request)[0] as Answer;
  }

  /** Handles requests, in a block, and tells the client what came of them. */
  acknowledge(from: number, to: number): void {
    const commands = Array.from({ length: to - from + 1 }, (_, index) => commandOf(ACCOUNT, from + index));
    this.told.take(from, this.handleAll(commands, this.told.session, from));
  }

  #answer(): Answer {
    let answer: Answer = { sequence: this.sequence, open: 0, traded: 0, reason: 0, repeat: false };
    this.#events.drain((event, from) => {
      const type = eventType(event, from);
      if (type === EventType.session) answer = { ...answer, open: readWide(event, from + EVENT_WORD.open) };
      if (type !== EventType.answer) return;
      answer = {
        sequence: readWide(event, from + EVENT_WORD.price),
        open: readWide(event, from + EVENT_WORD.open),
        traded: readWide(event, from + EVENT_WORD.quantity),
        reason: eventReason(event, from),
        repeat: (eventFlags(event, from) & EventFlag.repeat) !== 0,
      };
    });
    return answer;
  }

  check(): { readonly check: JournalCheck; readonly findings: readonly string[] } {
    const checker = new JournalChecker(this.directory, [this.told]);
    checker.advance();
    return { check: checker.check(), findings: checker.findings };
  }
}

const HELD = { lost: 0, duplicated: 0, reordered: 0, contradicted: 0 };

function venue(): SmallVenue {
  const small = new SmallVenue();
  small.acknowledge(1, REQUESTS);
  return small;
}

test('a journal that is as the client was told', () => {
  const small = venue();
  // Sent again: answered as before, and nothing is done.
  const { session } = small.told;
  small.told.take(REQUESTS, [small.handle(commandOf(ACCOUNT, REQUESTS), session, REQUESTS)]);
  const held = { ...HELD, acknowledged: REQUESTS, handled: REQUESTS, passedOver: 1 };
  expect(small.check()).toEqual({ check: held, findings: [] });
  // Handled, and the answer was lost: nothing is wrong with that.
  small.handle(commandOf(ACCOUNT, REQUESTS + 1), session, REQUESTS + 1);
  expect(small.check()).toEqual({ check: { ...held, handled: REQUESTS + 1 }, findings: [] });
});

test('what time brings, by a tick or with a repeat, is no repeat of a request', () => {
  const small = venue();
  const { session } = small.told;
  // Orders of somebody else that expire, one with the tick and one with the client's repeat.
  const gtd = (id: number, after: number): readonly Command[] => {
    const order = { account: ACCOUNT + 1, symbol: 0, id, side: 'buy', price: 1, quantity: 1 } as const;
    return recordsOf({ op: 'new', ...order, tif: 'gtd', expires: TIME + after });
  };
  small.handleAll([...gtd(1, 10), ...gtd(2, 20)], 0, 0);
  const { stateHash } = small;
  small.time = TIME + 15;
  small.handle({ op: 'tick', account: 0 });
  expect(small.stateHash).not.toBe(stateHash);
  small.time = TIME + 25;
  small.told.take(REQUESTS, [small.handle(commandOf(ACCOUNT, REQUESTS), session, REQUESTS)]);
  const held = { ...HELD, acknowledged: REQUESTS, handled: REQUESTS, passedOver: 1 };
  expect(small.check()).toEqual({ check: held, findings: [] });
});

test('a command that was acknowledged and is not there is lost', () => {
  const small = venue();
  const sequence = small.sequence + 1;
  small.told.take(REQUESTS + 1, [{ sequence, open: 1, traded: 0, reason: 0 }]);
  const { check, findings } = small.check();
  expect(check).toMatchObject({ ...HELD, lost: 1, acknowledged: REQUESTS + 1 });
  expect(findings).toEqual([
    `lost: session ${small.told.session}, request ${REQUESTS + 1}, acknowledged at ${sequence}`,
  ]);
});

test('a command in whose place another one is, is lost', () => {
  const small = venue();
  const request = REQUESTS + 1;
  small.told.take(request, [small.handle(commandOf(ACCOUNT, request + 1), small.told.session, request)]);
  expect(small.check().check).toMatchObject({ ...HELD, lost: 1 });
});

test('blocks that the journal had and has no more are lost, whatever comes after them', async () => {
  const small = venue();
  const directory = temporaryFolder();
  const copy = (): void => cpSync(small.directory, directory, { recursive: true });
  copy();
  const before = `${directory}-before`;
  renameSync(directory, before);
  small.acknowledge(REQUESTS + 1, REQUESTS + 5);
  copy();
  const checker = new JournalChecker(directory, [small.told]);
  checker.advance();
  expect(checker.check()).toMatchObject({ ...HELD, acknowledged: REQUESTS + 5 });
  rmSync(directory, { recursive: true });
  renameSync(before, directory);
  checker.advance();
  expect(checker.check()).toMatchObject({ ...HELD, lost: 5 });
  expect(checker.findings[0]).toMatch(/^lost: block \d+, which the journal had/);
});

test('a command that was handled besides those of the session is a duplicate', () => {
  const small = venue();
  small.handle(commandOf(ACCOUNT, REQUESTS), 0, 0);
  const { check, findings } = small.check();
  expect(check).toMatchObject({ ...HELD, duplicated: 1 });
  expect(findings).toEqual([`duplicated: account ${ACCOUNT}: a command in session 0, at sequence ${small.sequence}`]);
});

test('what an intruder tried to send for somebody else is found in whichever session it is', () => {
  const small = venue();
  const command = { ...commandOf(ACCOUNT, 1), op: 'new', id: INTRUDER_ID_FROM } as Command;
  small.handle(command, small.told.session, REQUESTS + 1);
  const { check, findings } = small.check();
  expect(check).toMatchObject({ ...HELD, contradicted: 1 });
  const where = `in session ${small.told.session}, at sequence ${small.sequence}`;
  expect(findings).toEqual([`contradicted: account ${ACCOUNT}: a command of an intruder's, ${where}`]);
});

test('answers in another order than that of the requests', () => {
  const small = venue();
  const request = REQUESTS + 1;
  const first = small.handle(commandOf(ACCOUNT, request), small.told.session, request);
  const second = small.handle(commandOf(ACCOUNT, request + 1), small.told.session, request + 1);
  small.told.take(request, [second, first]);
  expect(small.check().check).toMatchObject({ reordered: 1, lost: 2 });
});

test('a block whose time is before that of the block before it', () => {
  const small = venue();
  small.time = TIME - 1;
  small.acknowledge(REQUESTS + 1, REQUESTS + 1);
  expect(small.check().check).toMatchObject({ ...HELD, reordered: 1 });
});

test('another outcome than the client was told, or two of them', () => {
  const small = venue();
  const request = REQUESTS + 1;
  const answer = small.handle(commandOf(ACCOUNT, request), small.told.session, request);
  small.told.take(request, [{ ...answer, open: answer.open + 1 }]);
  expect(small.check().check).toMatchObject({ ...HELD, contradicted: 1 });
  small.told.take(request, [answer]);
  expect(small.check().check).toMatchObject({ ...HELD, contradicted: 2 });
});

test('another state hash than a process reported', () => {
  const small = venue();
  const checker = new JournalChecker(small.directory, [small.told]);
  checker.report({ sequence: small.sequence, stateHash: small.stateHash, by: 'a' });
  checker.advance();
  checker.report({ sequence: small.sequence, stateHash: small.stateHash, by: 'b' });
  expect(checker).toMatchObject({ statesCompared: 2, findings: [] });
  checker.report({ sequence: small.sequence, stateHash: 'another', by: 'c' });
  expect(checker.check()).toMatchObject({ ...HELD, contradicted: 1 });
  expect(checker.findings[0]).toMatch(/^contradicted: c: state hash another at sequence \d+, a replay gives/);
});

test('what was checked is forgotten, and what comes after it is checked as before', () => {
  const small = new SmallVenue();
  const checker = new JournalChecker(small.directory, [small.told]);
  for (let from = 1; from < MANY_REQUESTS; from += BLOCK_REQUESTS) small.acknowledge(from, from + BLOCK_REQUESTS - 1);
  checker.advance();
  expect(checker.check()).toMatchObject({ ...HELD, acknowledged: MANY_REQUESTS });
  small.told.forget();
  expect(small.told.firstKnown).toBeGreaterThan(1_000);
  expect(small.told).toMatchObject({ highest: MANY_REQUESTS, count: MANY_REQUESTS });
  small.acknowledge(MANY_REQUESTS + 1, MANY_REQUESTS + 10);
  checker.advance();
  expect(checker.check()).toMatchObject({ ...HELD, acknowledged: MANY_REQUESTS + 10, handled: MANY_REQUESTS + 10 });
  small.told.take(MANY_REQUESTS + 11, [{ sequence: small.sequence + 1, open: 1, traded: 0, reason: 0 }]);
  expect(checker.check()).toMatchObject({ ...HELD, lost: 1 });
});
