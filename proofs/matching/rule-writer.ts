import type { CircuitBuilder } from '../stark/constraints.ts';
import type { Expression } from '../stark/expressions.ts';
import { type Key, KINDS, LIMB, LIMB_MAX, type Limbs, type MarketColumns, STP_IN_TERMS } from './market-columns.ts';

/** What the directory compares is a limb and this times another: less than p. */
export const LISTED_UNIT = 2 ** 12;

/** The words in which the market's rules are written. */
export abstract class RuleWriter {
  protected readonly circuit: CircuitBuilder;
  protected readonly columns: MarketColumns<Expression>;
  protected readonly one: Expression;
  protected readonly zero: Expression;

  constructor(circuit: CircuitBuilder, columns: MarketColumns<Expression>) {
    this.circuit = circuit;
    this.columns = columns;
    this.one = circuit.constant(1);
    this.zero = circuit.constant(0);
  }

  abstract write(): void;

  /** What columns and steps of stops are zeros without. */
  protected get hasStops(): boolean {
    return this.columns.line.end.degree > 0;
  }

  /** Whether the row belongs to a command. */
  protected real(): Expression {
    return sumOf(KINDS.map((kind) => this.columns.command.kind[kind]));
  }

  /** Commands that name an order. */
  protected named(): Expression {
    const { cancel, reduce, replace } = this.columns.command.kind;
    return cancel.plus(reduce).plus(replace).plus(this.restops());
  }

  /** Commands of orders that wait. */
  protected stops(): Expression {
    const { kind } = this.columns.command;
    return kind.stop.plus(kind['stop limit']);
  }

  /** Replaces that name a stop price. */
  protected restops(): Expression {
    const { kind } = this.columns.command;
    return kind['replace stop'].plus(kind['replace stop limit']);
  }

  /** The row, which is not the last of its command, takes an order from where it waits: on the next one it waits elsewhere. */
  protected renews(): Expression {
    return this.restops().times(this.columns.step.withdraw);
  }

  /** The ladder of the order at work. */
  protected ladder(): Expression {
    const { report } = this.columns;
    return report.symbol.times(2).plus(report.side);
  }

  /** Rows that look at the head of the other side. */
  protected seesHead(): Expression {
    const { step, first } = this.columns;
    const { fill, rest, expire } = step;
    const looks = step.peek.plus(step.fail).plus(step['skip own']).plus(step['fail at own']);
    return sumOf([fill, rest, expire, step['would trade']]).plus(this.prevents()).plus(looks.times(first));
  }

  /** Steps in which self-trade prevention takes something off. Zero in the plain circuit, as all of its steps. */
  protected prevents(): Expression {
    const { step } = this.columns;
    return sumOf([step['newest ends'], step['oldest ends'], step['both end'], step.decrement]);
  }

  /** Steps that take a quantity off the order at work and the maker. */
  protected takes(): Expression {
    const { step } = this.columns;
    return step.fill.plus(step.decrement);
  }

  /** Steps that take the maker off the book, whatever is left of the order at work. */
  protected clears(): Expression {
    const { step } = this.columns;
    return step['oldest ends'].plus(step['both end']);
  }

  /** Steps of a fill or kill that looks at an order and goes on. */
  protected counts(): Expression {
    const { step } = this.columns;
    return step.peek.plus(step['skip own']);
  }

  /** Steps of which the order at work is one that waits, or will. */
  protected waits(): Expression {
    const { step } = this.columns;
    return step.wait.plus(step.withdraw).plus(step.alter);
  }

  /** Steps that say whether a stop is due by the last trade, as it comes. */
  protected judges(): Expression {
    const { step } = this.columns;
    return step.undue.plus(step.due);
  }

  /** Steps that change nothing of an order, which goes on behind them. */
  protected watches(): Expression {
    const { step, last } = this.columns;
    return this.hasStops ? step.trigger.plus(step.quiet.times(this.not(last))).plus(step.undue) : this.zero;
  }

  /** Steps that end a fill or kill. */
  protected fails(): Expression {
    const { step } = this.columns;
    return step.fail.plus(step['fail at own']);
  }

  /** What stands in a cell besides amounts of the order at work. */
  protected terms(): Expression {
    const { postOnly, prevention } = this.columns;
    return postOnly.plus(prevention.times(STP_IN_TERMS));
  }

  /** By the side of the order at work: the first for sells, the second for buys. */
  protected choose(sell: Expression, buy: Expression): Expression {
    return buy.plus(this.columns.report.side.times(sell.minus(buy)));
  }

  protected limbs(limb: (i: number) => Expression): Limbs<Expression> {
    return [limb(0), limb(1), limb(2)];
  }

  protected key(part: (i: number) => Expression): Key<Expression> {
    return [part(0), part(1), part(2), part(3)];
  }

  protected not(a: Expression): Expression {
    return this.one.minus(a);
  }

  protected every(name: string, zero: Expression): void {
    this.circuit.onEveryRow(name, zero);
  }

  /** What the plain circuit has nothing to say about. */
  protected ruled(name: string, zero: () => Expression): void {
    if (this.columns.sameAccount.degree > 0) this.every(name, zero());
  }

  protected bit(column: Expression, name: string): void {
    if (column.degree > 0) this.every(`${name} is a bit`, column.times(column.minus(1)));
  }

  /** More than a bit could borrow all of p: the difference would be one modulo p, and never below zero. */
  protected borrows(name: string, borrow: readonly Expression[]): void {
    for (const [i, bit] of borrow.entries()) this.bit(bit, `${name} borrow ${i}`);
  }

  /** Where `when` is 1: sign * (from - take) - less = gives, and not below zero, as its limbs are looked up. */
  protected difference(
    name: string,
    when: Expression,
    { sign = this.one, from, take, less = this.zero, gives, borrow }: Difference,
  ): void {
    for (let i = 0; i < 3; i++) {
      const limb = sign.times((from[i] as Expression).minus(take[i] as Expression));
      const lent = i < 2 ? (borrow[i] as Expression).times(LIMB) : this.zero;
      const owed = i === 0 ? less : (borrow[i - 1] as Expression);
      this.every(
        `${name} difference ${i}`,
        when.times(
          limb
            .plus(lent)
            .minus(owed)
            .minus(gives[i] as Expression),
        ),
      );
    }
  }
}

interface Difference {
  readonly sign?: Expression;
  readonly from: Limbs<Expression>;
  readonly take: Limbs<Expression>;
  readonly less?: Expression;
  readonly gives: Limbs<Expression>;
  readonly borrow: readonly [Expression, Expression];
}

/** 2^48 - 1 less an amount, limb by limb. */
export function mirrored(limb: Expression): Expression {
  return limb.times(-1).plus(LIMB_MAX);
}

export function sumOf(parts: readonly Expression[]): Expression {
  return parts.reduce((sum, part) => sum.plus(part));
}
