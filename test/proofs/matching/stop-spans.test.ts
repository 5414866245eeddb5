import { afterAll, expect, test } from '@jest/globals';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../../journal/commands.ts';
import { Reason } from '../../../journal/reasons.ts';
import { marketCircuit } from '../../../proofs/matching/market-circuit.ts';
import type { MarketWitness } from '../../../proofs/matching/witness.ts';
import { removeTemporaryFolders } from '../../journal/temporary-journal.ts';
import { violatedBy } from './forgery.ts';
import { journalOf, spansOf } from './journal-spans.ts';
import { ProvenMarket } from './proven-market.ts';

/** Journals with stops, told as spans: which circuit each is of, and what of stops is in no proof. */
const order = (
  account: number,
  id: number,
  side: 'buy' | 'sell',
  price: number,
  rest: Partial<Command> = {},
): Command => ({ op: 'new', symbol: 0, account, id, side, price, quantity: 5, ...rest });

const stop = (
  account: number,
  id: number,
  side: 'buy' | 'sell',
  stopPrice: number,
  rest: Partial<Command> = {},
): Command => ({
  ...{ op: 'new', symbol: 0, account, id, side, quantity: 5, term: 'stopPrice', value: stopPrice },
  type: rest.price === undefined ? 'stop' : 'stopLimit',
  ...rest,
});

const FIRST: Command = { op: 'instrumentCreate', symbol: 0, name: 'ACME' };
const set = (setting: Command['setting'], value: number): Command => ({
  op: 'instrumentSet',
  symbol: 0,
  setting,
  value,
});

const LIMITS = { ordersMax: 64, levelPagesMax: 8, instrumentsMax: 2, sessionsMax: 1, answersPerSessionMax: 1 };
const ROWS = 2 ** 8;
const CIRCUITS = { plain: marketCircuit('plain'), ruled: marketCircuit('ruled'), stops: marketCircuit('stops') };
type Group = (typeof CIRCUITS.plain.groups)[number];

afterAll(removeTemporaryFolders);

interface Told {
  /** Of which circuit each is, and how many commands it has. */
  readonly spans: string[];
  /** What is in none. */
  readonly unprovable: string[];
  /** The orders of the last books. */
  readonly books: string[];
  /** At which prices stops were found due as they came, or not, of sells where none was known 2^48 - 1; and with which reason. */
  readonly judged: string[];
}

function told(commands: readonly Command[]): Told {
  const spans: string[] = [];
  let books: string[] = [];
  const judged: string[] = [];
  let chained: readonly string[] | undefined;
  const market = new ProvenMarket(LIMITS, ROWS, (witness) => {
    books = booksOf(witness);
    if (witness.commands === 0) return;
    witness.finish();
    spans.push(`${witness.commands} ${witness.rules}`);
    if (witness.rules === 'stops') judged.push(...judgedBy(witness));
    expect(violatedBy(witness.trace, witness.commands)).toEqual([]);
    // Proofs of spans that follow each other chain.
    if (market.unprovable.size === 0 && chained !== undefined) expect(tableOf(witness, 'before')).toEqual(chained);
    chained = tableOf(witness, 'after');
  });
  const words = new Uint32Array(COMMAND_WORDS);
  for (const command of commands) {
    encodeCommand(words, 0, command);
    market.apply(words, 0);
  }
  market.end();
  return { spans, unprovable: [...market.unprovable.keys()], books, judged };
}

function judgedBy({ trace, rowsUsed }: MarketWitness): string[] {
  const at = (name: string, row: number): number => trace[CIRCUITS.stops.columns.indexOf(name)]?.[row] as number;
  const price = (row: number): number => [2, 1, 0].reduce((n, i) => 65_536 * n + at(`report price ${i}`, row), 0);
  return Array.from({ length: rowsUsed }, (_, row) => row).flatMap((row) => {
    const step = ['due', 'undue'].find((name) => at(name, row) === 1);
    if (step === undefined) return [];
    const reason = at('report reason', row);
    return [`${step} at ${price(row)}${reason === 0 ? '' : `: ${reason}`}`];
  });
}

/** The columns that a proof commits to. */
function tableOf(witness: MarketWitness, name: string): readonly string[] {
  const { first, columns } = CIRCUITS[witness.rules].groups.find((group) => group.name === name) as Group;
  return witness.trace.slice(first, first + columns).map((column) => [...column].join());
}

function booksOf(witness: MarketWitness): string[] {
  return [...witness.orders()].map(({ account, idLow, stop: waits }) => {
    return `${account}/${idLow}${waits === undefined ? '' : ` at ${waits.stopPrice}`}`;
  });
}

test('a span without stops ends where one comes, and the next one begins with it; a cascade is proven', async () => {
  const { spans, unprovable } = await spansOf(
    await journalOf([
      FIRST,
      order(1, 1, 'buy', 100),
      order(1, 2, 'buy', 95, { quantity: 12 }),
      stop(2, 1, 'sell', 100),
      stop(3, 1, 'sell', 95, { price: 97, tif: 'day' }),
      stop(3, 2, 'sell', 96, { price: 96, tif: 'fok', stp: 'cancelBoth' }),
      stop(3, 3, 'buy', 120, { price: 130, tif: 'ioc' }),
      order(4, 1, 'sell', 100, { quantity: 6 }),
    ]),
  );
  expect(unprovable).toEqual([]);
  expect(spans.map((span) => [span.firstSequence, span.lastSequence, span.witness.rules])).toEqual([
    [1, 3, 'plain'],
    [4, 8, 'stops'],
  ]);
  for (const { witness } of spans) expect(violatedBy(witness.trace, witness.commands)).toEqual([]);
  // The first trade triggers 2/1, whose trade triggers the two of account 3: one rests at 97, the other one finds nobody.
  expect(booksOf(spans[1]?.witness as MarketWitness)).toEqual(['1/2', '3/1', '4/1', '3/3 at 120']);
});

test('a stop that is due as it is entered joins the line, and one that is refused for that is told with the reason', () => {
  const { spans, unprovable, books, judged } = told([
    FIRST,
    set('tick', 1),
    order(1, 1, 'sell', 100, { quantity: 9 }),
    order(2, 1, 'buy', 100, { quantity: 1 }),
    stop(3, 1, 'buy', 100, { price: 100, quantity: 4 }),
    stop(3, 2, 'buy', 99, { quantity: 6 }),
    set('stopEntry', 1),
    stop(3, 3, 'buy', 100),
  ]);
  expect(unprovable).toEqual([]);
  expect(spans).toEqual(['4 plain', '4 stops']);
  expect(judged).toEqual(['due at 100', 'due at 100', `due at 100: ${Reason.stopWouldTrigger}`]);
  expect(books).toEqual([]);
});

test('stops leave by cancel, reduce, mass cancel, time and kill', () => {
  const { spans, unprovable, books } = told([
    FIRST,
    stop(1, 1, 'buy', 110),
    stop(1, 2, 'buy', 110, { price: 111 }),
    stop(1, 3, 'sell', 90, { tif: 'day' }),
    stop(2, 1, 'sell', 90, { price: 80 }),
    stop(2, 2, 'buy', 105),
    stop(2, 2, 'buy', 106),
    stop(3, 1, 'buy', 107),
    { op: 'cancel', symbol: 0, account: 1, id: 1 },
    { op: 'reduce', symbol: 0, account: 1, id: 2, quantity: 3 },
    { op: 'reduce', symbol: 0, account: 1, id: 2, quantity: 3 },
    { op: 'massCancel', account: 2, side: 'buy' },
    { op: 'phase', symbol: 0, phase: 'closed' },
    { op: 'kill' },
  ]);
  expect(unprovable).toEqual([]);
  expect(spans).toEqual(['1 plain', '13 stops']);
  expect(books).toEqual([]);
});

test('a stop good till a date leaves with a tick', () => {
  const { spans, unprovable, books } = told([
    FIRST,
    { op: 'terms', symbol: 0, account: 1, id: 1, term: 'stopPrice', value: 90 },
    { ...order(1, 1, 'sell', 85), type: 'stopLimit', tif: 'gtd', term: 'expires', value: 50, hasTerms: true },
    stop(2, 1, 'sell', 80),
    { op: 'tick', time: 60n },
  ]);
  expect(unprovable).toEqual(['the term expires is not proven']);
  expect(spans).toEqual(['2 plain', '2 stops']);
  expect(books).toEqual(['2/1 at 80']);
});

test('a replace of a stop that waits is proven, and that by which one is due at once', () => {
  const replace = (id: number, rest: Partial<Command>): Command => ({
    ...{ op: 'replace', symbol: 0, account: 1, id },
    ...rest,
  });
  const { spans, unprovable, books, judged } = told([
    FIRST,
    { op: 'instrumentUpdate', symbol: 0, priceMax: 200 },
    set('stopEntry', 1),
    order(2, 1, 'sell', 100),
    order(2, 2, 'buy', 100, { quantity: 1 }),
    stop(1, 1, 'buy', 110),
    replace(1, { price: 111 }),
    replace(1, { term: 'stopPrice', value: 201 }),
    replace(1, { term: 'stopPrice', value: 99 }),
    replace(1, { term: 'trail', value: 3 }),
    replace(2, { price: 111 }),
    replace(1, { quantity: 7 }),
    replace(1, { term: 'stopPrice', value: 120 }),
    stop(1, 3, 'buy', 120, { price: 130, tif: 'ioc' }),
    replace(1, { term: 'stopPrice', value: 120, quantity: 2 }),
    replace(3, { price: 125, quantity: 9 }),
    replace(3, { term: 'stopPrice', value: 121, price: 126 }),
    set('stopEntry', 0),
    replace(1, { term: 'stopPrice', value: 99 }),
  ]);
  expect(unprovable).toEqual([]);
  expect(spans).toEqual(['5 plain', '14 stops']);
  const [entered, refused, ...others] = judged;
  expect([entered, refused]).toEqual(['undue at 100', `due at 100: ${Reason.stopWouldTrigger}`]);
  expect(others).toEqual([...Array<string>(4).fill('undue at 100'), 'due at 100']);
  expect(books).toEqual(['2/1', '1/3 at 121']);
});

test('what was traded before an instrument is ruled is no last trade: the span ends before its first stop', () => {
  const { spans, unprovable, books, judged } = told([
    FIRST,
    { ...FIRST, symbol: 1, name: 'OTHER' },
    { ...stop(1, 1, 'sell', 50), symbol: 1 },
    order(2, 1, 'sell', 100, { quantity: 2 }),
    order(3, 1, 'buy', 100, { quantity: 1 }),
    stop(4, 1, 'buy', 99),
    stop(4, 2, 'sell', 101),
    order(3, 2, 'buy', 100, { quantity: 1 }),
    stop(4, 3, 'buy', 101),
    stop(4, 4, 'sell', 99),
  ]);
  expect(unprovable).toEqual([]);
  expect(spans).toEqual(['2 plain', '3 stops', '5 stops']);
  const none = `undue at ${2 ** 48 - 1}`;
  expect(judged).toEqual([none, 'undue at 0', none, 'undue at 100', 'undue at 100']);
  expect(books).toEqual(['4/3 at 101', '4/4 at 99', '1/1 at 50']);
});

test('a replace by which a fill or kill is due, which a band may end, is not proven', () => {
  const { unprovable } = told([
    FIRST,
    order(2, 1, 'sell', 100, { quantity: 1 }),
    order(2, 2, 'sell', 101, { quantity: 1 }),
    order(2, 3, 'sell', 110),
    set('band', 2),
    order(3, 1, 'buy', 100, { quantity: 1 }),
    stop(4, 1, 'buy', 120, { tif: 'fok' }),
    { op: 'replace', symbol: 0, account: 4, id: 1, term: 'stopPrice', value: 100 },
  ]);
  expect(unprovable).toEqual(['a fill or kill within a protection band is not proven']);
});

const BOOK = [
  order(1, 1, 'buy', 100, { quantity: 1 }),
  order(1, 2, 'buy', 90, { quantity: 1 }),
  order(1, 3, 'buy', 80),
];
const TRIGGER = order(9, 1, 'sell', 100, { quantity: 1, stp: 'decrement' });

test.each<[string, readonly Command[]]>([
  ['a trailing stop is not proven', [{ ...stop(4, 1, 'sell', 1), term: 'trail' }, ...BOOK, stop(4, 2, 'sell', 100)]],
  ['an order that leaves with reason band is not proven', [set('band', 2), ...BOOK, stop(4, 1, 'sell', 100)]],
  [
    'a fill or kill within a protection band is not proven',
    [set('band', 2), ...BOOK, stop(4, 1, 'sell', 100, { tif: 'fok' })],
  ],
  [
    'a fill or kill within a volatility range is not proven',
    [
      ...[set('referencePrice', 100), set('volatilityTicks', 12), set('volatilityNs', 1000)],
      ...[...BOOK, stop(4, 1, 'sell', 100, { tif: 'fok' })],
    ],
  ],
  [
    'a change of phase on the way is not proven',
    [
      ...[set('referencePrice', 100), set('volatilityTicks', 5), set('volatilityNs', 1000)],
      ...[...BOOK, stop(4, 1, 'sell', 100)],
    ],
  ],
  ['self-trade prevention by group is not proven', [...BOOK, stop(4, 1, 'sell', 100), set('stp', 9)]],
])('a command is named whose trade triggers what can not be followed: %s', (why, commands) => {
  const before = told([FIRST, ...commands]).unprovable;
  expect(told([FIRST, ...commands, TRIGGER]).unprovable).toEqual([...before, why]);
});
