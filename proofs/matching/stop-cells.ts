import type { CircuitBuilder } from '../stark/constraints.ts';
import type { Expression } from '../stark/expressions.ts';
import {
  type Cell,
  type Key,
  LIST_HEAD,
  type Limbs,
  type MarketColumns,
  SECOND_KEY,
  SECOND_LADDER,
  STOP_LADDER,
} from './market-columns.ts';
import { sumOf } from './rule-writer.ts';

/** What a row reads and writes where it looks at the head of the other side. */
interface Seen {
  readonly address: Key<Expression>;
  readonly was: Cell<Expression>;
  readonly is: Cell<Expression>;
}

/** Of stops that wait, how far an order is one that trades in full or not at all, or a market order, by the terms in its cell. */
const FILL_OR_KILL_IN_TERMS = 2;
const MARKET_IN_TERMS = 4;

/** What an order is once it is triggered, as one number: it rests, it is fill or kill, it is a market order. */
export function becoming(rests: Expression, fillOrKill: Expression, market: Expression): Expression {
  return rests.plus(fillOrKill.times(FILL_OR_KILL_IN_TERMS)).plus(market.times(MARKET_IN_TERMS));
}

/** What a stop will be once it is triggered, where one comes to wait or is due: in a column that no such row has for anything else. */
export function becomes<T>({ gapInverse }: MarketColumns<T>): T {
  return gapInverse;
}

/**
 * What the head of a ladder of stops says, as the row that looks at it begins, in columns that no such row has for anything else:
 * whether it knows the price of the last trade, and that price.
 */
export function lastTrade<T>({ covers, priceWitness }: MarketColumns<T>): {
  readonly known: T;
  readonly price: Limbs<T>;
} {
  return { known: covers, price: priceWitness };
}

/** The address of a stop's second cell. */
function secondKey(key: Key<Expression>): Key<Expression> {
  return [key[0], key[1], key[2], key[3].plus(SECOND_KEY)];
}

/**
 * The cells of stops that wait: the head of a ladder of theirs, and two for each stop.
 *
 * | cell | address | ladder | terms | price key | open | next | next price key |
 * |---|---|---|---|---|---|---|---|
 * | head | 2 * symbol + side, 1, 0, LIST_HEAD | 0 | 1 if it knows the last trade | 0 | price of the last trade | first stop | its trigger key |
 * | stop | its key | STOP_LADDER + 1 + 2 * symbol + side | what it becomes | trigger key | open | its second cell | its limit price |
 * | second | SECOND_KEY above it | SECOND_LADDER + 1 + 2 * symbol + side | prevention | limit price | trigger key | stop behind it | its trigger key |
 *
 * A trigger key is, of a sell, the stop price, of a buy 2^48 - 1 less it: the larger, the sooner it is due. The largest is first.
 * Behind the last stop all is zero, which is never due; so the head of a ladder without stops is like a cell that never was, but
 * for the last trade.
 *
 * Both heads of an instrument come to know each of its trades. One that knows none is told the price by the first row that asks for
 * it: where stops wait as the span begins, it stands in the books before. No trade yet is a price at which nothing is due: of a
 * buy 0, of a sell 2^48 - 1. What the head of a ladder without stops knows is forgotten as the span ends.
 */
export class StopCells {
  readonly #circuit: CircuitBuilder;
  readonly #columns: MarketColumns<Expression>;

  constructor(circuit: CircuitBuilder, columns: MarketColumns<Expression>) {
    this.#circuit = circuit;
    this.#columns = columns;
  }

  /**
   * Triggers, and what says whether a stop is due, look at the head of a ladder of stops instead; and what comes to wait, leaves or is
   * altered at the order's second cell.
   */
  seen({ address, was, is }: Seen): Seen {
    const { step, report, limit, head, other, own, prevention } = this.#columns;
    const { wait, withdraw, trigger, quiet, alter, undue, due } = step;
    const one = this.#circuit.constant(1);
    const zero = this.#circuit.constant(0);
    const learns = quiet.plus(undue).plus(due);
    const watches = trigger.plus(learns);
    const last = lastTrade(this.#columns);
    const waits = wait.plus(withdraw).plus(alter);
    const waited = withdraw.plus(alter);
    const goesOn = wait.plus(alter);
    const usual = one.minus(watches).minus(waits);
    const stopHead = report.symbol.times(2).plus(report.stopSide);
    const second = secondKey(report.order);
    const ladder = report.symbol
      .times(2)
      .plus(report.side)
      .plus(SECOND_LADDER + 1);
    const at = <T>(list: readonly T[], i: number): T => list[i] as T;
    const next = (i: number): Expression =>
      sumOf([
        at(is.next, i),
        trigger.times(at(own.cell.next, i).minus(at(head.next, i))),
        wait.times(at(other.cell.next, i).minus(at(head.next, i))),
        zero.minus(withdraw.times(at(head.next, i))),
      ]);
    const nextKey = (i: number): Expression =>
      sumOf([
        at(is.nextKey, i),
        trigger.times(at(own.cell.nextKey, i).minus(at(head.nextKey, i))),
        wait.times(at(other.cell.nextKey, i).minus(at(head.nextKey, i))),
        zero.minus(withdraw.times(at(head.nextKey, i))),
      ]);
    const limbs = (limb: (i: number) => Expression): Limbs<Expression> => [limb(0), limb(1), limb(2)];
    return {
      address: [
        usual.times(address[0]).plus(watches.times(stopHead)).plus(waits.times(second[0])),
        watches.plus(waits.times(second[1])),
        waits.times(second[2]),
        waits.times(second[3].minus(LIST_HEAD)).plus(LIST_HEAD),
      ],
      was: {
        ladder: usual.times(was.ladder).plus(waited.times(ladder)),
        terms: waited.times(prevention).plus(watches.times(last.known)),
        key: limbs((i) => usual.times(at(was.key, i)).plus(waited.times(at(own.cell.nextKey, i)))),
        open: limbs((i) => waited.times(at(own.cell.key, i)).plus(watches.times(at(last.price, i)))),
        next: was.next,
        nextKey: was.nextKey,
      },
      is: {
        ladder: usual.times(is.ladder).plus(goesOn.times(ladder)),
        terms: sumOf([goesOn.times(prevention), trigger.times(last.known), learns]),
        key: limbs((i) => usual.times(at(is.key, i)).plus(goesOn.times(at(report.price, i)))),
        open: limbs((i) =>
          sumOf([
            wait.times(at(limit, i)),
            alter.times(at(own.cell.key, i)),
            trigger.times(at(last.price, i)),
            learns.times(at(report.price, i)),
          ]),
        ),
        next: [next(0), next(1), next(2), next(3)],
        nextKey: limbs(nextKey),
      },
    };
  }

  /** What becomes of the other order's cell: where it is quiet, that is the head of the stops to sell, which learns of the trade. */
  learning(cell: Cell<Expression>): Cell<Expression> {
    const { step, report, other } = this.#columns;
    const known = this.#circuit.constant(1).minus(other.cell.terms);
    const open = (i: 0 | 1 | 2): Expression =>
      cell.open[i].plus(step.quiet.times(report.price[i].minus(other.cell.open[i])));
    return { ...cell, terms: cell.terms.plus(step.quiet.times(known)), open: [open(0), open(1), open(2)] };
  }

  /** A trigger takes the stop's second cell, which no other step has as its own. */
  ownAddress(): Key<Expression> {
    const { step, report, other } = this.#columns;
    const second = secondKey(other.address);
    const at = (i: number): Expression => {
      const order = report.order[i] as Expression;
      return order.plus(step.trigger.times((second[i] as Expression).minus(order)));
    };
    return [at(0), at(1), at(2), at(3)];
  }

  /** What becomes of the own cell, if the order comes to wait, or waits on with what a replace names. */
  waiting(cell: Cell<Expression>): Cell<Expression> {
    const { step, report, limit, own } = this.#columns;
    const { wait, alter } = step;
    const ladder = report.symbol
      .times(2)
      .plus(report.side)
      .plus(STOP_LADDER + 1);
    const second = secondKey(report.order);
    const next = (i: 0 | 1 | 2 | 3): Expression => cell.next[i].plus(wait.times(second[i]));
    const key = (i: 0 | 1 | 2): Expression => cell.key[i].plus(wait.times(limit[i]));
    const nextKey = (i: 0 | 1 | 2): Expression =>
      sumOf([cell.nextKey[i], wait.times(report.price[i]), alter.times(report.price[i].minus(own.cell.nextKey[i]))]);
    return {
      ladder: cell.ladder.plus(wait.times(ladder)),
      terms: cell.terms.plus(wait.times(becomes(this.#columns))),
      key: [key(0), key(1), key(2)],
      open: cell.open,
      next: [next(0), next(1), next(2), next(3)],
      nextKey: [nextKey(0), nextKey(1), nextKey(2)],
    };
  }
}
