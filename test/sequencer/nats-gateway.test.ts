import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { headers } from '@nats-io/transport-node';
import { COMMAND_BYTES, type Command } from '../../journal/commands.ts';
import { EventFlag } from '../../journal/events.ts';
import { Reason, type ReasonName, reasonName } from '../../journal/reasons.ts';
import { MESSAGE_HEADER_BYTES, REQUEST_BYTES_MAX, type Refusal } from '../../sequencer/messages.ts';
import { repairSubject, submitSubject } from '../../sequencer/nats-gateway.ts';
import { execSubject, topSubject, tradeSubject } from '../../sequencer/reports.ts';
import { TOKEN_HEADER, tokenDigest } from '../../sequencer/request-intake.ts';
import type { RawCommand } from '../replicas/raw-commands.ts';
import { LIMITS, Market, order, type RawClient, request, SHARD } from './venue-on-nats.ts';

const ADMIN = 0;
const SEVEN = 7;
const EIGHT = 8;
const U32_MAX = 2 ** 32 - 1;
const PRICE_MAX = 2 ** 48 - 3;
const QUANTITY_MAX = 2 ** 48 - 1;
const TOKENS = new Map([
  [tokenDigest('administrator'), new Set([ADMIN])],
  [tokenDigest('seven'), new Set([SEVEN])],
  [tokenDigest('both'), new Set([SEVEN, EIGHT])],
]);

/** Instruments: 0 without limits, 1 with small ones, 2 that takes no new orders. */
const INSTRUMENTS: readonly Command[] = [
  { op: 'instrumentCreate', account: ADMIN, symbol: 0, name: 'ZERO' },
  { op: 'instrumentCreate', account: ADMIN, symbol: 1, name: 'ONE', quantity: 10, priceMax: 100 },
  { op: 'instrumentCreate', account: ADMIN, symbol: 2, name: 'TWO' },
  { op: 'instrumentUpdate', account: ADMIN, symbol: 2, closed: true },
];

/** A client with a session, which counts its requests. */
class Trader {
  readonly client: RawClient;
  readonly account: number;
  readonly session: number;
  next: number;

  static async open(client: RawClient, account: number, key: number): Promise<Trader> {
    const { session, handled } = await client.openSession(account, key);
    return new Trader(client, account, session, handled + 1);
  }

  private constructor(client: RawClient, account: number, session: number, next: number) {
    this.client = client;
    this.account = account;
    this.session = session;
    this.next = next;
  }

  async send(...commands: (Command | RawCommand)[]): ReturnType<RawClient['answers']> {
    const first = this.next;
    this.next += commands.length;
    return this.client.answers(this.session, first, commands);
  }

  /** Reason of a command's rejection, `none` if it was not. */
  async reason(command: Command | RawCommand): Promise<string> {
    const [answer] = await this.send(command);
    return reasonName(answer?.reason ?? -1) || 'none';
  }
}

let open: Market;
let client: RawClient;
let seven: Trader;
let guarded: Market;

beforeAll(async () => {
  open = await Market.open();
  client = await open.client();
  const admin = await Trader.open(client, ADMIN, 1);
  await admin.send(...INSTRUMENTS);
  seven = await Trader.open(client, SEVEN, 1);
  guarded = await Market.open({ nats: { connection: {}, tokens: TOKENS } });
  const administrator = await Trader.open(await guarded.client('administrator'), ADMIN, 1);
  await administrator.send(...INSTRUMENTS);
});
afterAll(async () => {
  await open.close();
  await guarded.close();
});

/** Runs `action` and shows that no command got a place in the sequence by it. */
async function untouched<T>(witness: RawClient, action: () => Promise<T>): Promise<T> {
  // Opening a session again changes nothing, and tells its own place.
  const before = await witness.openSession(ADMIN, 1);
  const result = await action();
  expect((await witness.openSession(ADMIN, 1)).sequence).toBe(before.sequence + 1);
  return result;
}

const valid = request(1, 1, [order(SEVEN, 1, 'buy', 10, 1)]);

function patched(at: number, ...bytes: number[]): Uint8Array {
  const copy = valid.slice();
  copy.set(bytes, at);
  return copy;
}

test.each<[string, Uint8Array, string, number]>([
  ['nothing', new Uint8Array(0), 'length', 0],
  ['garbage', new TextEncoder().encode('{"op":"new","account":7}'), 'length', 24],
  ['long garbage', new Uint8Array(4096).fill(0x5a), 'magic', 0x5a5a_5a5a],
  ['half a record', valid.subarray(0, MESSAGE_HEADER_BYTES + COMMAND_BYTES / 2), 'length', 48],
  ['a record and a half', new Uint8Array([...valid, ...valid.subarray(16, 48)]), 'count', 1],
  ['another magic', patched(0, 0x56, 0x54, 0x52, 0x50), 'magic', 0x5052_5456],
  ['another version', patched(4, 2), 'version', 2],
  ['a count too high', patched(6, 2), 'count', 2],
  ['a count of none', patched(6, 0), 'count', 0],
  [
    '257 commands',
    request(1, 1, Array<Command>(257).fill(order(SEVEN, 1, 'buy', 10, 1))),
    'length',
    REQUEST_BYTES_MAX + 64,
  ],
  [
    'as many commands as a NATS message takes',
    request(1, 1, Array<Command>(16_383).fill(order(SEVEN, 1, 'buy', 10, 1))),
    'length',
    1_048_528,
  ],
  ['request 0 in a session', patched(12, 0, 0, 0, 0), 'firstRequest', 0],
  ['a request without session', patched(8, 0, 0, 0, 0), 'firstRequest', 1],
  [
    'request numbers past the last',
    request(1, U32_MAX, [order(SEVEN, 1, 'buy', 1, 1), order(SEVEN, 2, 'buy', 1, 1)]),
    'firstRequest',
    U32_MAX,
  ],
])('%s is refused by name, and touches nothing', async (_, bytes, field, value) => {
  const before = open.venue.gatewayCounts?.refused ?? 0;
  const refusal = await untouched(client, () => client.askBytes(bytes));
  expect(refusal).toMatchObject({ error: 'malformed', field, value });
  expect(open.venue.gatewayCounts?.refused).toBe(before + 1);
});

test('what is larger than a NATS message does not leave the client', async () => {
  const million = new Uint8Array(MESSAGE_HEADER_BYTES + 1_000_000 * COMMAND_BYTES);
  await untouched(client, () => expect(client.askBytes(million)).rejects.toThrow('max_payload'));
});

// A tick is the venue's own.
test.each([0, 13, 27, 31, 36, 64, 255])(
  'a command of kind %d is refused, and the good ones beside it with it',
  async (op) => {
    const good = order(SEVEN, 900, 'buy', 1, 1);
    const refusal = await untouched(client, () =>
      client.ask(seven.session, seven.next, [good, good, { op, account: SEVEN }, good]),
    );
    expect(refusal).toMatchObject({ error: 'malformed', field: 'commands[2].op', value: op });
  },
);

test('opening needs no session, everything else does, and the two do not mix', async () => {
  const opening: Command = { op: 'sessionOpen', account: SEVEN, id: 1 };
  const trading = order(SEVEN, 900, 'buy', 1, 1);
  for (const [session, first, commands] of [
    [0, 0, [trading]],
    [seven.session, seven.next, [opening]],
    [0, 0, [opening, trading]],
    [seven.session, seven.next, [trading, opening]],
  ] as const) {
    const refusal = await untouched(client, () => client.ask(session, first, commands));
    expect(refusal).toMatchObject({ error: 'malformed', field: 'session', value: session });
  }
});

test('a message that nobody waits for is handled, and one that is no request is dropped', async () => {
  const heard = await client.hear(execSubject(SHARD, SEVEN, 0));
  client.connection.publish(submitSubject(SHARD), new Uint8Array(10));
  client.connection.publish(submitSubject(SHARD), request(seven.session, seven.next, [order(SEVEN, 901, 'buy', 1, 1)]));
  seven.next++;
  expect(await seven.reason({ op: 'cancel', account: SEVEN, symbol: 0, id: 901 })).toBe('none');
  expect(heard.flatMap(({ events }) => events.map(({ type, id }) => [type, id]))).toEqual([
    ['accepted', 901],
    ['canceled', 901],
  ]);
});

const NEW: RawCommand = { op: 1, account: SEVEN, symbol: 0, id: 500n, price: 10, quantity: 1 };
const REPLACE_PRICE = 2;
const REPLACE_QUANTITY = 4;

test.each<[string, ReasonName, RawCommand]>([
  ['the lowest price', 'none', { ...NEW, price: 1 }],
  ['the highest price', 'none', { ...NEW, side: 1, price: PRICE_MAX }],
  ['no price', 'price', { ...NEW, price: 0 }],
  ['a price past the highest', 'price', { ...NEW, price: PRICE_MAX + 1 }],
  ['a price of 48 bits', 'price', { ...NEW, price: 2 ** 48 - 1 }],
  ['a price of 49 bits', 'price', { ...NEW, price: 2 ** 48 }],
  ['a price of 64 bits', 'price', { ...NEW, price: 2n ** 64n - 1n }],
  ['a market order with a price', 'price', { ...NEW, type: 1, tif: 1, price: 1 }],
  ['the largest quantity', 'none', { ...NEW, quantity: QUANTITY_MAX }],
  ['no quantity', 'quantity', { ...NEW, quantity: 0 }],
  ['a quantity past the largest', 'quantity', { ...NEW, quantity: QUANTITY_MAX + 1 }],
  ['a quantity of 64 bits', 'quantity', { ...NEW, quantity: 2n ** 64n - 1n }],
  ["the instrument's highest price", 'none', { ...NEW, symbol: 1, price: 100, quantity: 10 }],
  ["a price past the instrument's", 'priceMax', { ...NEW, symbol: 1, price: 101 }],
  ["a quantity past the instrument's", 'quantityMax', { ...NEW, symbol: 1, quantity: 11 }],
  ['a closed instrument', 'instrumentClosed', { ...NEW, symbol: 2 }],
  ['an instrument that was never created', 'unknownSymbol', { ...NEW, symbol: 15 }],
  ['an instrument past the last', 'unknownSymbol', { ...NEW, symbol: LIMITS.instrumentsMax }],
  ['an instrument past all', 'unknownSymbol', { ...NEW, symbol: U32_MAX }],
  ['an unknown side', 'side', { ...NEW, side: 2 }],
  ['a stop order with a limit', 'price', { ...NEW, type: 2 }],
  ['an unknown type', 'orderType', { ...NEW, type: 4 }],
  ['a gtd order without an expiry', 'terms', { ...NEW, tif: 4 }],
  ['an unknown time in force', 'timeInForce', { ...NEW, tif: 7 }],
  ['an unknown flag', 'flags', { ...NEW, flags: 0x8000 }],
  ['post-only that is not to rest', 'flags', { ...NEW, flags: 1, tif: 1 }],
  ['something in the kept field', 'reservedField', { ...NEW, extra: 1 }],
  ['a cancel of what never was', 'unknownOrder', { op: 2, account: SEVEN, symbol: 0, id: 501n }],
  ['a reduce by nothing', 'quantity', { op: 3, account: SEVEN, symbol: 0, id: 501n, quantity: 0 }],
  ['a replace of nothing', 'nothingToReplace', { op: 4, account: SEVEN, symbol: 0, id: 501n }],
  ['a replace to no price', 'price', { op: 4, flags: REPLACE_PRICE, account: SEVEN, symbol: 0, id: 501n }],
  [
    'a replace past the largest quantity',
    'quantity',
    { op: 4, flags: REPLACE_QUANTITY, account: SEVEN, symbol: 0, id: 501n, quantity: 2 ** 48 },
  ],
  [
    'a replace of what never was',
    'unknownOrder',
    { op: 4, flags: REPLACE_PRICE, account: SEVEN, symbol: 0, id: 501n, price: 1 },
  ],
  [
    'a new instrument, without being the administrator',
    'sessionAccount',
    { op: 16, account: SEVEN, symbol: 9, name: 'NINE' },
  ],
  ["everybody's orders, without being the administrator", 'sessionAccount', { op: 5, side: 2, account: SEVEN }],
  ["another account's order", 'sessionAccount', { ...NEW, account: EIGHT }],
])('%s is answered with %s', async (_, reason, command) => {
  const exec = await client.hear(execSubject(SHARD, command.account ?? 0, command.symbol ?? 0));
  const instruments = open.venue.instruments.all.length;
  expect(await seven.reason(command)).toBe(reason);
  expect(open.venue.instruments.all).toHaveLength(instruments);
  const types = exec.flatMap(({ events }) => events.map((event) => `${event.type} ${event.reason}`));
  if (reason !== 'none') {
    expect(types).toEqual([`rejected ${reason}`]);
    // A request that was not the session's is not handled, and does not count.
    if (command.account !== SEVEN) seven.next--;
    return;
  }
  expect(types).toEqual(['accepted none']);
  expect(await seven.reason({ op: 'cancel', account: SEVEN, symbol: command.symbol ?? 0, id: 500 })).toBe('none');
});

test('an id is taken as long as its order is open, and what is gone can not be cancelled again', async () => {
  const [first, again, cancelled, gone, free] = await seven.send(
    order(SEVEN, 600, 'buy', 10, 5),
    order(SEVEN, 600, 'buy', 11, 5),
    { op: 'cancel', account: SEVEN, symbol: 0, id: 600 },
    { op: 'cancel', account: SEVEN, symbol: 0, id: 600 },
    order(SEVEN, 600, 'buy', 10, 5),
  );
  expect([first, again, cancelled, gone, free].map((answer) => reasonName(answer?.reason ?? -1))).toEqual([
    'none',
    'duplicateOrder',
    'none',
    'unknownOrder',
    'none',
  ]);
  const eight = await Trader.open(client, EIGHT, 1);
  expect(await eight.reason({ op: 'cancel', account: EIGHT, symbol: 0, id: 600 })).toBe('unknownOrder');
  expect(await seven.reason({ op: 'cancel', account: SEVEN, symbol: 0, id: 600 })).toBe('none');
});

test('executions, trades and the best prices come on their subjects, with what belongs there', async () => {
  const eight = await Trader.open(client, EIGHT, 1);
  const listener = await open.client();
  const ofSeven = await listener.hear(execSubject(SHARD, SEVEN, 0));
  const ofEight = await listener.hear(`veritape.${SHARD}.exec.${EIGHT}.*`);
  const trades = await listener.hear(tradeSubject(SHARD, 0));
  const tops = await listener.hear(topSubject(SHARD, 0));
  const elsewhere = await listener.hear(`veritape.${SHARD}.*.1`);
  await seven.send(order(SEVEN, 700, 'sell', 20, 5));
  await eight.send(order(EIGHT, 701, 'buy', 25, 3));
  await eight.send({ op: 'new', account: EIGHT, symbol: 1, id: 702, side: 'buy', price: 9, quantity: 1 });
  const [last] = await seven.send({ op: 'cancel', account: SEVEN, symbol: 0, id: 700 });
  await listener.connection.flush();

  const brief = (heard: typeof trades): unknown[] =>
    heard.flatMap(({ events }) =>
      events.map(({ type, side, price, quantity, open: left, id, account }) => ({
        type,
        side,
        price,
        quantity,
        left,
        id,
        account,
      })),
    );
  expect(brief(ofSeven)).toEqual([
    { type: 'accepted', side: 'sell', price: 20, quantity: 5, left: 5, id: 700, account: SEVEN },
    { type: 'tradeMaker', side: 'sell', price: 20, quantity: 3, left: 2, id: 700, account: SEVEN },
    { type: 'canceled', side: 'sell', price: 20, quantity: 2, left: 0, id: 700, account: SEVEN },
  ]);
  expect(brief(ofEight)).toEqual([
    { type: 'accepted', side: 'buy', price: 25, quantity: 3, left: 3, id: 701, account: EIGHT },
    { type: 'tradeTaker', side: 'buy', price: 20, quantity: 3, left: 0, id: 701, account: EIGHT },
    { type: 'accepted', side: 'buy', price: 9, quantity: 1, left: 1, id: 702, account: EIGHT },
  ]);
  expect(ofEight.map(({ subject }) => subject)).toEqual([execSubject(SHARD, EIGHT, 0), execSubject(SHARD, EIGHT, 1)]);
  // The public record of a trade names nobody: everything from the order's id on is zero.
  expect(brief(trades)).toEqual([
    { type: 'tradeTaker', side: 'buy', price: 20, quantity: 3, left: 0, id: 0, account: 0 },
  ]);
  expect(trades.flatMap(({ words }) => [...words.subarray(8)]).every((word) => word === 0)).toBe(true);
  // Nor whether something of the taker's order is left, which may be hidden.
  expect([ofEight[0]?.events[1]?.flags, trades[0]?.events[0]?.flags]).toEqual([EventFlag.done, 0]);
  expect(trades[0]?.events[0]?.sequence).toBe(ofEight[0]?.events[1]?.sequence);
  expect(brief(tops)).toEqual([
    { type: 'top', side: 'buy', price: 0, quantity: 0, left: 5, id: 20, account: 0 },
    { type: 'top', side: 'buy', price: 0, quantity: 0, left: 2, id: 20, account: 0 },
    { type: 'top', side: 'buy', price: 0, quantity: 0, left: 0, id: 0, account: 0 },
  ]);
  expect(tops.at(-1)?.events[0]?.sequence).toBe(last?.sequence);
  expect(elsewhere.map(({ subject }) => subject)).toEqual([topSubject(SHARD, 1)]);
  await eight.send({ op: 'cancel', account: EIGHT, symbol: 1, id: 702 });
});

test('a report of more events than a message holds comes in several, complete and in order', async () => {
  const makers = 300;
  for (let from = 0; from < makers; from += 100) {
    await seven.send(...Array.from({ length: 100 }, (_, index) => order(SEVEN, 1000 + from + index, 'sell', 30, 1)));
  }
  const eight = await Trader.open(client, EIGHT, 1);
  const ofSeven = await client.hear(execSubject(SHARD, SEVEN, 0));
  const trades = await client.hear(tradeSubject(SHARD, 0));
  const [answer] = await eight.send(order(EIGHT, 703, 'buy', 30, makers));
  expect(answer).toMatchObject({ reason: Reason.none, traded: makers, open: 0 });
  await client.connection.flush();
  const ids = ofSeven.flatMap(({ events }) => events.map(({ id }) => id));
  expect(ids).toEqual(Array.from({ length: makers }, (_, index) => 1000 + index));
  expect(trades.flatMap(({ events }) => events)).toHaveLength(makers);
  expect(Math.max(...ofSeven.map(({ events }) => events.length))).toBeLessThanOrEqual(256);
});

test('a symbol too high for any instrument does not mix the reports of two accounts', async () => {
  const eight = await Trader.open(client, EIGHT, 1);
  const all = await client.hear(`veritape.${SHARD}.exec.>`);
  // Seven's symbol is chosen so that one number made of account and symbol would be the same for both.
  await seven.send({ ...NEW, symbol: 65_536 });
  await eight.send({ op: 'new', account: EIGHT, symbol: 0, id: 704, side: 'buy', price: 1, quantity: 1 });
  await eight.send({ op: 'cancel', account: EIGHT, symbol: 0, id: 704 });
  for (const { subject, events } of all) {
    for (const { account, symbol } of events) expect(subject).toBe(execSubject(SHARD, account, symbol));
  }
  expect(all.map(({ events }) => events[0]?.type)).toEqual(['rejected', 'accepted', 'canceled']);
});

test('a block is given to whoever asks by its number, and another text is refused', async () => {
  const ask = async (text: string) => (await client.connection.request(repairSubject(SHARD), text)).string();
  expect((await ask('1')).startsWith('VTBK')).toBe(true);
  for (const text of ['', 'x', '-1', '1e3', '999999999999999', '1'.repeat(1000)]) {
    expect(await ask(text)).toContain(`"field":"block","value":"${text.slice(0, 32)}"`);
  }
  expect(await ask('0')).toContain('"field":"firstBlock","value":1');
});

test('the venue tells its instruments, limits and last sequence', async () => {
  const { sequence } = await client.openSession(ADMIN, 1);
  expect(await client.info()).toMatchObject({ shard: SHARD, epoch: 1, sequence, ackPolicy: 'disk', limits: LIMITS });
  expect((await client.info()).instruments.map(({ name, closed }) => [name, closed])).toEqual([
    ['ZERO', false],
    ['ONE', false],
    ['TWO', true],
  ]);
});

const opening = (account: number): Command => ({ op: 'sessionOpen', account, id: 77 });

test.each<[string, string | undefined, Command[], Partial<Refusal>]>([
  ['no token', undefined, [opening(SEVEN)], { field: TOKEN_HEADER, value: 'missing' }],
  ['an empty token', '', [opening(SEVEN)], { field: TOKEN_HEADER, value: 'missing' }],
  ['an unknown token', 'eight', [opening(EIGHT)], { field: TOKEN_HEADER, value: 'unknown' }],
  ['a token in other letters', 'Seven', [opening(SEVEN)], { field: TOKEN_HEADER, value: 'unknown' }],
  ["another account's token", 'seven', [opening(EIGHT)], { field: 'commands[0].account', value: EIGHT }],
  ["the administrator's account", 'seven', [opening(ADMIN)], { field: 'commands[0].account', value: ADMIN }],
  [
    'one wrong among right ones',
    'seven',
    [opening(SEVEN), opening(SEVEN), opening(EIGHT)],
    { field: 'commands[2].account', value: EIGHT },
  ],
])('%s is unauthorized, and touches nothing', async (_, token, commands, expected) => {
  const stranger = await guarded.client(token);
  const witness = await guarded.client('administrator');
  const refusal = await untouched(witness, () => stranger.ask(0, 0, commands));
  expect(refusal).toMatchObject({ error: 'unauthorized', ...expected });
});

test("a token is good for its accounts, the administrator's for all", async () => {
  const both = await guarded.client('both');
  for (const account of [SEVEN, EIGHT]) {
    const trader = await Trader.open(both, account, 3);
    expect(await trader.reason(order(account, 1, 'buy', 1, 1))).toBe('none');
    expect(await trader.reason({ op: 'cancel', account, symbol: 0, id: 1 })).toBe('none');
  }
  const admin = await Trader.open(await guarded.client('administrator'), ADMIN, 3);
  expect(await admin.reason(order(EIGHT, 1, 'buy', 1, 1))).toBe('none');
  expect(await admin.reason({ op: 'massCancel' })).toBe('none');
});

test("nobody gets the administrator's rights by naming a session of the administrator's", async () => {
  const admin = await Trader.open(await guarded.client('administrator'), ADMIN, 1);
  const witness = await guarded.client('administrator');
  const stranger = await guarded.client('seven');
  for (const command of [
    { op: 16, account: SEVEN, symbol: 9, name: 'NINE' },
    { op: 5, side: 2, account: SEVEN },
    NEW,
  ]) {
    const refusal = await untouched(witness, () => stranger.ask(admin.session, admin.next, [command]));
    expect(refusal).toMatchObject({ error: 'unauthorized', field: 'session', value: admin.session });
  }
  const refusal = await untouched(witness, () => stranger.ask(4000, 1, [NEW]));
  expect(refusal).toMatchObject({ error: 'unauthorized', field: 'session', value: 4000 });
  expect(await admin.reason({ op: 'cancel', account: SEVEN, symbol: 0, id: 1 })).toBe('unknownOrder');
});

test('whoever asks for what only administrators may is counted, and told without the token', async () => {
  const subject = `veritape.${SHARD}.asked`;
  guarded.venue.gateway?.answer(subject, (_, respond, isAdministrator) => respond({ isAdministrator }));
  const before = guarded.venue.gatewayCounts?.refusals.unauthorized ?? 0;
  for (const [token, isAdministrator] of [
    ['administrator', true],
    ['seven', false],
    [undefined, false],
  ] as const) {
    const { connection } = await guarded.client();
    const carried = headers();
    if (token !== undefined) carried.set(TOKEN_HEADER, token);
    await connection.flush();
    const reply = await connection.request(subject, '', { timeout: 30_000, headers: carried });
    expect(reply.json()).toEqual({ isAdministrator });
  }
  expect(guarded.venue.gatewayCounts?.refusals.unauthorized).toBe(before + 2);
});

test('who a session belongs to is known after the venue was opened again', async () => {
  const before = await Trader.open(await guarded.client('seven'), SEVEN, 9);
  const admin = await Trader.open(await guarded.client('administrator'), ADMIN, 1);
  expect(await before.reason(order(SEVEN, 50, 'buy', 1, 1))).toBe('none');
  await guarded.closeVenue();
  await guarded.openVenue({ nats: { connection: {}, tokens: TOKENS } });
  expect(await before.reason({ op: 'cancel', account: SEVEN, symbol: 0, id: 50 })).toBe('none');
  const refusal = await before.client.ask(admin.session, admin.next, [NEW]);
  expect(refusal).toMatchObject({ error: 'unauthorized', field: 'session' });
});
