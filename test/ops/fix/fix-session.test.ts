import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { FixMarket } from './fix-market.ts';
import { bodyOf, type Fields, type FixPeer, frame, joined, newOrder, type Received, utc } from './fix-peer.ts';

/** What FIX 4.4 volume 2 and the FIX session profile want of an acceptor, over real sockets. */

let market: FixMarket;

beforeAll(async () => {
  market = await FixMarket.open();
});
afterAll(async () => {
  await market.close();
});

afterEach(() => market.endPeers());

/** A peer that goes on with the numbers of one before. */
async function again(before: FixPeer, compId = 'FIRM7'): Promise<FixPeer> {
  before.end();
  await before.closed;
  await market.isFree(compId);
  const peer = await market.peer({ compId });
  peer.nextOut = before.nextOut;
  return peer;
}

const LOGON = { 98: '0', 108: '30', 553: 'firm', 554: 'a password of some length' };

test.each<[string, (peer: FixPeer) => void]>([
  ['no Logon', (peer) => peer.send('1', { ...LOGON, 112: 'x' }, { 49: 'FIRM7' })],
  ['garbage', (peer) => peer.bytes('GET / HTTP/1.1\r\n\r\n')],
  ['a wrong password', (peer) => peer.send('A', { ...LOGON, 554: 'another password' })],
  ['no password', (peer) => peer.send('A', { ...LOGON, 554: '' })],
  ['a wrong user', (peer) => peer.send('A', { ...LOGON, 553: 'firmer' }, { 49: 'FIRM8' })],
  ['somebody unknown', (peer) => peer.send('A', LOGON, { 49: 'FIRM70' })],
  ['another gateway', (peer) => peer.send('A', LOGON, { 56: 'VERITAPES' })],
  ['another version', (peer) => peer.bytes(frame('FIX.4.2', joined(bodyOf(peer.message('A', LOGON)))))],
  [
    'a wrong checksum',
    (peer) =>
      peer.bytes(
        peer
          .message('A', LOGON)
          .replace(/10=\d+/, '10=000')
          .replace('34=1', '34=2'),
      ),
  ],
  ['a body that is too long', (peer) => peer.bytes('8=FIX.4.4\u00019=99999\u000135=A\u0001')],
])('who begins with %s is left without a word', async (_, say) => {
  const peer = await market.peer({ compId: 'FIRM10' });
  say(peer);
  await peer.closed;
  expect(peer.heard).toEqual([]);
});

test.each<[string, Fields, Fields, string]>([
  ['encryption', { 98: '1' }, {}, 'EncryptMethod (98): "1" must be 0; use TLS'],
  ['no heartbeat interval', { 108: '' }, {}, 'HeartBtInt (108): "" must be a whole number from 0 to 3600'],
  ['a long one', { 108: '3601' }, {}, 'HeartBtInt (108): "3601" must be a whole number from 0 to 3600'],
  [
    'a reset that is not message 1',
    { 141: 'Y' },
    { 34: '7' },
    'MsgSeqNum (34): 7 must be 1 with ResetSeqNumFlag (141)',
  ],
  [
    'a clock that is off',
    {},
    { 52: '20200101-00:00:00.000' },
    'SendingTime (52): 20200101-00:00:00.000 must be within 60 s of ',
  ],
  ['no time', {}, { 52: 'now' }, 'SendingTime (52): "now" must be a time such as 20260131-09:30:00.000'],
  ['a message expected that was never sent', { 789: '9999' }, {}, 'NextExpectedMsgSeqNum (789): 9999 must be at most '],
])('a Logon with %s is answered with Logout, which says why', async (_, fields, header, text) => {
  const peer = await market.peer({ compId: 'FIRM10' });
  const answer = await peer.logon(fields, header);
  expect(answer.type).toBe('5');
  expect(answer.fields.get(58)).toContain(text);
  await peer.closed;
});

test('a Logon is answered with the interval that it asked for', async () => {
  const peer = await market.peer();
  const answer = await peer.logon({ 108: '17', 141: 'Y' });
  expect(Object.fromEntries(answer.fields)).toMatchObject({
    8: 'FIX.4.4',
    35: 'A',
    34: '1',
    98: '0',
    108: '17',
    141: 'Y',
  });
  expect(answer.fields.has(1137)).toBe(false);
  peer.end();
});

const isTrade = ({ fields }: Received): boolean => fields.get(150) === 'F';

test('FIX 5.0 SP2 is spoken with whom wants it', async () => {
  const peer = await market.peer({ beginString: 'FIXT.1.1' });
  const answer = await peer.logon({ 141: 'Y' });
  expect(Object.fromEntries(answer.fields)).toMatchObject({ 8: 'FIXT.1.1', 1137: '9' });
  peer.send('D', newOrder('fifty'));
  expect((await peer.next('8')).fields.get(39)).toBe('0');

  // What FIX 4.4 does not know: trades of an auction, and stops that become live.
  const other = await market.loggedOn('FIRM8');
  const admin = await market.market.venue.openSession(0, 50);
  const trade = { 55: 'OTHER', 44: '50', 38: '2' };
  await admin.send([{ op: 'openAuction', account: 0, symbol: 1 }]);
  peer.send('D', newOrder('stop', { 55: 'OTHER', 40: '4', 44: '40', 99: '50' }));
  peer.send('D', newOrder('auction', trade));
  await peer.next(({ fields }) => fields.get(11) === 'auction');
  other.send('D', newOrder('auction', { ...trade, 1: '8', 54: '2' }));
  await other.next('8');
  await admin.send([{ op: 'uncross', account: 0, symbol: 1 }]);
  const [ofNewer, ofOlder] = [await peer.next(isTrade), await other.next(isTrade)];
  expect([ofNewer.fields.get(851), ofOlder.fields.get(851)]).toEqual(['4', undefined]);
  const live = await peer.next(({ fields }) => fields.get(11) === 'stop' && fields.get(150) !== '0');
  expect([live.fields.get(150), live.fields.get(378)]).toEqual(['L', undefined]);
  peer.end();
  other.end();
});

test('a TestRequest is answered with its id', async () => {
  const peer = await market.loggedOn();
  peer.send('1', { 112: 'who is there' });
  expect((await peer.next('0')).fields.get(112)).toBe('who is there');
  peer.end();
});

test('a silent peer is asked, then logged out; and hears heartbeats until then', async () => {
  const peer = await market.peer();
  await peer.logon({ 108: '1', 141: 'Y' });
  const asked = await peer.next('1');
  expect(asked.fields.get(112)).toMatch(/./);
  expect(peer.heard.map(({ type }) => type)).toContain('0');
  const bye = await peer.next('5');
  expect(bye.fields.get(58)).toContain('TestRequest was not answered');
  await peer.closed;
});

test('a peer that answers a TestRequest stays, also if the gateway stood still meanwhile', async () => {
  const peer = await market.peer();
  await peer.logon({ 108: '1', 141: 'Y' });
  const asked = await peer.next('1');
  peer.send('0', { 112: asked.fields.get(112) ?? '' });
  // Longer than it waits for an answer.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
  await peer.next((message) => message.type === '1' && message !== asked);
  expect(peer.isClosed).toBe(false);
  peer.end();
});

test('a gap is asked for, and what came behind it waits until it is filled', async () => {
  const peer = await market.loggedOn();
  const missed = peer.message('D', newOrder('gap-1'));
  const missedNumber = peer.nextOut - 1;
  peer.send('D', newOrder('gap-2'));
  const request = await peer.next('2');
  expect([request.fields.get(7), request.fields.get(16)]).toEqual([String(missedNumber), '0']);
  peer.send('D', newOrder('gap-3'));
  expect(peer.heard.filter(({ type }) => type === '8')).toEqual([]);
  expect(missed).toContain('gap-1');
  const dup = { 43: 'Y', 122: utc() };
  for (const [index, id] of ['gap-1', 'gap-2', 'gap-3'].entries())
    peer.send('D', newOrder(id), { 34: String(missedNumber + index), ...dup });
  await peer.settled();
  for (const id of ['gap-1', 'gap-2', 'gap-3'])
    await peer.next((message) => message.type === '8' && message.fields.get(11) === id);
  await peer.settled();
  expect(peer.heard.filter(({ type }) => type === '8')).toHaveLength(3);
  expect(peer.heard.filter(({ type }) => type === '2')).toHaveLength(1);
  peer.end();
});

test('a gap may be filled without messages', async () => {
  const peer = await market.loggedOn();
  const first = peer.nextOut;
  peer.nextOut += 3;
  peer.send('0');
  await peer.next('2');
  peer.send('4', { 123: 'Y', 36: String(first + 4) }, { 34: String(first), 43: 'Y', 122: utc() });
  await peer.settled();
  peer.end();
});

test('a gap fill that goes backwards is rejected', async () => {
  const peer = await market.loggedOn();
  peer.send('4', { 123: 'Y', 36: '2' });
  const reject = await peer.next('3');
  expect([reject.fields.get(371), reject.fields.get(373)]).toEqual(['36', '5']);
  await peer.settled();
  peer.end();
});

test('SequenceReset sets the number expected, but not back', async () => {
  const peer = await market.loggedOn();
  peer.send('4', { 36: '1' });
  expect((await peer.next('3')).fields.get(58)).toContain('NewSeqNo (36): 1 must be at least 2');
  peer.send('4', { 36: '500' }, { 34: '1' });
  peer.nextOut = 500;
  await peer.settled();
  peer.end();
});

test('a number that is too low ends the session', async () => {
  const peer = await market.loggedOn();
  await peer.settled();
  peer.send('D', newOrder('low'), { 34: '1' });
  expect((await peer.next('5')).fields.get(58)).toBe('MsgSeqNum too low, expecting 3 but received 1');
  peer.send('5');
  await peer.closed;
  expect(peer.heard.filter(({ type }) => type === '8')).toEqual([]);
});

test('a message that came before and says so is passed over', async () => {
  const peer = await market.loggedOn();
  const order = newOrder('dup');
  peer.send('D', order);
  await peer.next('8');
  peer.send('D', order, { 34: '2', 43: 'Y', 122: utc() });
  await peer.settled();
  expect(peer.heard.filter(({ type }) => type === '8')).toHaveLength(1);
  peer.send('D', order, { 34: '2', 43: 'Y' });
  const reject = await peer.next('3');
  expect([reject.fields.get(371), reject.fields.get(373)]).toEqual(['122', '1']);
  peer.send('D', order, { 34: '2', 43: 'Y', 122: utc(Date.now() + 10_000) });
  expect((await peer.next('3')).fields.get(373)).toBe('10');
  await peer.next('5');
  peer.end();
});

test.each<[string, (message: string) => string]>([
  ['a wrong checksum', (message) => message.replace(/10=\d{3}/, (sum) => (sum === '10=000' ? '10=001' : '10=000'))],
  [
    'a body that is longer than it says',
    (message) => message.replace(/9=\d+/, (length) => `9=${Number(length.slice(2)) - 1}`),
  ],
  [
    'a body that is shorter than it says',
    (message) => message.replace(/9=\d+/, (length) => `9=${Number(length.slice(2)) + 1}`),
  ],
  ['no BodyLength', (message) => frame('FIX.4.4', joined(bodyOf(message))).replace(/9=\d+./, '')],
  ['MsgType in another place', (message) => frame('FIX.4.4', joined([...bodyOf(message).slice(1), '35=D']))],
  ['no BeginString', (message) => message.slice(2)],
])('a message with %s is passed over, and asked for when the next one comes', async (_, garble) => {
  const peer = await market.loggedOn();
  const message = peer.message('D', newOrder('garbled'));
  peer.bytes(garble(message));
  peer.send('0');
  const request = await peer.next('2');
  expect(request.fields.get(7)).toBe('2');
  expect(peer.heard.map(({ type }) => type)).toEqual(['A', '2']);
  peer.send('4', { 123: 'Y', 36: '4' }, { 34: '2', 43: 'Y', 122: utc() });
  await peer.settled();
  peer.end();
});

test('who sends nothing but garbled messages is logged out', async () => {
  const peer = await market.loggedOn();
  const garbled = peer.message('D', newOrder('garbled')).replace(/10=\d{3}/, '10=999');
  for (let count = 0; count < 20; count++) peer.bytes(garbled);
  expect((await peer.next('5')).fields.get(58)).toContain('16 garbled messages in a row');
  await peer.closed;
});

test('messages that are asked for come again, marked, with gap fills for those of the session', async () => {
  const peer = await market.loggedOn();
  for (const id of ['again-1', 'again-2']) peer.send('D', newOrder(id));
  await peer.next((message) => message.fields.get(11) === 'again-2');
  await peer.settled();
  peer.send('D', newOrder('again-3'));
  const third = await peer.next((message) => message.fields.get(11) === 'again-3');
  const originals = peer.heard.filter(({ type }) => type === '8');
  const before = peer.heard.length;
  peer.send('2', { 7: '1', 16: '0' });
  await peer.settled();
  const repeated = peer.heard.slice(before, -1);
  expect(repeated.map(({ type, seq }) => [type, seq])).toEqual([
    ['4', 1],
    ['8', 2],
    ['8', 3],
    ['4', 4],
    ['8', 5],
  ]);
  expect(repeated.every(({ fields }) => fields.get(43) === 'Y' && fields.has(122))).toBe(true);
  expect([repeated[0]?.fields.get(36), repeated[3]?.fields.get(36)]).toEqual(['2', '5']);
  const bodies = (messages: typeof repeated): string[] =>
    messages.map(({ raw }) => joined(bodyOf(raw).filter((field) => !/^(34|43|52|122)=/.test(field))));
  expect(bodies(repeated.filter(({ type }) => type === '8'))).toEqual(bodies(originals));
  expect(repeated[4]?.fields.get(122)).toBe(third.fields.get(52));
  const one = peer.heard.length;
  peer.send('2', { 7: '3', 16: '3' });
  await peer.settled();
  expect(peer.heard.slice(one, -1).map(({ type, seq }) => [type, seq])).toEqual([['8', 3]]);
  peer.end();
});

test.each([
  ['of messages not sent yet', { 7: '99', 16: '0' }, '7'],
  ['that ends before it begins', { 7: '1', 16: '0' }, undefined],
  ['from nothing', { 7: '0', 16: '0' }, '7'],
  ['without a beginning', { 16: '0' }, '7'],
  ['without an end', { 7: '1' }, '16'],
])('a request %s', async (_, fields, refTag) => {
  const peer = await market.loggedOn();
  peer.send('2', fields);
  await peer.settled();
  const reject = peer.heard.find(({ type }) => type === '3');
  expect(reject?.fields.get(371)).toBe(refTag);
  peer.end();
});

test('a peer that is back hears of what happened while it was away when it asks', async () => {
  const first = await market.loggedOn('FIRM8');
  first.send('D', newOrder('away', { 1: '8', 44: '12' }));
  const entered = await first.next('8');
  const other = await market.loggedOn('FIRM7');
  const back = await again(first, 'FIRM8');
  other.send('D', newOrder('taker', { 54: '2', 38: '4', 44: '12' }));
  await other.next((message) => message.fields.get(150) === 'F');
  const answer = await back.logon();
  expect(answer.seq).toBe(entered.seq + 2);
  back.send('2', { 7: String(entered.seq + 1), 16: '0' });
  const trade = await back.next('8');
  expect(Object.fromEntries(trade.fields)).toMatchObject({
    43: 'Y',
    11: 'away',
    150: 'F',
    32: '4',
    31: '12.00',
    151: '6',
  });
  await back.next((message) => message.type === '4' && message.fields.get(36) === String(answer.seq + 1));
  back.end();
  other.end();
});

test('a peer may say in its Logon what it expects, and gets it without asking', async () => {
  const first = await market.loggedOn('FIRM8');
  first.send('D', newOrder('expects', { 1: '9' }));
  const entered = await first.next('8');
  const back = await again(first, 'FIRM8');
  const answer = await back.logon({ 789: String(entered.seq) });
  expect(answer.fields.get(789)).toBe(String(back.nextOut));
  const repeated = await back.next('8');
  expect([repeated.seq, repeated.fields.get(43), repeated.fields.get(11)]).toEqual([entered.seq, 'Y', 'expects']);
  await back.next('4');
  back.end();
});

test('a Logon whose number is too high is answered, and the gap asked for', async () => {
  const first = await market.loggedOn();
  const back = await again(first);
  back.nextOut += 5;
  expect((await back.logon()).type).toBe('A');
  expect((await back.next('2')).fields.get(7)).toBe('2');
  back.end();
});

test('a Logon whose number is too low is refused', async () => {
  const first = await market.loggedOn();
  await first.settled();
  const back = await again(first);
  back.nextOut = 1;
  const answer = await back.logon();
  expect([answer.type, answer.fields.get(58)]).toEqual(['5', 'MsgSeqNum too low, expecting 3 but received 1']);
  await back.closed;
});

test('a reset begins both sides with 1, and what was never written goes out again', async () => {
  const first = await market.loggedOn('FIRM8');
  first.send('D', newOrder('reset', { 1: '8', 44: '11' }));
  await first.next('8');
  const back = await again(first, 'FIRM8');
  const other = await market.loggedOn('FIRM7');
  other.send('D', newOrder('reset-taker', { 54: '2', 38: '3', 44: '11' }));
  await other.next((message) => message.fields.get(150) === 'F');
  // One that is back and does not ask has not had it either.
  expect((await back.logon()).type).toBe('A');
  const reset = await again(back, 'FIRM8');
  reset.nextOut = 1;
  const answer = await reset.logon({ 141: 'Y' });
  expect([answer.seq, answer.fields.get(141)]).toEqual([1, 'Y']);
  const trade = await reset.next('8');
  expect([trade.seq, trade.fields.get(97), trade.fields.get(32)]).toEqual([2, 'Y', '3']);
  await reset.settled();
  expect(reset.heard.filter(({ type }) => type === '8')).toHaveLength(1);
  reset.nextOut = 1;
  reset.send('A', { 98: '0', 108: '30', 141: 'Y' });
  const within = await reset.next('A');
  expect([within.seq, within.fields.get(141)]).toEqual([1, 'Y']);
  await reset.settled();
  reset.end();
  other.end();
});

test('what waits to be written when a session is reset goes out once, under its new number', async () => {
  const peer = await market.loggedOn();
  const refused = peer.message('D', newOrder('within', { 55: 'NONE' }));
  peer.bytes(refused + peer.message('A', { 98: '0', 108: '30', 141: 'Y' }, { 34: '1' }));
  peer.nextOut = 2;
  await peer.settled();
  const heard = peer.heard.slice(1).map(({ type, seq, fields }) => [type, seq, fields.get(97)]);
  expect(heard).toEqual([
    ['A', 1, undefined],
    ['8', 2, 'Y'],
    ['0', 3, undefined],
  ]);
});

test('a second Logon of a session is rejected, and the session stays', async () => {
  const peer = await market.loggedOn();
  peer.send('A', LOGON);
  expect((await peer.next('3')).fields.get(58)).toBe('the session is logged on already');
  await peer.settled();
  const other = await market.peer();
  other.send('A', { ...LOGON, 141: 'Y' });
  await other.closed;
  expect(other.heard).toEqual([]);
  await peer.settled();
  peer.end();
});

test('a Logout is answered, and the connection ends', async () => {
  const peer = await market.loggedOn();
  peer.send('5');
  await peer.next('5');
  await peer.closed;
});

test.each<[string, string, Fields, Fields, string, string | undefined]>([
  ['a field that is there twice', 'D', {}, { 34: '2', 35: 'D' }, '13', '54'],
  ['a field without a value', 'D', { 44: '\u0000' }, {}, '', undefined],
  ['a required field missing', 'D', { 54: '' }, {}, '1', '54'],
  ['no ClOrdID', 'D', { 11: '' }, {}, '1', '11'],
  ['a ClOrdID that is too long', 'D', { 11: 'x'.repeat(65) }, {}, '5', '11'],
  ['a time that is none', 'D', { 60: 'today' }, {}, '6', '60'],
  ['a TestRequest without an id', '1', {}, {}, '1', '112'],
  ['a type that there can not be', '-?', {}, {}, '11', '35'],
])('%s is rejected with a reason', async (what, type, fields, header, reason, tag) => {
  const peer = await market.loggedOn();
  if (what === 'a field that is there twice') {
    const message = peer.message('D', newOrder('twice'));
    const body = bodyOf(message);
    peer.bytes(frame('FIX.4.4', joined([...body, '54=2'])));
  } else if (what === 'a field without a value') {
    const body = bodyOf(peer.message('D', newOrder('empty')));
    peer.bytes(frame('FIX.4.4', joined(body.map((field) => (field.startsWith('44=') ? '44=' : field)))));
    const reject = await peer.next('3');
    expect([reject.fields.get(373), reject.fields.get(371)]).toEqual(['4', '44']);
    peer.end();
    return;
  } else peer.send(type, type === 'D' ? newOrder('wrong', fields) : fields, header);
  const reject = await peer.next('3');
  expect([reject.fields.get(373), reject.fields.get(371), reject.fields.get(45)]).toEqual([reason, tag, '2']);
  await peer.settled();
  expect(peer.heard.filter(({ type: heard }) => heard === '8')).toEqual([]);
  peer.end();
});

test('a field whose tag is no number is rejected', async () => {
  const peer = await market.loggedOn();
  const body = bodyOf(peer.message('D', newOrder('tag')));
  peer.bytes(frame('FIX.4.4', joined([...body, 'price=1'])));
  expect((await peer.next('3')).fields.get(373)).toBe('0');
  peer.end();
});

test('raw data may hold what ends a field elsewhere', async () => {
  const peer = await market.loggedOn();
  const body = bodyOf(peer.message('1', { 112: 'data' }));
  peer.bytes(frame('FIX.4.4', joined([...body, '95=5', '96=a\u00018=b'])));
  expect((await peer.next('0')).fields.get(112)).toBe('data');
  peer.end();
});

test('a message of another session, or of another time, ends the session', async () => {
  const one = await market.loggedOn();
  one.send('0', {}, { 49: 'FIRM8' });
  expect((await one.next('3')).fields.get(373)).toBe('9');
  await one.next('5');
  one.end();
  await one.closed;
  const other = await market.loggedOn();
  other.send('0', {}, { 52: utc(Date.now() - 120_000) });
  expect((await other.next('3')).fields.get(373)).toBe('10');
  await other.next('5');
  other.end();
});

test('a message type that is not supported is answered by the application', async () => {
  const peer = await market.loggedOn();
  peer.send('E', { 66: 'list' });
  const reject = await peer.next('j');
  expect(Object.fromEntries(reject.fields)).toMatchObject({ 372: 'E', 380: '3', 45: '2' });
  await peer.settled();
  peer.end();
});

test('bytes may come one by one, and many messages at once', async () => {
  const peer = await market.loggedOn();
  for (const byte of peer.message('1', { 112: 'slow' })) {
    peer.bytes(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await peer.next((message) => message.fields.get(112) === 'slow');
  let all = '';
  for (let count = 0; count < 500; count++) all += peer.message('1', { 112: `many ${count}` });
  peer.bytes(all);
  await peer.next((message) => message.fields.get(112) === 'many 499');
  expect(peer.heard.filter(({ type }) => type === '0')).toHaveLength(501);
  peer.end();
});
