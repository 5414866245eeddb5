import { afterAll, expect, test } from '@jest/globals';
import type { Command } from '../../../journal/commands.ts';
import { removeTemporaryFolders } from '../../journal/temporary-journal.ts';
import { violatedBy } from './forgery.ts';
import { journalOf, spansOf } from './journal-spans.ts';

/** Journals with rules beyond the plain ones, told as spans, and what the circuit says of their witnesses. */
const order = (
  account: number,
  id: number,
  side: 'buy' | 'sell',
  price: number,
  rest: Partial<Command> = {},
): Command => ({ op: 'new', symbol: 0, account, id, side, price, quantity: 5, ...rest });

const FIRST: readonly Command[] = [
  { op: 'instrumentCreate', symbol: 0, name: 'ACME' },
  { op: 'instrumentSet', symbol: 0, setting: 'tick', value: 5 },
];
const TICK = 28;

afterAll(removeTemporaryFolders);

test('an instrument with settings is proven, and what they refuse is set aside with the reason', async () => {
  const commands: readonly Command[] = [
    ...FIRST,
    order(1, 1, 'sell', 101),
    order(1, 1, 'sell', 105),
    order(1, 2, 'sell', 110, { tif: 'day' }),
    { op: 'replace', symbol: 0, account: 1, id: 1, price: 102 },
    { op: 'halt', symbol: 0 },
    order(2, 1, 'buy', 110),
    { op: 'cancel', symbol: 0, account: 1, id: 1 },
    { op: 'resume', symbol: 0 },
    order(2, 1, 'buy', 110, { quantity: 8 }),
    { op: 'kill' },
  ];
  const { spans, unprovable } = await spansOf(await journalOf(commands));
  expect(unprovable).toEqual([]);
  expect(spans.map((span) => [span.firstSequence, span.lastSequence])).toEqual([[1, commands.length]]);
  const { trace } = spans[0]?.witness ?? { trace: [] };
  expect(violatedBy(trace, commands.length)).toEqual([]);
  expect([...(spans[0]?.witness.orders() ?? [])]).toEqual([]);
  expect(trace.some((column) => column[2] === TICK)).toBe(true);
});

test('a replace that says what was open is told with what it came to, or as the reduce that takes its order off', async () => {
  const replace = (id: number, quantity: number, open: number, rest: Partial<Command> = {}): Command => ({
    ...{ op: 'replace', symbol: 0, account: 1, id, quantity, term: 'open', value: open },
    ...rest,
  });
  const commands: readonly Command[] = [
    { op: 'instrumentCreate', symbol: 0, name: 'ACME', quantity: 40 },
    order(1, 1, 'sell', 105),
    order(1, 2, 'sell', 106),
    order(2, 1, 'buy', 105, { quantity: 2 }),
    replace(1, 42, 5),
    replace(1, 43, 41),
    replace(1, 10, 2),
    replace(1, 36, 42),
    order(2, 2, 'buy', 104, { quantity: 3 }),
    replace(1, 31, 34, { price: 104 }),
    replace(2, 4, 9),
    replace(2, 4, 9),
    replace(1, 9, 0),
  ];
  const { spans, unprovable } = await spansOf(await journalOf(commands));
  expect(unprovable).toEqual([]);
  expect(spans.map((span) => [span.firstSequence, span.lastSequence])).toEqual([[1, commands.length]]);
  const { witness } = spans[0] as (typeof spans)[0];
  expect(violatedBy(witness.trace, commands.length)).toEqual([]);
  expect([...witness.orders()].map(({ account, idLow, open }) => [account, idLow, open])).toEqual([[1, 1, 28]]);
});

const HIDDEN: readonly Command[] = [
  ...FIRST,
  { op: 'instrumentCreate', symbol: 1, name: 'OTHER' },
  order(1, 1, 'sell', 105),
  order(2, 1, 'sell', 105, { hidden: true }),
  { ...order(3, 1, 'buy', 50), symbol: 1 },
  order(3, 2, 'buy', 100),
  { op: 'cancel', symbol: 0, account: 2, id: 1 },
  order(3, 3, 'buy', 105),
];

test('spans of few commands that end before such a rule can be left out', async () => {
  const { spans, unprovable } = await spansOf(await journalOf(HIDDEN), { commandsMin: 2 });
  expect(spans.map((span) => [span.firstSequence, span.lastSequence])).toEqual([
    [1, 4],
    [9, 9],
  ]);
  expect(unprovable).toContain(
    'the commands with sequences 6 to 6 are not proven: they are fewer than 2, between others that cannot be',
  );
});

test('a span ends before a rule that is not proven, and the next one begins behind it', async () => {
  const { spans, unprovable } = await spansOf(await journalOf(HIDDEN));
  expect(unprovable).toEqual([
    'the command with sequence 5 cannot be proven: a hidden order is not proven',
    'the command with sequence 7 cannot be proven: a hidden order in instrument 0 is not proven',
    'the command with sequence 8 cannot be proven: a hidden order is not proven',
  ]);
  expect(spans.map((span) => [span.firstSequence, span.lastSequence])).toEqual([
    [1, 4],
    [6, 6],
    [9, 9],
  ]);
  for (const { witness } of spans) expect(violatedBy(witness.trace, witness.commands)).toEqual([]);
  expect([...(spans[2]?.witness.orders() ?? [])].map(({ account, idLow }) => `${account}/${idLow}`)).toEqual([
    '3/2',
    '3/1',
  ]);
});

test('what waits, and is not proven, makes nothing else unprovable before it is triggered', async () => {
  const commands: readonly Command[] = [
    { op: 'instrumentCreate', symbol: 0, name: 'ACME' },
    { op: 'new', symbol: 0, account: 1, id: 1, side: 'sell', type: 'stop', term: 'trail', value: 10, quantity: 5 },
    order(2, 1, 'sell', 100),
    order(3, 1, 'buy', 90, { quantity: 8 }),
    order(3, 2, 'buy', 100),
    order(2, 2, 'sell', 90, { quantity: 3 }),
    order(2, 3, 'sell', 95),
  ];
  const { spans, unprovable } = await spansOf(await journalOf(commands));
  expect(unprovable).toEqual([
    'the command with sequence 2 cannot be proven: the term trail is not proven',
    'the command with sequence 6 cannot be proven: a trailing stop is not proven',
  ]);
  expect(spans.map((span) => [span.firstSequence, span.lastSequence])).toEqual([
    [1, 1],
    [3, 5],
    [7, 7],
  ]);
});

test('a span in which no self-trade prevention applies is of the plain circuit, whatever rests in its books', async () => {
  const commands: readonly Command[] = [
    { op: 'instrumentCreate', symbol: 0, name: 'ACME' },
    order(1, 1, 'sell', 100, { stp: 'cancelBoth' }),
    order(2, 1, 'buy', 100, { quantity: 2 }),
    { op: 'reduce', symbol: 0, account: 1, id: 1, quantity: 1 },
    { op: 'replace', symbol: 0, account: 1, id: 1, quantity: 3 },
    order(1, 2, 'buy', 100),
  ];
  const { spans } = await spansOf(await journalOf(commands), { commandsMax: 2 });
  expect(spans.map(({ witness }) => witness.rules)).toEqual(['ruled', 'plain', 'ruled']);
  for (const { witness } of spans) expect(violatedBy(witness.trace, witness.commands)).toEqual([]);
  // The replaced order's own prevention does not matter to the one that meets it.
  expect([...(spans[2]?.witness.orders() ?? [])].map(({ idLow, open }) => [idLow, open])).toEqual([[2, 2]]);
});

test('self-trade prevention by group is not proven', async () => {
  const commands: readonly Command[] = [
    { op: 'instrumentCreate', symbol: 0, name: 'ACME' },
    order(1, 1, 'sell', 100, { stp: 'cancelBoth', byGroup: true }),
    { op: 'instrumentSet', symbol: 0, setting: 'stp', value: 9 },
    order(2, 1, 'sell', 100),
  ];
  const { unprovable } = await spansOf(await journalOf(commands));
  expect(unprovable).toEqual([
    'the command with sequence 2 cannot be proven: self-trade prevention by group is not proven',
    'the command with sequence 4 cannot be proven: self-trade prevention by group is not proven',
  ]);
});
