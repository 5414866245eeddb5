import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createInbox, type Msg } from '@nats-io/transport-node';
import fc from 'fast-check';
import { BLOCK_HEADER_WORDS } from '../../journal/block.ts';
import { COMMAND_BYTES, COMMAND_WORD, COMMAND_WORDS, type Command, Op, type OpName } from '../../journal/commands.ts';
import { JournalReader } from '../../journal/reader.ts';
import { Reason } from '../../journal/reasons.ts';
import { checkJournal } from '../../ops/drill/journal-check.ts';
import {
  type Answer,
  decodeReply,
  encodeRequest,
  MESSAGE_COMMANDS_MAX,
  MESSAGE_HEADER_BYTES,
  REQUEST_BYTES_MAX,
  type Refusal,
} from '../../sequencer/messages.ts';
import { repairSubject, submitSubject } from '../../sequencer/nats-gateway.ts';
import { LIMITS, Market, order, type RawClient, request, SHARD } from './venue-on-nats.ts';

/**
 * Messages of every kind, good and bad, all at once to a real venue behind a real NATS server: each good one is answered once and
 * carried out once, each bad one is refused by name, and the journal holds the good ones and nothing else.
 */

const RUNS = Number(process.env['VERITAPE_GATEWAY_RUNS'] ?? 25);
const ACCOUNT = 7;
const NO_SESSION = 999_999;
const WAIT_MS_MAX = 20_000;
const SUBMIT = submitSubject(SHARD);

let market: Market;
let client: RawClient;
let session: number;
/** What was sent under each request number, from 1 on, and where it was handled. */
const sent: { readonly record: Uint8Array; answer: Answer | undefined }[] = [];
/** Commands that the venue passed on, of whatever session. */
let passed = 0;

/** What one message is to be answered with. */
type Expected =
  /** Handled for the first time: requests from `first` on. */
  | { readonly kind: 'answers'; readonly first: number; readonly count: number }
  | { readonly kind: 'repeats'; readonly first: number; readonly count: number; readonly next: number }
  | { readonly kind: 'reason'; readonly reason: number; readonly count: number }
  | { readonly kind: 'refusal'; readonly error: string; readonly field: string }
  | { readonly kind: 'nobody' };

interface Message {
  readonly subject: string;
  readonly bytes: Uint8Array;
  readonly expected: Expected;
}

beforeAll(async () => {
  market = await Market.open();
  client = await market.client();
  const admin = await client.openSession(0, 1);
  await client.answers(admin.session, 1, [{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
  session = (await client.openSession(ACCOUNT, 2)).session;
  passed = 3;
});
afterAll(() => market.close());

// --- What is sent ----------------------------------------------------------------------------------------------------

const command: fc.Arbitrary<Command> = fc.oneof(
  fc
    .record({ id: fc.nat(60), isBuy: fc.boolean(), price: fc.integer({ min: 95, max: 105 }), lots: fc.nat(9) })
    .map(({ id, isBuy, price, lots }) => order(ACCOUNT, id, isBuy ? 'buy' : 'sell', price, lots)),
  fc.nat(60).map((id): Command => ({ op: 'cancel', account: ACCOUNT, symbol: 0, id })),
  fc.nat(60).map((id): Command => ({ op: 'reduce', account: ACCOUNT, symbol: 0, id, quantity: 1 })),
  fc.nat(60).map((id): Command => ({ op: 'replace', account: ACCOUNT, symbol: 0, id, price: 100 })),
  fc.constant<Command>({ op: 'massCancel', account: ACCOUNT }),
);
/** Of the right shape and of the right account; what the venue makes of the rest is its own affair. */
const NOT_SESSIONS = (Object.keys(Op) as OpName[]).filter((op) => !/^(session|tick)/.test(op)).map((op) => Op[op]);
const garbage = fc
  .tuple(fc.uint8Array({ minLength: COMMAND_BYTES, maxLength: COMMAND_BYTES }), fc.constantFrom(...NOT_SESSIONS))
  .map(([bytes, op]) => {
    const record = bytes.slice();
    record[0] = op;
    new DataView(record.buffer).setUint32(COMMAND_WORD.account * 4, ACCOUNT, true);
    return record;
  });
const records = fc.oneof(
  { weight: 3, arbitrary: fc.array(command, { minLength: 1, maxLength: 6 }).map(recordsOfCommands) },
  { weight: 1, arbitrary: fc.array(garbage, { minLength: 1, maxLength: 3 }) },
);

function recordsOfCommands(commands: readonly Command[]): Uint8Array[] {
  const bytes = request(1, 1, commands);
  return commands.map((_, index) => {
    const at = MESSAGE_HEADER_BYTES + index * COMMAND_BYTES;
    return bytes.slice(at, at + COMMAND_BYTES);
  });
}

const step = fc.oneof(
  { weight: 6, arbitrary: records.map((some) => () => good(some)) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.nat(90), fc.integer({ min: 1, max: 4 })).map(
      ([b, n]) =>
        () =>
          again(b, n),
    ),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(records, fc.constantFrom(...brokenWays()), fc.nat(2 ** 31)).map(([some, way, at]) => () => {
      const { bytes, error = 'malformed', field } = way(some, at);
      return { subject: SUBMIT, bytes, expected: { kind: 'refusal', error, field } } satisfies Message;
    }),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(records, fc.nat(4)).map(
      ([some, where]) =>
        () =>
          elsewhere(some, where),
    ),
  },
);

function message(records_: readonly Uint8Array[], of = session, first = sent.length + 1): Uint8Array {
  return encodeRequest(of, first, Buffer.concat(records_));
}

function good(some: readonly Uint8Array[]): Message {
  const bytes = message(some);
  const expected = { kind: 'answers', first: sent.length + 1, count: some.length } as const;
  for (const record of some) sent.push({ record, answer: undefined });
  return { subject: SUBMIT, bytes, expected };
}

/** What was sent before, under its numbers. */
function again(back: number, count: number): Message {
  if (sent.length === 0) return good(recordsOfCommands([order(ACCOUNT, 1, 'buy', 100, 1)]));
  const first = Math.max(1, sent.length - back);
  const some = sent.slice(first - 1, first - 1 + count).map(({ record }) => record);
  const expected = { kind: 'repeats', first, count: some.length, next: sent.length + 1 } as const;
  return { subject: SUBMIT, bytes: message(some, session, first), expected };
}

interface Broken {
  readonly bytes: Uint8Array;
  readonly error?: string;
  readonly field: string;
}

function brokenWays(): ((some: readonly Uint8Array[], at: number) => Broken)[] {
  const least = MESSAGE_HEADER_BYTES + COMMAND_BYTES;
  const patched = (some: readonly Uint8Array[], at: number, value: number, bytes: 2 | 4): Uint8Array => {
    const copy = message(some);
    const view = new DataView(copy.buffer);
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    return copy;
  };
  const withOp = (some: readonly Uint8Array[], at: number, op: number): Uint8Array => {
    const copy = message(some);
    copy[MESSAGE_HEADER_BYTES + (at % some.length) * COMMAND_BYTES] = op;
    return copy;
  };
  return [
    (some, at) => {
      const whole = message(some);
      const bytes = whole.subarray(0, at % whole.length);
      return { bytes, field: bytes.length < least ? 'length' : 'count' };
    },
    (some, at) => ({ bytes: Buffer.concat([message(some), Buffer.alloc(1 + (at % 63), 1)]), field: 'count' }),
    (some, at) => ({ bytes: patched(some, 6, (some.length + 1 + (at % 60_000)) & 0xffff, 2), field: 'count' }),
    (some, at) => ({ bytes: patched(some, 0, at, 4), field: 'magic' }),
    (some, at) => ({ bytes: patched(some, 4, 2 + (at % 60_000), 2), field: 'version' }),
    (some) => {
      const many = Array<Uint8Array>(MESSAGE_COMMANDS_MAX + 1).fill(some[0] as Uint8Array);
      return { bytes: message(many), field: 'length' };
    },
    (_, at) => ({ bytes: new Uint8Array(REQUEST_BYTES_MAX + 1 + (at % 500_000)).fill(at & 255), field: 'length' }),
    (some, at) => ({ bytes: withOp(some, at, 200 + (at % 50)), field: `commands[${at % some.length}].op` }),
    (some, at) => ({ bytes: withOp(some, at, Op.sessionOpen), field: 'session' }),
    (some) => ({ bytes: message(some, 0, 0), field: 'session' }),
    (some) => ({ bytes: message(some, 0), field: 'firstRequest' }),
    (some) => ({ bytes: message(some, session, 0), field: 'firstRequest' }),
    (some) => ({ bytes: message([...some, ...some], session, 2 ** 32 - 1), field: 'firstRequest' }),
    (some, at) => ({
      ...{ bytes: message(some, session, sent.length + 2 + (at % (at % 2 === 0 ? 8 : 1_000_000))) },
      ...{ error: 'requestGap', field: 'firstRequest' },
    }),
  ];
}

/** A good message where it does not belong. It takes no request number. */
function elsewhere(some: readonly Uint8Array[], where: number): Message {
  const bytes = message(some);
  const refused = (subject: string, error: string, field: string): Message => ({
    ...{ subject, bytes },
    expected: { kind: 'refusal', error, field },
  });
  switch (where) {
    case 0:
      return refused(`${SUBMIT}.eve.${ACCOUNT}`, 'unauthorized', 'subject');
    case 1:
      return refused(repairSubject(SHARD), 'malformed', 'block');
    case 2:
      return { subject: `${SUBMIT}.eve`, bytes, expected: { kind: 'nobody' } };
    case 3:
      return { subject: submitSubject(SHARD + 1), bytes, expected: { kind: 'nobody' } };
    default: {
      const expected = { kind: 'reason', reason: Reason.sessionUnknown, count: some.length } as const;
      return { subject: SUBMIT, bytes: message(some, NO_SESSION, 1), expected };
    }
  }
}

// --- What comes back -------------------------------------------------------------------------------------------------

/** Sends all at once, and gives what was heard of each. */
async function heardOf(messages: readonly Message[]): Promise<Msg[][]> {
  const inbox = createInbox();
  const heard: Msg[][] = messages.map(() => []);
  let wake: () => void = () => undefined;
  const subscription = client.connection.subscribe(`${inbox}.*`, {
    callback: (error, reply) => {
      if (error !== null) throw error;
      heard[Number(reply.subject.slice(inbox.length + 1))]?.push(reply);
      wake();
    },
  });
  for (const [index, { subject, bytes }] of messages.entries())
    client.connection.publish(subject, bytes, { reply: `${inbox}.${index}` });
  const until = performance.now() + WAIT_MS_MAX;
  while (heard.some((one) => one.length === 0) && performance.now() < until) {
    await Promise.race([
      new Promise<void>((resolve) => {
        wake = resolve;
      }),
      new Promise((resolve) => setTimeout(resolve, 200)),
    ]);
  }
  // Whatever would come a second time comes before the answer to this.
  await client.openSession(ACCOUNT, 2);
  passed++;
  subscription.unsubscribe();
  return heard;
}

function check({ expected }: Message, heard: readonly Msg[]): void {
  expect(heard).toHaveLength(1);
  const [reply] = heard as [Msg];
  if (expected.kind === 'nobody') return expect([reply.data.length, reply.headers?.code]).toEqual([0, 503]);
  const told: Answer[] | Refusal = decodeReply(reply.data);
  if (expected.kind === 'refusal') {
    const { error, field } = expected;
    return expect(told).toMatchObject({ error, field, rule: expect.stringMatching(/./) });
  }
  if (!Array.isArray(told)) throw new Error(`refused: ${JSON.stringify(told)}`);
  expect(told).toHaveLength(expected.count);
  passed += expected.count;
  for (const [index, answer] of told.entries()) {
    if (expected.kind === 'reason') {
      expect(answer.reason).toBe(expected.reason);
      continue;
    }
    const number = expected.first + index;
    const one = sent[number - 1];
    if (one === undefined) throw new Error(`request ${number} was never sent`);
    if (expected.kind === 'answers') {
      expect(answer.repeat).toBe(false);
      expect(answer.sequence).toBeGreaterThan(sent[number - 2]?.answer?.sequence ?? 0);
      one.answer = answer;
    } else if (number < expected.next - LIMITS.answersPerSessionMax) {
      expect(answer.reason).toBe(Reason.requestTooOld);
    } else expect(answer).toEqual({ ...one.answer, repeat: true });
  }
}

test('good requests are answered and carried out once, whatever comes between them', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const messages = steps.map((make) => make());
      for (const [index, heard] of (await heardOf(messages)).entries()) check(messages[index] as Message, heard);
    }),
    // What was sent stays sent, so a smaller case would not be the same one.
    { numRuns: RUNS, endOnFailure: true },
  );

  const refused = market.venue.gatewayCounts?.refused ?? 0;
  expect(refused).toBeGreaterThan(RUNS);
  const { sequence, stateHashes } = await market.closeVenue();
  let next = 1;
  let commands = 0;
  for (const { words, count } of JournalReader.open(market.directory, { unflushed: true }).blocks()) {
    for (let index = 0; index < count; index++) {
      const at = BLOCK_HEADER_WORDS + index * COMMAND_WORDS;
      if (((words[at] as number) & 255) !== Op.tick) commands++;
      if (words[at + COMMAND_WORD.session] !== session) continue;
      const number = words[at + COMMAND_WORD.request] as number;
      const { record } = sent[number - 1] as { readonly record: Uint8Array };
      const stamped = COMMAND_WORD.session;
      expect(new Uint8Array(words.slice(at, at + stamped).buffer)).toEqual(record.slice(0, stamped * 4));
      expect(number).toBeLessThanOrEqual(next);
      if (number === next) next++;
    }
  }
  expect(next - 1).toBe(sent.length);
  expect(commands).toBe(passed);
  const replayed = checkJournal(market.directory, []);
  expect({ sequence, stateHashes }).toEqual({
    sequence: replayed.sequence,
    stateHashes: [replayed.stateHash, replayed.stateHash],
  });
});
