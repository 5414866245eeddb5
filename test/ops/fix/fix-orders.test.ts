import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { BLOCK_HEADER_WORDS } from '../../../journal/block.ts';
import { COMMAND_WORDS, type Command, decodeCommand } from '../../../journal/commands.ts';
import { JournalReader } from '../../../journal/reader.ts';
import { FixMarket } from './fix-market.ts';
import { type Fields, type FixPeer, newOrder, type Received, utc } from './fix-peer.ts';

/** Orders over FIX, from the message to the venue's journal and back. Each test trades at prices of its own. */

let market: FixMarket;

beforeAll(async () => {
  market = await FixMarket.open();
});
afterEach(() => market.endPeers());
afterAll(async () => {
  await market.close();
});

/** Commands in the journal of an account's orders from an order id on, without what the sequencer stamps. */
function journalled(account: number, from = 0): Partial<Command>[] {
  const found: Partial<Command>[] = [];
  for (const block of JournalReader.open(market.market.directory, { unflushed: true }).blocks()) {
    for (let index = 0; index < block.count; index++) {
      const command = decodeCommand(block.words, BLOCK_HEADER_WORDS + index * COMMAND_WORDS);
      if (command.account !== account || command.op === 'sessionOpen') continue;
      if (command.id !== undefined && Number(command.id) < from) continue;
      const { session: _, request: __, time: ___, ...rest } = command;
      found.push(rest);
    }
  }
  return found;
}

function report(peer: FixPeer, clOrdId: string, execType: string): Promise<Received> {
  return peer.next(({ type, fields }) => type === '8' && fields.get(11) === clOrdId && fields.get(150) === execType);
}

function shown(message: Received): Record<string, string> {
  return Object.fromEntries(message.fields);
}

function change(clOrdId: string, original: string, fields: Fields = {}): Fields {
  return { 11: clOrdId, 41: original, 55: 'ACME', 54: '1', 60: utc(), ...fields };
}

function replace(clOrdId: string, original: string, fields: Fields): Fields {
  return change(clOrdId, original, { 38: '10', 40: '2', 59: '1', ...fields });
}

test('an order is entered, traded in part, replaced, canceled; and the journal holds the same', async () => {
  const buyer = await market.loggedOn();
  const seller = await market.loggedOn('FIRM8');
  buyer.send('D', newOrder('life', { 44: '20.05', 38: '10' }));
  const entered = await report(buyer, 'life', '0');
  expect(shown(entered)).toMatchObject({ 39: '0', 38: '10', 44: '20.05', 151: '10', 14: '0', 6: '0', 54: '1', 1: '7' });
  const id = Number(entered.fields.get(37));

  seller.send('D', newOrder('sell', { 1: '8', 54: '2', 38: '3', 44: '20' }));
  const maker = await report(buyer, 'life', 'F');
  expect(shown(maker)).toMatchObject({ 851: '1', 39: '1', 32: '3', 31: '20.05', 151: '7', 14: '3', 6: '20.05' });
  const taker = await report(seller, 'sell', 'F');
  expect(shown(taker)).toMatchObject({ 851: '2', 39: '2', 32: '3', 31: '20.05', 151: '0', 14: '3', 6: '20.05' });
  expect(taker.fields.get(17)?.split('.')[0]).toBe(maker.fields.get(17)?.split('.')[0]);

  buyer.send('G', replace('life-2', 'life', { 38: '8', 44: '20.05' }));
  expect(shown(await report(buyer, 'life-2', '5'))).toMatchObject({ 41: 'life', 39: '1', 38: '8', 151: '5', 14: '3' });
  buyer.send('G', replace('life-3', 'life-2', { 38: '8', 44: '19.95' }));
  expect(shown(await report(buyer, 'life-3', '5'))).toMatchObject({ 41: 'life-2', 44: '19.95', 151: '5', 38: '8' });
  buyer.send('G', replace('life-4', 'life-3', { 38: '6', 44: '20.00' }));
  const both = await report(buyer, 'life-4', '5');
  expect(shown(both)).toMatchObject({ 41: 'life-3', 44: '20.00', 151: '3', 38: '6', 37: String(id) });

  seller.send('D', newOrder('sell-2', { 1: '9', 54: '2', 38: '1', 44: '19.50' }));
  expect(shown(await report(buyer, 'life-4', 'F'))).toMatchObject({ 31: '20.00', 14: '4', 151: '2', 6: '20.0375' });

  buyer.send('F', change('life-5', 'life-4'));
  expect(shown(await report(buyer, 'life-5', '4'))).toMatchObject({
    41: 'life-4',
    39: '4',
    151: '0',
    14: '4',
    38: '6',
  });

  const common = { account: 7, symbol: 0, id };
  expect(journalled(7, id)).toEqual([
    { op: 'new', ...common, side: 'buy', type: 'limit', tif: 'gtc', postOnly: false, price: 401, quantity: 10 },
    { op: 'reduce', ...common, quantity: 2 },
    { op: 'replace', ...common, price: 399 },
    { op: 'reduce', ...common, quantity: 2 },
    { op: 'replace', ...common, price: 400 },
    { op: 'cancel', ...common },
  ]);
});

test('orders that can not rest end at once', async () => {
  const peer = await market.loggedOn();
  peer.send('D', newOrder('ioc', { 59: '3', 44: '1' }));
  await report(peer, 'ioc', '0');
  expect(shown(await report(peer, 'ioc', '4'))).toMatchObject({ 39: '4', 151: '0', 14: '0' });
  peer.send('D', newOrder('fok', { 59: '4', 44: '1' }));
  expect((await report(peer, 'fok', '4')).fields.get(58)).toContain('fill-or-kill');
  peer.send('D', newOrder('market', { 40: '1', 44: '', 59: '3', 54: '2', 38: '1' }));
  await report(peer, 'market', '0');
});

test('a post-only order that would trade is rejected', async () => {
  const seller = await market.loggedOn('FIRM8');
  seller.send('D', newOrder('ask', { 1: '8', 54: '2', 44: '30' }));
  await report(seller, 'ask', '0');
  const buyer = await market.loggedOn();
  buyer.send('D', newOrder('post', { 18: '6', 44: '30' }));
  const rejected = await report(buyer, 'post', '8');
  expect(shown(rejected)).toMatchObject({
    39: '8',
    103: '99',
    58: 'a post-only order would have traded',
    151: '0',
    18: '6',
  });
  seller.send('F', change('ask-off', 'ask', { 54: '2' }));
  await report(seller, 'ask-off', '4');
});

test.each<[string, Fields, string, string]>([
  ['an instrument that there is not', { 55: 'NONE' }, '1', 'Symbol (55): "NONE": no instrument has this name'],
  ['an account of somebody else', { 1: '8' }, '15', 'Account (1): "8" must be one of 7'],
  ['a price between ticks', { 44: '10.03' }, '11', 'Price (44): "10.03": it must be a whole multiple of 0.05'],
  ['a negative price', { 44: '-10' }, '11', 'Price (44): "-10": it must be a decimal number without sign or exponent'],
  ['an exponent', { 44: '1e1' }, '11', 'Price (44): "1e1": it must be a decimal number without sign'],
  ['half a lot', { 38: '0.5' }, '11', 'OrderQty (38): "0.5": it must be a whole multiple of 1'],
  ['a quantity beyond 48 bits', { 38: '281474976710656' }, '11', 'it must be at most 281474976710655'],
  ['no price', { 44: '' }, '11', 'Price (44): "": a limit order must have one'],
  ['a market order with a price', { 40: '1' }, '11', 'Price (44): "10.25": only a limit order has one'],
  ['no stop price', { 40: '4' }, '11', 'StopPx (99): "": a stop order must have one'],
  ['a stop price that is no stop', { 99: '11' }, '11', 'StopPx (99): "11": only a stop order has one'],
  ['no time at which it ends', { 59: '6' }, '11', 'ExpireTime (126): "": an order good till a time must have one'],
  ['a type that is not supported', { 40: 'P' }, '11', 'OrdType (40): "P": it is not supported; these are: 1, 2, 3, 4'],
  ['a side that is not supported', { 54: '5' }, '11', 'Side (54): "5": it is not supported; these are: 1, 2'],
  ['a time in force that is not supported', { 59: '5' }, '11', 'TimeInForce (59): "5": it is not supported'],
  ['an instruction that is not supported', { 18: '6 M' }, '11', 'ExecInst (18): "M": it is not supported'],
  ['a field that is not supported', { 211: '1' }, '11', 'tag 211: "1": this gateway does not support the field'],
  ['a quantity of nothing', { 38: '0' }, '13', 'a quantity must be 1 to 2^48 - 1 lots'],
  ['a price above the highest', { 44: '50000.05' }, '3', "the price is above the instrument's highest"],
])('an order with %s is rejected with a reason', async (_, fields, code, text) => {
  const peer = await market.loggedOn();
  peer.send('D', newOrder(`wrong ${text}`.slice(0, 60), fields));
  const rejected = await peer.next('8');
  expect(shown(rejected)).toMatchObject({ 150: '8', 39: '8', 103: code, 151: '0', 14: '0' });
  expect(rejected.fields.get(58)).toContain(text);
});

test('terms of an order go to the venue with it, and come back in its reports', async () => {
  const peer = await market.loggedOn();
  peer.send('D', newOrder('terms', { 55: 'OTHER', 40: '4', 44: '900', 99: '905', 1138: '3', 2964: '2' }));
  const entered = await report(peer, 'terms', '0');
  expect(shown(entered)).toMatchObject({ 40: '4', 99: '905', 1138: '3', 2964: '2', 44: '900', 151: '10' });
  const id = Number(entered.fields.get(37));
  const common = { account: 7, symbol: 1, id };
  expect(journalled(7, id)).toEqual([
    { op: 'terms', ...common, term: 'stopPrice', value: 905 },
    expect.objectContaining({
      op: 'new',
      ...common,
      type: 'stopLimit',
      price: 900,
      hasTerms: true,
      term: 'display',
      value: 3,
    }),
  ]);
  const other = await market.loggedOn('FIRM8');
  other.send('D', newOrder('pull-ask', { 1: '8', 55: 'OTHER', 54: '2', 44: '905', 38: '1' }));
  await report(other, 'pull-ask', '0');
  other.send('D', newOrder('pull', { 1: '9', 55: 'OTHER', 44: '905', 38: '1', 59: '3' }));
  await report(other, 'pull', 'F');
  // FIX 4.4 has no ExecType L.
  const live = shown(await report(peer, 'terms', 'D'));
  expect(live).toMatchObject({ 39: '0', 151: '10', 99: '905', 378: '99', 58: 'the stop became live' });
  other.send('D', newOrder('hit', { 1: '8', 55: 'OTHER', 54: '2', 44: '900', 38: '5', 59: '3' }));
  expect(shown(await report(peer, 'terms', 'F'))).toMatchObject({ 32: '3', 151: '7' });
  expect(shown(await report(peer, 'terms', 'F'))).toMatchObject({ 32: '2', 151: '5' });
  peer.send('F', change('terms-off', 'terms', { 55: 'OTHER' }));
  await report(peer, 'terms-off', '4');
});

test.each<[string, Fields, Partial<Command>]>([
  ['a hidden order', { 1138: '0' }, { hidden: true }],
  ['an iceberg, as FIX called it before', { 111: '2' }, { term: 'display', value: 2 }],
  ['all or none', { 18: 'G' }, { allOrNone: true }],
  ['a minimum quantity', { 110: '4', 59: '3' }, { term: 'minQty', value: 4, tif: 'ioc' }],
  ['a stop', { 40: '3', 44: '', 99: '950' }, { type: 'stop', price: 0, term: 'stopPrice', value: 950 }],
  [
    'good till a date',
    { 59: '6', 126: '20300102-03:04:05.678' },
    { tif: 'gtd', term: 'expires', value: 1893553445678000000n },
  ],
  ['for the day', { 59: '' }, { tif: 'day' }],
  ['at the open', { 59: '2' }, { tif: 'atTheOpen' }],
  ['at the close', { 59: '7' }, { tif: 'atTheClose' }],
])('%s is what the venue is asked for', async (what, fields, command) => {
  const peer = await market.loggedOn();
  peer.send('D', newOrder(what, { 55: 'OTHER', 44: '890', ...fields }));
  const told = await peer.next(({ type, fields: heard }) => type === '8' && heard.get(11) === what);
  const id = Number(told.fields.get(37));
  await peer.settled();
  expect(journalled(7, id)).toEqual([expect.objectContaining({ op: 'new', id, ...command })]);
  if (told.fields.get(39) === '0') peer.send('F', change(`${what} off`, what, { 55: 'OTHER' }));
  await peer.settled();
});

test('an order that is good till a time is told when it has expired', async () => {
  const peer = await market.loggedOn();
  peer.send('D', newOrder('till', { 55: 'OTHER', 44: '870', 59: '6', 126: utc(Date.now() + 1_500) }));
  expect(shown(await report(peer, 'till', '0'))).toMatchObject({ 59: '6', 39: '0' });
  expect(shown(await report(peer, 'till', 'C'))).toMatchObject({ 39: 'C', 151: '0', 14: '0', 11: 'till' });
});

test('an order of which a term is refused is rejected once, for that', async () => {
  const peer = await market.loggedOn();
  peer.send('D', newOrder('refused', { 55: 'OTHER', 40: '4', 44: '900', 99: '0', 1138: '3' }));
  const rejected = await report(peer, 'refused', '8');
  expect(rejected.fields.get(39)).toBe('8');
  await peer.settled();
  expect(peer.heard.filter(({ type }) => type === '8')).toHaveLength(1);
});

test('an order that meets one of its own is told what that took off', async () => {
  const peer = await market.loggedOn('FIRM10');
  peer.send('D', newOrder('own', { 55: 'OTHER', 44: '880', 38: '4' }));
  await report(peer, 'own', '0');
  peer.send('D', newOrder('self', { 55: 'OTHER', 54: '2', 44: '880', 38: '6', 2964: '2' }));
  expect(shown(await report(peer, 'own', '4'))).toMatchObject({ 39: '4', 151: '0' });
  expect(shown(await report(peer, 'self', '0'))).toMatchObject({ 151: '6' });
  peer.send('F', change('self-off', 'self', { 55: 'OTHER', 54: '2' }));
  await report(peer, 'self-off', '4');
});

test('a ClOrdID is used once; a PossResend of it is answered with what is known', async () => {
  const peer = await market.loggedOn();
  peer.send('D', newOrder('once', { 44: '2' }));
  const { fields } = await report(peer, 'once', '0');
  peer.send('D', newOrder('once', { 44: '2' }));
  expect(shown(await report(peer, 'once', '8'))).toMatchObject({ 103: '6' });
  peer.send('D', newOrder('once', { 44: '2' }), { 97: 'Y' });
  expect(shown(await report(peer, 'once', 'I'))).toMatchObject({ 39: '0', 37: fields.get(37), 17: '0' });
  peer.send('D', newOrder('never', { 44: '2' }), { 97: 'Y' });
  await report(peer, 'never', '0');
  peer.send('F', change('once', 'never'), {});
  expect(shown(await peer.next('9'))).toMatchObject({ 11: 'once', 41: 'never', 102: '6', 434: '1' });
  expect(journalled(7, Number(fields.get(37))).map(({ op }) => op)).toEqual(['new', 'new']);
});

test('cancels and replaces of what is not there, or not live, are rejected', async () => {
  const peer = await market.loggedOn();
  peer.send('F', change('c1', 'nothing'));
  expect(shown(await peer.next('9'))).toMatchObject({
    37: 'NONE',
    11: 'c1',
    41: 'nothing',
    39: '8',
    102: '1',
    434: '1',
  });
  peer.send('G', replace('c2', 'nothing', { 44: '2' }));
  expect(shown(await peer.next('9'))).toMatchObject({ 37: 'NONE', 11: 'c2', 102: '1', 434: '2' });
  peer.send('D', newOrder('short', { 59: '3', 44: '1' }));
  await report(peer, 'short', '4');
  peer.send('F', change('c3', 'short'));
  expect(shown(await peer.next('9'))).toMatchObject({ 102: '0', 39: '4', 434: '1' });
});

test('a cancel that comes too late is refused by the venue, and says so', async () => {
  const peer = await market.loggedOn();
  // In one piece, so that the gateway can not know what became of the order.
  peer.bytes(
    peer.message('D', newOrder('late', { 59: '3', 44: '1' })) +
      peer.message('F', change('late-c', 'late')) +
      peer.message('G', replace('late-g', 'late', { 38: '5', 44: '2', 59: '3' })),
  );
  expect(shown(await peer.next('9'))).toMatchObject({ 11: 'late-c', 41: 'late', 102: '0', 39: '4', 434: '1' });
  expect(shown(await peer.next('9'))).toMatchObject({ 11: 'late-g', 102: '0', 434: '2' });
  await peer.settled();
  expect(peer.heard.filter(({ type }) => type === '9')).toHaveLength(2);
});

test.each<[string, Fields, string]>([
  ['the same again', { 38: '10', 44: '3' }, 'neither price nor quantity is another one'],
  ['another side', { 54: '2', 44: '4' }, 'Side (54): "2": it is not that of the order'],
  ['another instrument', { 55: 'OTHER', 44: '4' }, 'Symbol (55): "OTHER": the order is of ACME'],
  ['another type', { 40: '1', 44: '' }, 'OrdType (40): "1": it can not be changed'],
  ['another time in force', { 59: '3', 44: '4' }, 'TimeInForce (59): "3": it can not be changed'],
  ['a part that is shown', { 1138: '2', 44: '4' }, 'DisplayQty (1138): "2": it can not be changed'],
  ['a part that is shown, by its older name', { 111: '2', 44: '4' }, 'MaxFloor (111): "2": it can not be changed'],
  ['a smallest trade', { 110: '2', 44: '4' }, 'MinQty (110): "2": it can not be changed'],
  ['a time of expiry', { 126: '20990101-00:00:00', 44: '4' }, 'ExpireTime (126): "20990101-00:00:00": it can not be'],
  ['an instruction', { 18: '6', 44: '4' }, 'ExecInst (18): "6": it can not be changed'],
  ['self-trade prevention', { 2964: '1', 44: '4' }, 'SelfMatchPreventionInstruction (2964): "1": it can not be'],
  ['a stop price', { 99: '2', 44: '4' }, 'StopPx (99): "2": the order has none'],
  ['a price between ticks', { 44: '4.01' }, 'Price (44): "4.01": it must be a whole multiple of 0.05'],
])('a replace with %s is rejected', async (what, fields, text) => {
  const peer = await market.loggedOn();
  peer.send('D', newOrder(`r ${what}`, { 44: '3' }));
  await report(peer, `r ${what}`, '0');
  peer.send('G', replace(`r2 ${what}`, `r ${what}`, fields));
  const rejected = await peer.next('9');
  expect(shown(rejected)).toMatchObject({ 102: '99', 434: '2', 39: '0' });
  expect(rejected.fields.get(58)).toContain(text);
});

test('a replace of which the second half is refused says what the order is now', async () => {
  const peer = await market.loggedOn();
  peer.send('D', newOrder('half', { 44: '3' }));
  await report(peer, 'half', '0');
  peer.send('G', replace('half-2', 'half', { 38: '6', 44: '50000.05' }));
  expect(shown(await report(peer, 'half', 'D'))).toMatchObject({ 38: '6', 151: '6', 44: '3.00', 378: '99' });
  expect(shown(await peer.next('9'))).toMatchObject({ 11: 'half-2', 41: 'half', 102: '99' });
  peer.send('G', replace('half-3', 'half', { 38: '5', 44: '3' }));
  expect(shown(await report(peer, 'half-3', '5'))).toMatchObject({ 38: '5', 151: '5' });
});

test('replaces that follow each other before any is answered add up', async () => {
  const peer = await market.loggedOn();
  peer.bytes(
    peer.message('D', newOrder('many', { 44: '3' })) +
      peer.message('G', replace('many-2', 'many', { 38: '8', 44: '3' })) +
      peer.message('G', replace('many-3', 'many-2', { 38: '7', 44: '3.05' })) +
      peer.message('G', replace('many-4', 'many-3', { 38: '4', 44: '3.05' })),
  );
  await report(peer, 'many-2', '5');
  await report(peer, 'many-3', '5');
  expect(shown(await report(peer, 'many-4', '5'))).toMatchObject({ 41: 'many-3', 38: '4', 151: '4', 44: '3.05' });
});

test('OrderQty is raised: a total, of which what was traded stays traded', async () => {
  const peer = await market.loggedOn();
  const seller = await market.loggedOn('FIRM8');
  peer.send('D', newOrder('up', { 44: '21' }));
  const id = Number((await report(peer, 'up', '0')).fields.get(37));
  seller.send('D', newOrder('up-sell', { 1: '8', 54: '2', 38: '4', 44: '21' }));
  await report(peer, 'up', 'F');
  peer.send('G', replace('up-2', 'up', { 38: '25', 44: '21' }));
  expect(shown(await report(peer, 'up-2', '5'))).toMatchObject({ 41: 'up', 39: '1', 38: '25', 14: '4', 151: '21' });
  // One after the other, before the first is answered: up, at another price, down, and up again.
  peer.bytes(
    peer.message('G', replace('up-3', 'up-2', { 38: '30', 44: '21.05' })) +
      peer.message('G', replace('up-4', 'up-3', { 38: '30', 44: '21.10' })) +
      peer.message('G', replace('up-5', 'up-4', { 38: '9', 44: '21.10' })) +
      peer.message('G', replace('up-6', 'up-5', { 38: '12', 44: '21.10' })),
  );
  expect(shown(await report(peer, 'up-3', '5'))).toMatchObject({ 38: '30', 151: '26', 44: '21.05' });
  expect(shown(await report(peer, 'up-4', '5'))).toMatchObject({ 38: '30', 151: '26', 44: '21.10' });
  expect(shown(await report(peer, 'up-5', '5'))).toMatchObject({ 38: '9', 151: '5' });
  expect(shown(await report(peer, 'up-6', '5'))).toMatchObject({ 38: '12', 151: '8', 14: '4', 39: '1' });
  peer.send('G', replace('up-7', 'up-6', { 38: '11', 44: '21.10' }));
  expect(shown(await report(peer, 'up-7', '5'))).toMatchObject({ 38: '11', 151: '7' });
  // Refused as a whole: the price is above the instrument's highest.
  peer.send('G', replace('up-8', 'up-7', { 38: '20', 44: '50000.05' }));
  expect(shown(await peer.next('9'))).toMatchObject({ 11: 'up-8', 41: 'up-7', 102: '99' });
  peer.send('G', replace('up-9', 'up-7', { 38: '10', 44: '21.10' }));
  expect(shown(await report(peer, 'up-9', '5'))).toMatchObject({ 38: '10', 151: '6' });
  peer.send('F', change('up-off', 'up-9'));
  expect(shown(await report(peer, 'up-off', '4'))).toMatchObject({ 38: '10', 14: '4', 151: '0' });
  const common = { account: 7, symbol: 0, id };
  expect(journalled(7, id).slice(1)).toEqual([
    { op: 'replace', ...common, quantity: 21, term: 'open', value: 6 },
    { op: 'replace', ...common, price: 421, quantity: 26, term: 'open', value: 21 },
    { op: 'replace', ...common, price: 422 },
    { op: 'reduce', ...common, quantity: 21 },
    { op: 'replace', ...common, price: 422 },
    { op: 'replace', ...common, price: 422, quantity: 8, term: 'open', value: 5 },
    { op: 'reduce', ...common, quantity: 1 },
    { op: 'replace', ...common, price: 1_000_001, quantity: 16, term: 'open', value: 7 },
    { op: 'reduce', ...common, quantity: 1 },
    { op: 'cancel', ...common },
  ]);
});

test('an order that trades between the sending of a larger OrderQty and its handling never trades beyond it', async () => {
  const peer = await market.loggedOn();
  const others = await market.market.venue.openSession(12, 1);
  const sell = (id: number, quantity: number): Promise<unknown> =>
    others.send([
      { op: 'new', account: 12, symbol: 0, id, side: 'sell', type: 'limit', tif: 'ioc', price: 460, quantity },
    ]);
  let [raced, round] = [0, 0];
  for (; raced < 3 && round < 100; round++) {
    const [name, up, top] = [`race-${round}`, `race-up-${round}`, `race-top-${round}`];
    peer.send('D', newOrder(name, { 44: '23' }));
    const id = Number((await report(peer, name, '0')).fields.get(37));
    const sold = sell(2 * round + 1, 4);
    const changes = { 44: round % 2 === 0 ? '23' : '23.05' };
    peer.bytes(
      peer.message('G', replace(up, name, { ...changes, 38: '15' })) +
        peer.message('G', replace(top, up, { ...changes, 38: '18' })),
    );
    const { 14: cum, ...raised } = shown(await report(peer, up, '5'));
    expect(raised).toMatchObject({ 38: '15', 151: String(15 - Number(cum)) });
    expect(shown(await report(peer, top, '5'))).toMatchObject({ 38: '18' });
    await sold;
    await sell(2 * round + 2, 100);
    const isFilled = ({ fields }: Received): boolean => Number(fields.get(37)) === id && fields.get(39) === '2';
    expect(shown(await peer.next(isFilled))).toMatchObject({ 14: '18', 38: '18', 151: '0' });
    // It traded, and the gateway took it to have traded nothing.
    if (cum === '4' && journalled(7, id).some(({ value }) => value === 10)) raced++;
  }
  expect(raced).toBe(3);
});

test('whatever trades while OrderQty is raised, the order ends as what was asked for', async () => {
  const peer = await market.loggedOn();
  const other = await market.market.venue.openSession(6, 99);
  for (let round = 1; round <= 20; round++) {
    peer.send('D', newOrder(`race ${round}`, { 44: '22' }));
    await report(peer, `race ${round}`, '0');
    const sold = other.send([
      { op: 'new', account: 6, symbol: 0, id: round, side: 'sell', type: 'limit', tif: 'ioc', price: 440, quantity: 3 },
    ]);
    if (round % 2 === 0) await sold;
    peer.send('G', replace(`race ${round} up`, `race ${round}`, { 38: '15', 44: '22' }));
    const [, replaced] = await Promise.all([sold, report(peer, `race ${round} up`, '5')]);
    const isRight = ({ type, fields }: Received): boolean =>
      type === '8' && fields.get(11) === `race ${round} up` && fields.get(14) === '3' && fields.get(151) === '12';
    // At once, if the gateway knew of the trade when the replace came; else when what is too much was taken off.
    expect(shown(isRight(replaced) ? replaced : await peer.next(isRight))).toMatchObject({ 38: '15' });
    peer.send('F', change(`race ${round} off`, `race ${round} up`));
    expect(shown(await report(peer, `race ${round} off`, '4'))).toMatchObject({ 38: '15', 14: '3' });
  }
});

test('the price of a stop that waits is replaced, with and without its quantity', async () => {
  const peer = await market.loggedOn('FIRM10');
  const stop = { 40: '4', 55: 'OTHER', 44: '2000', 99: '1990' };
  peer.send('D', newOrder('stop', stop));
  await report(peer, 'stop', '0');
  const next = (clOrdId: string, original: string, fields: Fields): void =>
    peer.send('G', replace(clOrdId, original, { ...stop, ...fields }));
  next('stop-2', 'stop', { 99: '1995' });
  expect(shown(await report(peer, 'stop-2', '5'))).toMatchObject({ 99: '1995', 44: '2000', 38: '10', 151: '10' });
  next('stop-3', 'stop-2', { 99: '1985', 38: '12', 44: '2001' });
  expect(shown(await report(peer, 'stop-3', '5'))).toMatchObject({ 99: '1985', 44: '2001', 38: '12', 151: '12' });
  next('stop-4', 'stop-3', { 99: '1980.0', 38: '7', 44: '2001' });
  expect(shown(await report(peer, 'stop-4', '5'))).toMatchObject({ 99: '1980.0', 38: '7', 151: '7' });
  next('stop-5', 'stop-4', { 99: '1980', 38: '7', 44: '2001' });
  expect((await peer.next('9')).fields.get(58)).toContain('is another one');
  peer.send('F', change('stop-off', 'stop-4', { 55: 'OTHER' }));
  await report(peer, 'stop-off', '4');
});

test('a status is told of orders that are live, done, or unknown', async () => {
  const peer = await market.loggedOn();
  peer.send('D', newOrder('state', { 44: '3' }));
  await report(peer, 'state', '0');
  const ask = (id: string): void => peer.send('H', { 11: id, 55: 'ACME', 54: '1' });
  ask('state');
  expect(shown(await peer.next(({ fields }) => fields.get(150) === 'I'))).toMatchObject({
    11: 'state',
    39: '0',
    151: '10',
  });
  peer.send('F', change('state-off', 'state'));
  await report(peer, 'state-off', '4');
  ask('state');
  expect(shown(await peer.next(({ fields }) => fields.get(150) === 'I'))).toMatchObject({ 39: '4', 151: '0' });
  ask('nothing');
  expect(shown(await peer.next(({ fields }) => fields.get(150) === 'I'))).toMatchObject({ 39: '8', 103: '5' });
});

test('a mass cancel takes off all orders of an account, or those of an instrument and side', async () => {
  const peer = await market.loggedOn('FIRM10');
  const enter = async (id: string, fields: Fields): Promise<void> => {
    peer.send('D', newOrder(id, { 44: '3', ...fields }));
    await report(peer, id, '0');
  };
  await enter('m1', {});
  await enter('m2', { 54: '2', 44: '4000' });
  await enter('m3', { 55: 'OTHER', 44: '5' });
  const cancelAll = (id: string, fields: Fields): void => peer.send('q', { 11: id, 60: utc(), ...fields });
  cancelAll('q1', { 530: '1', 55: 'ACME', 54: '2' });
  expect(shown(await report(peer, 'm2', '4'))).toMatchObject({ 58: 'canceled by a mass cancel' });
  expect(shown(await peer.next('r'))).toMatchObject({ 11: 'q1', 530: '1', 531: '1', 533: '1', 55: 'ACME', 54: '2' });
  cancelAll('q2', { 530: '7' });
  await report(peer, 'm1', '4');
  await report(peer, 'm3', '4');
  expect(shown(await peer.next('r'))).toMatchObject({ 11: 'q2', 531: '7', 533: '2' });
  cancelAll('q3', { 530: '3' });
  expect(shown(await peer.next('r'))).toMatchObject({ 531: '0', 532: '0', 533: '0' });
  cancelAll('q4', { 530: '1', 55: 'NONE' });
  const unknown = await peer.next('r');
  expect(shown(unknown)).toMatchObject({ 531: '0', 532: '1', 533: '0' });
  expect(unknown.fields.get(58)).toContain('no instrument has this name');
  cancelAll('q5', { 530: '7', 55: 'ACME' });
  expect(shown(await peer.next('r'))).toMatchObject({ 531: '0', 532: '99' });
  cancelAll('q6', { 530: '7', 1: '8' });
  expect((await peer.next('r')).fields.get(58)).toBe('Account (1): "8" must be one of 10');
});

test('a PossResend of a mass cancel is answered as it was, and cancels nothing more', async () => {
  const peer = await market.loggedOn('FIRM8');
  const enter = async (id: string, account: string): Promise<void> => {
    peer.send('D', newOrder(id, { 1: account, 44: '3' }));
    await report(peer, id, '0');
  };
  /** The answer, but for what each message has of its own. */
  const cancelAll = async (id: string, fields: Fields, header: Fields = {}): Promise<Fields> => {
    peer.send('q', { 11: id, 60: utc(), 530: '7', ...fields }, header);
    const { 9: _, 10: __, 34: ___, 52: ____, ...answer } = shown(await peer.next('r'));
    return answer;
  };
  await enter('pr1', '8');
  await enter('pr2', '9');
  const all = await cancelAll('pr-all', {});
  expect(all).toMatchObject({ 531: '7', 533: '2' });
  const one = await cancelAll('pr-one', { 1: '9' });
  expect(one).toMatchObject({ 531: '7', 533: '0' });
  await enter('pr3', '9');
  expect(await cancelAll('pr-all', {}, { 97: 'Y' })).toEqual(all);
  expect(await cancelAll('pr-one', { 1: '9' }, { 97: 'Y' })).toEqual(one);
  expect(await cancelAll('pr-one', { 1: '9' })).toMatchObject({
    531: '0',
    58: 'ClOrdID (11): "pr-one" was used before',
  });
  // That of an order is no mass cancel's, and that of a mass cancel no order's.
  peer.send('D', newOrder('pr-all', { 1: '8', 44: '3' }), { 97: 'Y' });
  expect(shown(await report(peer, 'pr-all', '8'))).toMatchObject({
    103: '6',
    58: 'ClOrdID (11): "pr-all" was used before',
  });
  peer.send('F', change('pr-one', 'pr3', { 1: '9' }), { 97: 'Y' });
  expect(shown(await peer.next('9'))).toMatchObject({ 11: 'pr-one', 41: 'pr3', 39: '0', 102: '6' });
  expect(await cancelAll('pr1', {}, { 97: 'Y' })).toMatchObject({ 531: '0' });
  expect(await cancelAll('pr-new', {}, { 97: 'Y' })).toMatchObject({ 531: '7', 533: '1' });
});

test('a mass cancel that names no account is of all of the session, and is answered once', async () => {
  const peer = await market.loggedOn('FIRM8');
  for (const [id, account] of [
    ['a1', '8'],
    ['a2', '9'],
    ['a3', '9'],
  ] as const) {
    peer.send('D', newOrder(id, { 1: account, 44: '3' }));
    await report(peer, id, '0');
  }
  peer.send('q', { 11: 'all', 60: utc(), 530: '7' });
  for (const id of ['a1', 'a2', 'a3']) await report(peer, id, '4');
  expect(shown(await peer.next('r'))).toMatchObject({ 11: 'all', 530: '7', 531: '7', 533: '3' });
  peer.send('D', newOrder('b1', { 1: '8', 44: '3' }));
  peer.send('D', newOrder('b2', { 1: '9', 44: '3' }));
  await report(peer, 'b2', '0');
  peer.send('q', { 11: 'only 9', 60: utc(), 530: '7', 1: '9' });
  await report(peer, 'b2', '4');
  expect(shown(await peer.next('r'))).toMatchObject({ 11: 'only 9', 531: '7', 533: '1' });
  await peer.settled();
  expect(peer.heard.filter(({ type }) => type === 'r')).toHaveLength(2);
  peer.send('q', { 11: 'rest', 60: utc(), 530: '7' });
  expect(shown(await peer.next('r'))).toMatchObject({ 11: 'rest', 533: '1' });
});

test('a client of several accounts says which', async () => {
  const peer = await market.loggedOn('FIRM8');
  peer.send('D', newOrder('which', { 44: '3' }));
  expect((await report(peer, 'which', '8')).fields.get(58)).toContain('Account (1): "" must be one of 8, 9');
  peer.send('D', newOrder('nine', { 1: '9', 44: '3' }));
  expect((await report(peer, 'nine', '0')).fields.get(1)).toBe('9');
});

test('an order that another client of the account changes is told to have changed', async () => {
  const peer = await market.loggedOn('FIRM10');
  peer.send('D', newOrder('shared', { 44: '3' }));
  const id = Number((await report(peer, 'shared', '0')).fields.get(37));
  const session = await market.market.venue.openSession(10, 77);
  await session.send([{ op: 'reduce', account: 10, symbol: 0, id, quantity: 4 }]);
  expect(shown(await report(peer, 'shared', 'D'))).toMatchObject({ 38: '6', 151: '6' });
  await session.send([{ op: 'replace', account: 10, symbol: 0, id, price: 80, quantity: 9 }]);
  expect(shown(await report(peer, 'shared', 'D'))).toMatchObject({ 38: '9', 151: '9', 44: '4.00' });
  await session.send([{ op: 'cancel', account: 10, symbol: 0, id }]);
  expect(shown(await report(peer, 'shared', '4'))).toMatchObject({ 39: '4', 151: '0' });
});

test('prices and quantities of any size come back as they were written', async () => {
  const peer = await market.loggedOn('FIRM10');
  peer.send('D', newOrder('large', { 55: 'OTHER', 44: '281474976710653', 38: '281474976710655', 54: '2' }));
  expect(shown(await report(peer, 'large', '0'))).toMatchObject({ 44: '281474976710653', 38: '281474976710655' });
  peer.send('F', change('large-off', 'large', { 55: 'OTHER', 54: '2' }));
  await report(peer, 'large-off', '4');
});
