import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BLOCK_HEADER_WORDS } from '../../../journal/block.ts';
import { COMMAND_WORDS, type Command, decodeCommand } from '../../../journal/commands.ts';
import { JournalReader } from '../../../journal/reader.ts';
import { FixMarket } from './fix-market.ts';
import { bodyOf, type FixPeer, frame, joined, newOrder, utc } from './fix-peer.ts';

/** Bytes that nobody would send: the gateway lives, says something or hangs up, and nothing of them becomes an order. */

const RUNS = 40;
let market: FixMarket;

beforeAll(async () => {
  market = await FixMarket.open();
});
afterAll(async () => {
  await market.close();
});

function journalled(account: number): Command[] {
  const found: Command[] = [];
  for (const block of JournalReader.open(market.market.directory, { unflushed: true }).blocks()) {
    for (let index = 0; index < block.count; index++) {
      const command = decodeCommand(block.words, BLOCK_HEADER_WORDS + index * COMMAND_WORDS);
      if (command.account === account && command.op !== 'sessionOpen') found.push(command);
    }
  }
  return found;
}

/** More than the longest body: whatever a broken BodyLength waits for has come then. */
const FILLER = '\u0001'.repeat(17_000);

/** Resolves when everything that was sent was read: the connection is closed, or a message behind it was answered or missed. */
async function read(peer: FixPeer): Promise<void> {
  const before = peer.heard.length;
  peer.bytes(FILLER);
  // A number far ahead is answered with a request for what lies between, whatever the number expected is by now.
  peer.send('1', { 112: 'fence' }, { 34: '900000000' });
  const isOver = (): boolean => peer.isClosed || peer.heard.length > before;
  for (let waited = 0; !isOver() && waited < 1_000; waited++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(isOver()).toBe(true);
}

/**
 * Whether bytes, and the filler behind them that may be the end of a message, hold a whole one: by the standard and not by the
 * gateway's reading of it.
 */
function holdsOrder(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString('latin1') + FILLER.charAt(0);
  for (let at = text.indexOf('8=FIX'); at >= 0; at = text.indexOf('8=FIX', at + 1)) {
    for (let end = text.indexOf('\u000110=', at); end >= 0; end = text.indexOf('\u000110=', end + 1)) {
      const message = text.slice(at, end + 8);
      const [, beginString = ''] = /^8=([^=]*)9=/.exec(message.replaceAll('\u0001', '')) ?? [];
      if (frame(beginString, joined(bodyOf(message))) === message && bodyOf(message)[0] === '35=D') return true;
    }
  }
  return false;
}

const mutation = fc.record({
  at: fc.nat(400),
  kind: fc.constantFrom('flip', 'drop', 'insert', 'cut', 'double'),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
});

function mutate(
  bytes: Uint8Array,
  { at, kind, bytes: more }: { at: number; kind: string; bytes: Uint8Array },
): Uint8Array {
  const place = at % bytes.length;
  const [head, tail] = [bytes.subarray(0, place), bytes.subarray(place)];
  switch (kind) {
    case 'flip': {
      const flipped = bytes.slice();
      for (const [index, byte] of more.entries())
        if (place + index < flipped.length) flipped[place + index] = (flipped[place + index] as number) ^ (byte | 1);
      return flipped;
    }
    case 'drop':
      return new Uint8Array([...head, ...tail.subarray(more.length)]);
    case 'insert':
      return new Uint8Array([...head, ...more, ...tail]);
    case 'cut':
      return head;
    default:
      return new Uint8Array([...head, ...tail, ...tail]);
  }
}

test('random bytes before a Logon end the connection', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 40, maxLength: 3_000 }), async (bytes) => {
      const peer = await market.peer();
      peer.bytes(bytes);
      peer.bytes('\u0001'.repeat(40));
      await peer.closed;
      expect(peer.heard).toEqual([]);
    }),
    { numRuns: RUNS },
  );
});

test('a broken message is no order, and the session can go on', async () => {
  const before = journalled(10).length;
  let broken = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
      const peer = await market.loggedOn('FIRM10');
      let bytes: Uint8Array = Buffer.from(peer.message('D', newOrder(`broken ${peer.nextOut} ${utc()}`)), 'latin1');
      for (const one of mutations) if (bytes.length > 0) bytes = mutate(bytes, one);
      if (!holdsOrder(bytes)) {
        peer.bytes(bytes);
        await read(peer);
        broken++;
      }
      peer.end();
      await peer.closed;
    }),
    { numRuns: RUNS },
  );
  expect(broken).toBeGreaterThan(RUNS / 2);
  const again = await market.loggedOn('FIRM10');
  await again.settled();
  expect(journalled(10).length).toBe(before);
  again.end();
});

test('a message whose frame is right and whose fields are anything is answered, and orders are of the account alone', async () => {
  const before = [7, 10].map((account) => journalled(account).length);
  const tag = fc.oneof(
    fc.constantFrom(1, 11, 18, 35, 38, 40, 44, 54, 55, 59, 60, 99, 110, 126, 1138),
    fc.nat(2_000),
    fc.string(),
  );
  const value = fc.oneof(
    fc.constantFrom('', '0', '-1', '1e9', '0.0000001', '99999999999999999999', 'ACME', '8', '2', 'NaN', '8=FIX.4.4'),
    fc.string({ unit: 'binary' }).map((text) => Buffer.from(text, 'latin1').toString('latin1')),
  );
  const field = fc.tuple(tag, value).map(([name, text]) => `${name}=${text}`);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('D', 'F', 'G', 'H', 'q', 'A', '0', '1', '2', '3', '4', '5', 'j', 'AB'),
      fc.array(field, { maxLength: 12 }),
      fc.boolean(),
      async (type, fields, isAdded) => {
        const peer = await market.loggedOn('FIRM7');
        const order = isAdded ? newOrder(`fields ${utc()} ${Math.random()}`) : {};
        const body = bodyOf(peer.message(type, order)).filter(
          (one) => !fields.some((other) => other.split('=')[0] === one.split('=')[0]),
        );
        peer.bytes(frame('FIX.4.4', joined([...body, ...fields])));
        await read(peer);
        peer.end();
        await peer.closed;
      },
    ),
    { numRuns: RUNS },
  );
  for (const command of journalled(7).slice(before[0])) expect(command).toMatchObject({ account: 7 });
  expect(journalled(10).length).toBe(before[1]);
  expect(journalled(8)).toEqual([]);
  const again = await market.loggedOn('FIRM7');
  await again.settled();
  again.end();
});
