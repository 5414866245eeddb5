import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Command } from '../../../journal/commands.ts';
import type { Span } from '../../../proofs/matching/span.ts';
import { removeTemporaryFolders } from '../../journal/temporary-journal.ts';
import { violatedBy } from './forgery.ts';
import { journalOf, spansOf } from './journal-spans.ts';

/** Journals in which an instrument is moved, told as spans, and what the circuit says of their witnesses. */

const order = (
  account: number,
  id: number,
  side: 'buy' | 'sell',
  price: number,
  rest: Partial<Command> = {},
): Command => ({ op: 'new', symbol: 0, account, id, side, price, quantity: 5, ...rest });

const MOVED_AWAY: readonly Command[] = [
  { op: 'instrumentCreate', symbol: 0, name: 'ACME' },
  { op: 'instrumentCreate', symbol: 1, name: 'OTHER' },
  order(1, 1, 'buy', 99),
  order(2, 1, 'buy', 99, { postOnly: true }),
  order(1, 2, 'sell', 101),
  { ...order(1, 3, 'sell', 200), symbol: 1 },
  { op: 'instrumentAssign', symbol: 0, shard: 1 },
  order(3, 1, 'buy', 98),
  { op: 'cancel', symbol: 0, account: 1, id: 1 },
  { op: 'reduce', symbol: 0, account: 1, id: 1, quantity: 1 },
  { op: 'replace', symbol: 0, account: 9, id: 9, quantity: 1 },
  { op: 'massCancel', symbol: 0 },
  { op: 'massStatus', symbol: 0, side: 'buy', quantity: 10 },
  { op: 'moveStatus', symbol: 0, quantity: 10 },
  { op: 'moveIn', symbol: 1, account: 7, id: 1, side: 'buy', price: 1, quantity: 1 },
  { op: 'moveOut', symbol: 1 },
  { op: 'moveOut', symbol: 0 },
  { op: 'massCancel', account: 1 },
];

const MOVED_HERE: readonly Command[] = [
  { op: 'instrumentCreate', symbol: 0, name: 'ACME', shard: 0 },
  { ...order(1, 1, 'buy', 99), op: 'moveIn' },
  { ...order(2, 1, 'buy', 99), op: 'moveIn', postOnly: true },
  { ...order(1, 2, 'sell', 101), op: 'moveIn' },
  { ...order(1, 2, 'sell', 101), op: 'moveIn' },
  { ...order(4, 1, 'buy', 101), op: 'moveIn', postOnly: true },
  order(5, 1, 'sell', 99),
  { op: 'instrumentAssign', symbol: 0 },
  order(5, 1, 'sell', 99, { quantity: 8 }),
];

afterAll(removeTemporaryFolders);

const folders = new Map<readonly Command[], string>();
beforeAll(async () => {
  const partly: readonly Command[] = [
    ...MOVED_AWAY.slice(0, 8),
    { op: 'massCancel', account: 1 },
    ...MOVED_AWAY.slice(8),
  ];
  const crossing: readonly Command[] = [...MOVED_HERE.slice(0, 4), { ...order(4, 1, 'buy', 101), op: 'moveIn' }];
  for (const commands of [MOVED_AWAY, MOVED_HERE, partly, crossing]) {
    const name = commands === partly ? PARTLY : commands === crossing ? CROSSING : commands;
    folders.set(name, await journalOf(commands));
  }
});
const PARTLY: readonly Command[] = [];
const CROSSING: readonly Command[] = [];

const openOrders = (span: Span | undefined): string[] =>
  [...(span?.witness.orders() ?? [])].map(({ account, idLow, open }) => `${account}/${idLow} ${open}`);

test('orders that are moved out are proven as a mass cancel, and what an instrument elsewhere refuses is set aside', async () => {
  const { spans, unprovable } = await spansOf(folders.get(MOVED_AWAY) ?? '');
  expect(unprovable).toEqual([]);
  expect(spans.map((span) => [span.firstSequence, span.lastSequence])).toEqual([[1, MOVED_AWAY.length]]);
  expect(violatedBy(spans[0]?.witness.trace ?? [], MOVED_AWAY.length)).toEqual([]);
  expect(openOrders(spans[0])).toEqual([]);
});

test('orders that are moved in are proven as new ones that rest', async () => {
  const { spans, unprovable } = await spansOf(folders.get(MOVED_HERE) ?? '');
  expect(unprovable).toEqual([]);
  expect(spans).toHaveLength(1);
  expect(violatedBy(spans[0]?.witness.trace ?? [], MOVED_HERE.length)).toEqual([]);
  // The last order met those moved in, in the order of their priority.
  expect(openOrders(spans[0])).toEqual(['2/1 2', '1/2 5']);
});

test('a mass cancel that meets orders being moved is in no span', async () => {
  const { spans, unprovable } = await spansOf(folders.get(PARTLY) ?? '');
  expect(unprovable).toEqual([
    'the command with sequence 9 cannot be proven: it was rejected with otherShard, and whose orders are being moved is not proven',
  ]);
  expect(spans.map((span) => [span.firstSequence, span.lastSequence])).toEqual([
    [1, 8],
    [10, MOVED_AWAY.length + 1],
  ]);
});

test('a moved order that would trade is in no span', async () => {
  const { spans, unprovable } = await spansOf(folders.get(CROSSING) ?? '');
  expect(unprovable).toEqual([
    'the command with sequence 5 cannot be proven: it was rejected with postOnlyWouldTrade, and a moved order that would trade is not proven',
  ]);
  expect(spans.map((span) => [span.firstSequence, span.lastSequence])).toEqual([[1, 4]]);
});
