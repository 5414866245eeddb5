import { FORGED_ROWS, Forgery, type Lies, NOTHING } from '../forgery.ts';
import {
  admit,
  comparePrices,
  compareSizes,
  LAST_ROW,
  massCancel,
  pretendReplace,
  renumber,
} from './commands-words.ts';
import {
  amount,
  BUY,
  immediate,
  order,
  PRICE,
  replace,
  resting,
  SELL,
  SIZE,
  showPrice,
  showQuantity,
  type Told,
  unit,
} from './matching-words.ts';

const ASIDE: Told = { kind: 'aside' };
const BID = resting(BUY, 1, PRICE, SIZE);
const OTHER_BID = resting(BUY, 2, PRICE, SIZE, { account: 4 });
const ASK = resting(SELL, 3, PRICE + 1, SIZE);
/** Trades with {@link ASK}, and has something left. */
const SWEEP = order(BUY, PRICE + 1, 3 * SIZE);
const SWEEP_NOW = immediate(BUY, PRICE + 1, 3 * SIZE);

/** Rows one after the other, commands one after the other, and what a command says the same on all of its rows. */
export const lies: Lies = {
  'the clock starts at zero': () => {
    const forgery = new Forgery([ASIDE]);
    for (let row = 0; row < FORGED_ROWS; row++) forgery.set(row, { clock: row + 1 });
    return forgery;
  },
  // A cancel comes before a trade, and is carried out after it.
  'the clock ticks': () => {
    const named = { kind: 'cancel', account: 1, idLow: 3 } as const;
    const forgery = new Forgery([ASIDE, immediate(BUY, PRICE + 1, SIZE - 1), named], [ASK]);
    return exchangeRows(forgery, 1, 2).set(1, { command: 1 }).set(2, { command: 2 });
  },
  'commands are counted from zero': () => renumber(new Forgery([ASIDE]), 0, 1),
  'commands are counted': () => renumber(new Forgery([ASIDE, ASIDE]), 1, 1),
  'commands are as many as stated': () => {
    const forgery = new Forgery([ASIDE]);
    forgery.commands++;
    return forgery;
  },
  // There is one more than stated.
  'the last row is empty': () => {
    const forgery = new Forgery(Array.from({ length: LAST_ROW }, () => ASIDE));
    return forgery.copyRow(0, LAST_ROW).set(LAST_ROW, { command: LAST_ROW });
  },
  // An order that nobody entered rests, as if a replace had begun before.
  'the first row begins a command': () => pretendReplace(new Forgery([order(BUY, PRICE, SIZE)]), 0).seal(),
  'a command begins where one ended': () => pretendReplace(new Forgery([ASIDE, order(BUY, PRICE, SIZE)]), 1).seal(),
  'after the last command rows are empty': () => {
    const forgery = pretendReplace(new Forgery([ASIDE, order(BUY, PRICE, SIZE)]), 1);
    return forgery.copyRow(1, 2).copyRow(3, 1).set(1, { command: 1 }).seal();
  },
  'no command ends on an empty row': () => renumber(new Forgery([ASIDE]).set(1, { last: 1 }), 2, 1),

  ...strangeKinds(),

  // What is left of the order is lost.
  "a command's new stays": () => endEarly(new Forgery([SWEEP], [ASK]), { new: 0, rest: 0 }),
  // The order leaves the book, and does not come back.
  "a command's replace stays": () =>
    endEarly(new Forgery([replace({ quantity: SIZE + 1 })], [BID]), { replace: 0, rest: 0 }),
  "a command's mass cancel stays": () =>
    endEarly(new Forgery([massCancel({ targets: [BID] })], [BID]), { 'mass cancel': 0, pass: 0 }),
  // The only limit at which an order trades as without one.
  "a command's market stays": () => edited([immediate(SELL, 1, 2 * SIZE)], [BID], 1, { market: 1 }),
  // An order good till cancel expires.
  "a command's rests stays": () => edited([SWEEP_NOW], [ASK], 0, { rests: 1 }),
  // A fill or kill trades in part.
  "a command's fill or kill stays": () => edited([SWEEP_NOW], [ASK], 0, { 'fill or kill': 1 }),
  "a command's post only stays": () => moved({ 'post only': 1 }),
  "a command's has price stays": () => moved({ 'has price': 0 }),
  "a command's has quantity stays": () => moved({ 'has quantity': 0 }),
  "a command's late stays": () => moved({ late: 1 }),
  // Mass cancels that take an order, and then another one's.
  "a command's one side stays": () => edited([massCancel({ targets: [BID, ASK] })], [BID, ASK], 0, { 'one side': 1 }),
  "a command's by account stays": () =>
    edited([massCancel({ byAccount: true, account: 1, targets: [BID, OTHER_BID] })], [BID, OTHER_BID], [1, 2], {
      'by account': 0,
    }),
  "a command's by symbol stays": () => {
    const elsewhere = resting(BUY, 2, PRICE, SIZE, { symbol: 1 });
    return edited([massCancel({ targets: [BID, elsewhere] })], [BID, elsewhere], 0, { 'by symbol': 1 });
  },
  "a command's symbol stays": () => {
    const elsewhere = resting(BUY, 2, PRICE, SIZE, { symbol: 1 });
    const forgery = edited([massCancel({ bySymbol: true, targets: [BID, elsewhere] })], [BID, elsewhere], [1, 2], {
      symbol: 1,
    });
    return admit(admit(forgery.set(2, { 'report symbol': 1 }), 1), 2);
  },
  "a command's side stays": () =>
    edited([massCancel({ oneSide: true, targets: [BID, ASK] })], [BID, ASK], [1, 2], { side: 1 }).set(2, {
      'report side': 1,
    }),
  ...Object.fromEntries(
    [0, 1, 2, 3].map((i) => {
      // What is left of an order rests under another's name.
      const forge = (): Forgery => edited([SWEEP], [ASK], 1, { [`key ${i}`]: 9, [`order ${i}`]: 9 }).seal();
      return [`a command's key ${i} stays`, forge];
    }),
  ),
  ...Object.fromEntries(
    [0, 1, 2].flatMap((i) => [
      [
        `a command's price ${i} stays`,
        () => {
          const forgery = edited([replace({ quantity: SIZE + 1 })], [BID], 1, { [`price ${i}`]: 1 });
          showPrice(forgery, 1);
          return forgery;
        },
      ],
      [
        `a command's quantity ${i} stays`,
        () => {
          const forgery = new Forgery([SWEEP], [ASK]);
          forgery.setAmount(1, 'quantity', 3 * SIZE + unit(i));
          showQuantity(forgery, 1);
          return forgery;
        },
      ],
    ]),
  ),
  // A mass cancel that took an order is refused.
  "a command's reason stays": () =>
    edited([massCancel({ targets: [BID] })], [BID], 1, { reason: 7, 'report reason': 7 }),
};

/** An honest span, but for cells of some rows. */
function edited(
  commands: readonly Told[],
  orders: ConstructorParameters<typeof Forgery>[1],
  rows: number | readonly number[],
  cells: Readonly<Record<string, number>>,
): Forgery {
  const forgery = new Forgery(commands, orders);
  for (const row of [rows].flat()) forgery.set(row as number, cells);
  return forgery;
}

/** A replace that loses its place, with another command where it rests. */
function moved(cells: Readonly<Record<string, number>>): Forgery {
  return edited([replace({ price: PRICE - 1, quantity: SIZE + 1 })], [BID], 1, cells);
}

/** The second row is no command's, and the first one's never ends. */
function endEarly(forgery: Forgery, nothing: Readonly<Record<string, number>>): Forgery {
  return admit(renumber(forgery.set(1, { ...nothing, last: 0, 'at head': 0 }), 2, -1), 1).seal();
}

function exchangeRows(forgery: Forgery, a: number, b: number): Forgery {
  const { clock } = forgery.columns;
  forgery
    .copyRow(a, FORGED_ROWS - 2)
    .copyRow(b, a)
    .copyRow(FORGED_ROWS - 2, b)
    .copyRow(LAST_ROW, FORGED_ROWS - 2);
  const time = clock[a] as number;
  clock[a] = clock[b] as number;
  clock[b] = time;
  return forgery;
}

/** Rows that are two kinds of command, less a third: their steps are those that all three may take. */
function strangeKinds(): Lies {
  const refused = (kinds: Readonly<Record<string, number>>, amends: number): Forgery => {
    const forgery = new Forgery([order(BUY, PRICE, SIZE, BID)], [BID]);
    compareSizes(forgery.set(0, { ...kinds, amends }), 0, SIZE, SIZE);
    return comparePrices(forgery, 0);
  };
  return {
    'new is a bit': () => {
      const unknown = { ...NOTHING, kind: 'cancel', account: 1, idLow: 1, price: amount(7, 8, 9) } as const;
      const forgery = new Forgery([unknown]).set(0, { new: -1, reduce: 1, amends: 1, 'report reason': 1 });
      forgery.setAmount(0, 'limit', unknown.price).setAmount(0, 'cross gap', unknown.price);
      return admit(comparePrices(compareSizes(forgery, 0, 0, 0), 0), 0);
    },
    'cancel is a bit': () => refused({ cancel: -1, reduce: 1 }, 1),
    'reduce is a bit': () => refused({ reduce: -1, cancel: 1 }, -1),
    'replace is a bit': () => refused({ replace: -1, cancel: 1 }, -1),
  };
}
