import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { FixMarket } from './fix-market.ts';
import { bodyOf, type FixPeer, frame, joined, newOrder, type Received, utc } from './fix-peer.ts';

/**
 * What the public standard has peers expect, by its own names: FIX Session Layer test cases (FIX Trading Community, scenario 2S),
 * volume 4 of FIX 4.4 and FIX 5.0 SP2, and the data types of both.
 */

let market: FixMarket;

beforeAll(async () => {
  market = await FixMarket.open();
});
afterEach(() => market.endPeers());
afterAll(async () => {
  await market.close();
});

/** Sends a new order with more fields behind those it has. */
function sendWith(peer: FixPeer, clOrdId: string, more: readonly string[]): void {
  peer.bytes(frame('FIX.4.4', joined([...bodyOf(peer.message('D', newOrder(clOrdId, { 44: '1' }))), ...more])));
}

function isReport(clOrdId: string): (message: Received) => boolean {
  return ({ type, fields }) => type === '8' && fields.get(11) === clOrdId;
}

test.each<[string, string, Parameters<FixPeer['send']>[2], string]>([
  ['2c, a CompID of another session', 'comp', { 49: 'FIRM8' }, '9'],
  ['2d, a SendingTime that is off', 'time', { 52: utc(Date.now() - 240_000) }, '10'],
])(
  'session test case %s: the number counts, so what was rejected is not carried out later',
  async (_, id, header, reason) => {
    const peer = await market.loggedOn();
    peer.send('D', newOrder(id, { 44: '1' }), header);
    const reject = await peer.next('3');
    expect([reject.fields.get(45), reject.fields.get(373)]).toEqual(['2', reason]);
    await peer.next('5');
    peer.send('5');
    await peer.closed;
    await market.isFree('FIRM7');
    const again = await market.peer();
    again.nextOut = peer.nextOut;
    expect((await again.logon()).type).toBe('A');
    await again.settled();
    expect(again.heard.filter(({ type }) => type === '2')).toEqual([]);
  },
);

test('session test cases 2f and 2g: what is sent again says when it was sent first, also if it is new here', async () => {
  const peer = await market.loggedOn();
  peer.send('D', newOrder('2g', { 44: '1' }), { 43: 'Y' });
  const missing = await peer.next('3');
  expect([missing.fields.get(371), missing.fields.get(373)]).toEqual(['122', '1']);
  peer.send('D', newOrder('fits', { 44: '1' }), { 43: 'Y', 122: utc(Date.now() - 5_000) });
  await peer.next(isReport('fits'));
  peer.send('D', newOrder('2f', { 44: '1' }), { 43: 'Y', 122: utc(Date.now() + 10_000) });
  expect((await peer.next('3')).fields.get(373)).toBe('10');
  await peer.next('5');
  expect(peer.heard.filter(({ fields }) => ['2f', '2g'].includes(fields.get(11) ?? ''))).toEqual([]);
});

test('a Logout that comes again, and says so, ends nothing', async () => {
  const peer = await market.loggedOn();
  await peer.settled();
  peer.send('5', {}, { 34: '1', 43: 'Y', 122: utc() });
  await peer.settled();
  expect(peer.heard.filter(({ type }) => type === '5')).toEqual([]);
});

test('repeating groups: an order has as many parties as it likes, as many as NoPartyIDs says', async () => {
  const peer = await market.loggedOn();
  const party = (id: string, ...more: string[]): string[] => [`448=${id}`, '447=D', '452=1', ...more];
  sendWith(peer, 'parties', ['453=2', ...party('A', '802=2', '523=x', '803=1', '523=y', '803=2'), ...party('B')]);
  expect((await peer.next(isReport('parties'))).fields.get(150)).toBe('0');
  sendWith(peer, 'more', ['453=2', ...party('A')]);
  const count = await peer.next('3');
  expect([count.fields.get(373), count.fields.get(371)]).toEqual(['16', '453']);
  expect(count.fields.get(58)).toBe('tag 453: 2 must be the number of entries, each beginning with tag 448: 1');
  sendWith(peer, 'none', ['453=two', ...party('A')]);
  expect((await peer.next('3')).fields.get(373)).toBe('6');
  // Without the count of a group, or outside of it, a field that is there twice is there twice.
  sendWith(peer, 'twice', [...party('A'), ...party('B')]);
  expect((await peer.next('3')).fields.get(373)).toBe('13');
});

test('OrderStatusRequest: OrdStatusReqID is echoed, and OrderID will do', async () => {
  const peer = await market.loggedOn();
  peer.send('D', newOrder('asked', { 44: '1' }));
  const entered = await peer.next(isReport('asked'));
  const about = { 55: 'ACME', 54: '1' };
  peer.send('H', { 11: 'asked', 790: 'one', ...about });
  peer.send('H', { 37: entered.fields.get(37) ?? '', 790: 'two', ...about });
  peer.send('H', { 11: 'nobody', 790: 'three', ...about });
  peer.send('H', { 37: '5', 790: 'four', ...about });
  const told: (string | undefined)[][] = [];
  for (const id of ['one', 'two', 'three', 'four']) {
    const { fields } = await peer.next(({ fields: of }) => of.get(790) === id);
    told.push([150, 11, 39, 103].map((tag) => fields.get(tag)));
  }
  expect(told).toEqual([
    ['I', 'asked', '0', undefined],
    ['I', 'asked', '0', undefined],
    ['I', 'nobody', '8', '5'],
    ['I', undefined, '8', '5'],
  ]);
  peer.send('H', about);
  const reject = await peer.next('3');
  expect([reject.fields.get(371), reject.fields.get(373)]).toEqual(['11', '1']);
});

test('OrderCancelRequest and OrderCancelReplaceRequest: OrderID will do, and must be that of the order', async () => {
  const peer = await market.loggedOn();
  for (const id of ['one', 'other']) peer.send('D', newOrder(id, { 44: '1' }));
  const [one, other] = [await peer.next(isReport('one')), await peer.next(isReport('other'))];
  const about = { 55: 'ACME', 54: '1', 60: utc() };
  const terms = { 38: '8', 40: '2', 44: '1', 59: '1' };
  peer.send('G', { 11: 'less', 37: one.fields.get(37) ?? '', ...about, ...terms });
  const { fields: replaced } = await peer.next(isReport('less'));
  expect([150, 41, 38].map((tag) => replaced.get(tag))).toEqual(['5', 'one', '8']);
  peer.send('F', { 11: 'mixed', 41: 'less', 37: other.fields.get(37) ?? '', ...about });
  const { fields: mixed } = await peer.next('9');
  expect([102, 434, 41, 39].map((tag) => mixed.get(tag))).toEqual(['99', '1', 'less', '0']);
  expect(mixed.get(58)).toContain('the order that OrigClOrdID (41) names has another one');
  peer.send('F', { 11: 'nobody', 37: '5', ...about });
  const { fields: nobody } = await peer.next('9');
  expect([37, 102, 41, 39].map((tag) => nobody.get(tag))).toEqual(['NONE', '1', undefined, '8']);
  expect(nobody.get(58)).toBe('OrderID (37): "5": no order of this session has it');
  peer.send('F', { 11: 'off', 37: one.fields.get(37) ?? '', ...about });
  expect((await peer.next(isReport('off'))).fields.get(150)).toBe('4');
  peer.send('F', { 11: 'late', 37: one.fields.get(37) ?? '', ...about });
  const { fields: late } = await peer.next('9');
  expect([102, 41, 39].map((tag) => late.get(tag))).toEqual(['0', 'off', '4']);
  peer.send('F', { 11: 'unnamed', ...about });
  const reject = await peer.next('3');
  expect([reject.fields.get(371), reject.fields.get(373)]).toEqual(['41', '1']);
});

test('the data type float may have zeros in front, and begin or end with its point', async () => {
  const peer = await market.loggedOn();
  for (const [id, price, quantity, is] of [
    ['ends', '20.', '10.', '20.00'],
    ['zeros', '0020.0500', '0010.00', '20.05'],
    ['begins', '.05', '10', '0.05'],
  ] as const) {
    peer.send('D', newOrder(id, { 44: price, 38: quantity }));
    const { fields } = await peer.next(isReport(id));
    expect([fields.get(150), fields.get(44), fields.get(38)]).toEqual(['0', is, '10']);
  }
  peer.send('D', newOrder('point', { 44: '.' }));
  expect((await peer.next(isReport('point'))).fields.get(58)).toContain('Price (44): "."');
});
