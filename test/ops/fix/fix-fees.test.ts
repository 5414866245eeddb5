import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { Command, SettingName } from '../../../journal/commands.ts';
import { FixMarket } from './fix-market.ts';
import { bodyOf, type FixPeer, joined, newOrder, type Received } from './fix-peer.ts';

/** Fees of trades, in their reports. Each test trades at prices of its own. */

const PAID = 2;
const OTHER = 1;
let market: FixMarket;

beforeAll(async () => {
  market = await FixMarket.open();
  const set = (symbol: number, setting: SettingName, value: number): Command => ({
    ...{ op: 'instrumentSet', account: 0, symbol, setting, value },
  });
  await send([
    { op: 'instrumentCreate', account: 0, symbol: PAID, name: 'PAID' },
    // A tick of 0.05 times a lot is 50 units of 0.001. Takers pay 0.3 percent, and makers get 0.2.
    ...[set(PAID, 'baseAsset', 1), set(PAID, 'quoteAsset', 2), set(PAID, 'tickValue', 50)],
    ...[set(PAID, 'takerFee', 3_000), set(PAID, 'makerRebate', 2_000)],
    ...[set(OTHER, 'baseAsset', 1), set(OTHER, 'quoteAsset', 2), set(OTHER, 'takerFee', 1_000)],
    ...[7, 8, 9].flatMap((account): Command[] => [
      { op: 'deposit', account, symbol: 1, value: 1_000 },
      { op: 'deposit', account, symbol: 2, value: 1_000_000_000 },
    ]),
  ]);
});
afterEach(() => market.endPeers());
afterAll(async () => {
  await market.close();
});

/** Has the venue carry out commands of its administrator. */
async function send(commands: readonly Command[]): Promise<void> {
  const session = await market.market.venue.openSession(0, 2);
  const answers = await session.send(commands);
  expect(answers.map(({ reason }) => reason)).toEqual(commands.map(() => 0));
}

function trade(peer: FixPeer, clOrdId: string): Promise<Received> {
  return peer.next(({ fields }) => fields.get(11) === clOrdId && fields.get(150) === 'F');
}

/** The group of fees as it stands in the message, and what is behind it. */
function feesOf({ raw }: Received): string[] {
  const fields = bodyOf(raw);
  const first = fields.findIndex((field) => field.startsWith('136='));
  return first < 0 ? [] : fields.slice(first, first + 4);
}

/** A message without what differs when it is told again. */
function withoutMarks({ raw }: Received): string {
  return joined(bodyOf(raw).filter((field) => !/^(34|43|52|97|122)=/.test(field)));
}

test('FIX 136 to 139: a trade tells what it cost the peer, and a rebate below zero, in FIX 4.4 and 5.0 SP2', async () => {
  const maker = await market.loggedOn('FIRM7', { beginString: 'FIXT.1.1' });
  const taker = await market.loggedOn('FIRM8');
  maker.send('D', newOrder('rests', { 55: 'PAID', 54: '2', 38: '3', 44: '20.15' }));
  await maker.next('8');
  taker.send('D', newOrder('comes', { 1: '8', 55: 'PAID', 38: '3', 44: '20.20' }));
  // 3 · 20.15 = 60.45; 0.2 % are 0.1209 and 0.3 % are 0.18135.
  expect(feesOf(await trade(maker, 'rests'))).toEqual(['136=1', '137=-0.120', '138=USDT', '139=4']);
  expect(feesOf(await trade(taker, 'comes'))).toEqual(['136=1', '137=0.181', '138=USDT', '139=4']);
  const entered = taker.heard.find(({ fields }) => fields.get(150) === '0') as Received;
  expect(feesOf(entered)).toEqual([]);
});

test('one order that trades with several has the fee of each trade in its report', async () => {
  const maker = await market.loggedOn('FIRM7');
  const taker = await market.loggedOn('FIRM8');
  for (const [id, price] of [
    ['low', '30'],
    ['high', '31'],
  ] as const)
    maker.send('D', newOrder(id, { 55: 'PAID', 54: '2', 38: '2', 44: price }));
  await maker.next(({ fields }) => fields.get(11) === 'high');
  taker.send('D', newOrder('sweeps', { 1: '9', 55: 'PAID', 38: '4', 44: '31' }));
  const told = [await trade(taker, 'sweeps'), await trade(taker, 'sweeps')];
  expect(told.map((one) => [one.fields.get(31), ...feesOf(one).slice(1, 2)])).toEqual([
    ['30.00', '137=0.180'],
    ['31.00', '137=0.186'],
  ]);
  expect(feesOf(await trade(maker, 'low'))[1]).toBe('137=-0.120');
  expect(feesOf(await trade(maker, 'high'))[1]).toBe('137=-0.124');
});

test('in an auction nothing is paid, which is told; of what is not settled, or has no unit, nothing is', async () => {
  const seller = await market.loggedOn('FIRM7');
  const buyer = await market.loggedOn('FIRM8');
  const meet = async (symbol: string, price: string): Promise<void> => {
    seller.send('D', newOrder(`sell ${symbol}`, { 55: symbol, 54: '2', 38: '1', 44: price }));
    await seller.next(({ fields }) => fields.get(11) === `sell ${symbol}`);
    buyer.send('D', newOrder(`buy ${symbol}`, { 1: '8', 55: symbol, 38: '1', 44: price }));
    await buyer.next(({ fields }) => fields.get(11) === `buy ${symbol}`);
  };
  await meet('ACME', '40');
  await meet('OTHER', '40');
  await send([{ op: 'openAuction', account: 0, symbol: PAID }]);
  await meet('PAID', '40');
  await send([{ op: 'uncross', account: 0, symbol: PAID }]);
  for (const symbol of ['ACME', 'OTHER', 'PAID']) {
    const expected = symbol === 'PAID' ? ['136=1', '137=0.000', '138=USDT', '139=4'] : [];
    expect(feesOf(await trade(seller, `sell ${symbol}`))).toEqual(expected);
    expect(feesOf(await trade(buyer, `buy ${symbol}`))).toEqual(expected);
  }
});

test('told again it is the same to the byte, and what trades while the gateway is away is told once, with its fee', async () => {
  const maker = await market.loggedOn('FIRM8');
  maker.send('D', newOrder('stays', { 1: '8', 55: 'PAID', 38: '10', 44: '50' }));
  await maker.next('8');
  const sell = (id: number, quantity: number): Command => ({
    ...{ op: 'new', account: 9, symbol: PAID, id, side: 'sell', price: 1_000, quantity },
  });
  await send([sell(900_001, 4)]);
  const first = await trade(maker, 'stays');
  expect(feesOf(first)).toEqual(['136=1', '137=-0.400', '138=USDT', '139=4']);
  maker.send('2', { 7: String(first.seq), 16: String(first.seq) });
  const again = await trade(maker, 'stays');
  expect([again.fields.get(43), withoutMarks(again)]).toEqual(['Y', withoutMarks(first)]);
  maker.end();
  await maker.closed;

  await market.closeGateway();
  await send([sell(900_002, 5)]);
  await market.openGateway();
  const back = await market.peer({ compId: 'FIRM8' });
  back.nextOut = maker.nextOut;
  const answer = await back.logon();
  back.send('2', { 7: String(first.seq), 16: '0' });
  await back.next(({ type, fields }) => type === '4' && Number(fields.get(36)) > answer.seq);
  const trades = back.heard.filter(({ fields }) => fields.get(150) === 'F');
  expect(trades.map((one) => [one.fields.get(32), feesOf(one)[1]])).toEqual([
    ['4', '137=-0.400'],
    ['5', '137=-0.500'],
  ]);
  expect(withoutMarks(trades[0] as Received)).toBe(withoutMarks(first));
});
