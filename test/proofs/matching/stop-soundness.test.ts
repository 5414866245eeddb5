import { beforeAll, expect, test } from '@jest/globals';
import { AMOUNT_MAX } from '../../../journal/amounts.ts';
import type { BookOrder } from '../../../proofs/matching/linked-books.ts';
import { ID_IN_KEY_2, LIST_HEAD } from '../../../proofs/matching/market-columns.ts';
import { FORGED_ROWS, Forgery, forgeFor, type Lies, rulesOf } from './forgery.ts';
import { lies as aboutCommands } from './lies/commands.ts';
import { admit } from './lies/commands-words.ts';
import { lies as aboutMatching } from './lies/matching.ts';
import { BUY, compareBest, namePrice, nameQuantity, order, PRICE, SIZE } from './lies/matching-words.ts';
import { lies as aboutMemory } from './lies/memory.ts';
import { lies as aboutSelfTrades } from './lies/self-trades.ts';
import { lies as aboutChanged } from './lies/stops-changed.ts';
import { lies as aboutComing, implied as impliedOfComing, attacks as onComing } from './lies/stops-coming.ts';
import { lies as aboutReplaced, attacks as onReplaced } from './lies/stops-replaced.ts';
import { toldToStops } from './lies/stops-transfer.ts';
import { lies as aboutTriggers, implied as impliedOfTriggers } from './lies/stops-triggers.ts';
import { lies as aboutWaiting, implied as impliedOfWaiting } from './lies/stops-waiting.ts';
import { ASK, afterRow, BUY_STOP, SELL_STOP, TRADE, unseen, waiting } from './lies/stops-words.ts';

/** The circuit of stops refuses the lies that the ruled one does, and those about stops. */
beforeAll(() => forgeFor('stops'));

const told: Lies = { ...aboutCommands, ...aboutMatching, ...aboutMemory, ...aboutSelfTrades };
/** There are rows between that are not used: stop-rules.ts. A fill told less than once would have to be followed by less than a trigger. */
const GONE = ['book before: rows are used in one piece', 'book after: rows are used in one piece', 'fill is a bit'];
const same = Object.entries(told).filter(([rule]) => aboutChanged[rule] === undefined && !GONE.includes(rule));
const all: Lies = {
  ...Object.fromEntries(same.map(([rule, forge]) => [rule, () => toldToStops(forge)])),
  ...aboutChanged,
  ...aboutComing,
  ...aboutReplaced,
  ...aboutTriggers,
  ...aboutWaiting,
};
const implied: Lies = { ...impliedOfComing, ...impliedOfTriggers, ...impliedOfWaiting };
/** By those of the other circuits: soundness.test.ts. */
const IMPLIED_THERE = [
  ...['aside', 'mass cancel', 'fill'].map((name) => `${name} is a bit`),
  'a row has one kind of command or none',
];

test('there is a lie for every rule', () => {
  const known = [...Object.keys(all), ...Object.keys(implied), ...IMPLIED_THERE];
  expect(rulesOf('stops').filter((rule) => !known.includes(rule))).toEqual([]);
  expect(known.filter((rule) => !rulesOf('stops').includes(rule))).toEqual([]);
});

test.each(Object.entries(all))('%s', (rule, forge) => {
  const violations = forge().judgement();
  const violated = violations();
  expect(violated).toHaveLength(1);
  expect([rule, 'memory']).toContain(violated[0]);
  expect(violations([rule])).toEqual([]);
});

test.each(Object.entries(implied))('%s, as others say, too', (rule, forge) => {
  const violated = forge().violated();
  expect(violated).toContain(rule);
  expect(violated.length).toBeGreaterThan(1);
});

/** The book after has these orders, as the book before would. */
function copyBookBefore(forgery: Forgery, orders: readonly BookOrder[]): Forgery {
  const book = new Forgery([], orders);
  for (let row = 0; row < FORGED_ROWS; row++) {
    for (const name of book.columnNames.filter((one) => one.startsWith('before ')))
      forgery.set(row, { [name.replace('before', 'after')]: book.get(row, name) });
  }
  return forgery;
}

const NOBODYS = waiting(BUY, 0, PRICE, { limit: 1, account: 0 });

const attacks: (readonly [string, () => Forgery, readonly string[]])[] = [
  ...onComing,
  ...onReplaced,
  [
    'triggers an order of another instrument, which is at the address that no address is',
    () => {
      const forgery = admit(unseen([TRADE], [ASK, NOBODYS], [ASK, { ...NOBODYS, symbol: 1 }]), 1);
      // Its ladder goes on naming it, and a row that is not used says as what.
      const behind = afterRow(forgery, [2, 1, 0, LIST_HEAD]) + 1;
      return forgery.setAmount(behind, 'after price key', AMOUNT_MAX - PRICE);
    },
    [0, 1, 2].map((limb) => `due difference ${limb}`),
  ],
  [
    'enters an order for more than waited',
    () => {
      const forgery = new Forgery([TRADE], [ASK, BUY_STOP]);
      nameQuantity(forgery, [3], SIZE + 1);
      return forgery.setAmount(3, 'left', SIZE + 1).setAmount(3, 'report quantity', SIZE + 1);
    },
    ['memory'],
  ],
  [
    'enters an order at another limit than was named',
    () => {
      const forgery = new Forgery([TRADE], [ASK, BUY_STOP]);
      namePrice(forgery, [3], 2);
      compareBest(forgery, 3);
      return forgery;
    },
    ['memory'],
  ],
  [
    'triggers an order and leaves it where it waits',
    () => {
      const forgery = new Forgery([TRADE], [ASK, BUY_STOP]);
      return copyBookBefore(forgery, [BUY_STOP]);
    },
    ['memory'],
  ],
  [
    'says that an order which waits is gone, and lets it wait',
    () => copyBookBefore(new Forgery([{ kind: 'cancel', account: 3, idLow: 7 }], [BUY_STOP]), [BUY_STOP]),
    ['memory'],
  ],
  [
    'takes off by a mass cancel what waits for another account',
    () => {
      const all = { kind: 'mass cancel', byAccount: true, account: 3, targets: [BUY_STOP] } as const;
      const forgery = new Forgery([all], [BUY_STOP]);
      const others = 4 * ID_IN_KEY_2;
      return forgery.set(0, { 'key 2': others }).set(1, { 'key 2': others, 'order 2': others });
    },
    ['by account: lower half'],
  ],
  [
    'lets a new order have the key of one that waits',
    () => admit(unseen([{ ...order(BUY, 1, SIZE), account: 3, idLow: 7 }], [], [BUY_STOP]), 0),
    ['a new order is refused if and only if its key is taken', 'memory'],
  ],
  [
    'tells another quantity of what is triggered',
    () => new Forgery([TRADE], [ASK, BUY_STOP]).setAmount(1, 'report quantity', SIZE - 1),
    ['quantity: of an order of the account, all 0'],
  ],
  ['lets an order wait that nobody sent', () => copyBookBefore(new Forgery([TRADE], [ASK]), [SELL_STOP]), ['memory']],
];

test.each(attacks)('an operator that %s', (_, forge, rules) => {
  expect(forge().violated()).toEqual(rules);
});
