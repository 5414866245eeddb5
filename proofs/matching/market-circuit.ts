import { type Circuit, CircuitBuilder } from '../stark/constraints.ts';
import type { Expression } from '../stark/expressions.ts';
import {
  type BookTable,
  type Cell,
  ID_IN_KEY_2,
  type Key,
  KINDS,
  LIST_HEAD,
  type Limbs,
  type MarketColumns,
  marketColumns,
  STEPS,
} from './market-columns.ts';

/**
 * The rules of the market (docs/market-rules.md) as equations over rows: a row is one step of one command, such as one
 * trade. docs/market-circuit.md lists every column and constraint.
 *
 * The books live in a memory whose cells are orders, addressed by account and client order id, and the heads of the
 * ladders. Each ladder is a list from its head through its orders, best first and first come first served, to the next
 * ladder's head. A row reads and writes up to three cells: the head of the other side, one other order, and its own. What
 * is read must be what was written there last: the memory bus balances only then, because times of access increase and
 * the directory lets every address begin once.
 */
export const MARKET_CIRCUIT_VERSION = 1;

const LIMB = 65_536;
const LIMB_MAX = 65_535;
/** Ages, and what the directory compares, are a limb and 2^14 or 2^12 times another: less than p, all of them. */
const AGE_UNIT = 2 ** 14;
const LISTED_UNIT = 2 ** 12;
const PORTS = 3;
/** Commands of more than one step. */
const LONG_KINDS = ['new', 'replace', 'mass cancel'] as const;
/** Reasons that the circuit itself gives (journal/reasons.ts). */
const UNKNOWN_ORDER = 2;

/** Without the constraints and bus entries named, to show what each of them refuses. */
export function marketCircuit(without: readonly string[] = []): Circuit {
  const circuit = new CircuitBuilder('veritape market', MARKET_CIRCUIT_VERSION);
  const columns = marketColumns(circuit);
  new MarketRules(circuit, columns).write();
  return circuit.build(without);
}

class MarketRules {
  readonly #circuit: CircuitBuilder;
  readonly #columns: MarketColumns<Expression>;
  readonly #one: Expression;
  readonly #zero: Expression;

  constructor(circuit: CircuitBuilder, columns: MarketColumns<Expression>) {
    this.#circuit = circuit;
    this.#columns = columns;
    this.#one = circuit.constant(1);
    this.#zero = circuit.constant(0);
  }

  write(): void {
    this.#sequence();
    this.#commands();
    this.#steps();
    this.#admission();
    this.#order();
    this.#crossing();
    this.#sizes();
    this.#places();
    this.#replaces();
    this.#massCancels();
    this.#reports();
    this.#memory();
    for (const table of [this.#columns.before, this.#columns.after]) this.#bookTable(table);
    this.#directory();
    this.#ranges();
  }

  // --- Rows and commands -----------------------------------------------------------------------------------------------

  #sequence(): void {
    const { command, clock, first, last } = this.#columns;
    const real = this.#real();
    const commands = this.#circuit.publicInput('commands');
    this.#circuit.onFirstRow('the clock starts at zero', clock);
    this.#circuit.onTransition('the clock ticks', clock.next().minus(clock).minus(1));
    this.#circuit.onFirstRow('commands are counted from zero', command.number);
    this.#circuit.onTransition('commands are counted', command.number.next().minus(command.number).minus(last));
    this.#circuit.onLastRow('commands are as many as stated', command.number.minus(commands));
    this.#circuit.onLastRow('the last row is empty', real);
    this.#circuit.onFirstRow('the first row begins a command', first.minus(real));
    this.#circuit.onTransition('a command begins where one ended', first.next().minus(last.times(real.next())));
    this.#circuit.onTransition('after the last command rows are empty', this.#not(real).times(real.next()));
    this.#every('no command ends on an empty row', this.#not(real).times(last));
    // That a row has one kind or none, and that `aside` is a bit, follows from these and the steps.
    for (const kind of KINDS.filter((name) => name !== 'aside')) this.#bit(command.kind[kind], kind);
    const carried: [string, Expression][] = [
      ...LONG_KINDS.map((kind): [string, Expression] => [kind, command.kind[kind]]),
      ['market', command.market],
      ['rests', command.rests],
      ['fill or kill', command.fillOrKill],
      ['post only', command.postOnly],
      ['has price', command.hasPrice],
      ['has quantity', command.hasQuantity],
      ['late', command.late],
      ['one side', command.oneSide],
      ['by account', command.byAccount],
      ['by symbol', command.bySymbol],
      ['symbol', command.symbol],
      ['side', command.side],
      ...command.key.map((part, i): [string, Expression] => [`key ${i}`, part]),
      ...command.price.map((limb, i): [string, Expression] => [`price ${i}`, limb]),
      ...command.quantity.map((limb, i): [string, Expression] => [`quantity ${i}`, limb]),
      ['reason', command.reason],
    ];
    const goesOn = real.minus(last);
    for (const [name, column] of carried) {
      this.#circuit.onTransition(`a command's ${name} stays`, goesOn.times(column.next().minus(column)));
    }
  }

  /** What a record of a valid command looks like. The rest of it is fixed by whoever recomputes the tape. */
  #commands(): void {
    const { command, priceCheck, priceInverse, quantityInverse } = this.#columns;
    const [p0, p1, p2] = command.price;
    const sum = p0.plus(p1.times(2)).plus(p2.times(2));
    const top = 5 * LIMB_MAX;
    this.#every('price check', priceCheck.minus(sum.times(sum.minus(top)).times(sum.minus(top - 1))));
    const limited = command.kind.new.minus(command.market).plus(command.hasPrice);
    this.#every('a limit is 1 to 2^48 - 3', limited.times(priceCheck.times(priceInverse).minus(1)));
    const sized = command.kind.new.plus(command.kind.reduce).plus(command.hasQuantity);
    this.#every('a quantity is at least 1', sized.times(sumOf(command.quantity).times(quantityInverse).minus(1)));
  }

  // --- Steps -----------------------------------------------------------------------------------------------------------

  #steps(): void {
    const { command, step, first, last, covers, gapIsZero } = this.#columns;
    const { kind } = command;
    // So are the other two: memory lets nobody read the other side's head less than once, or more.
    for (const name of STEPS.filter((one) => one !== 'fill' && one !== 'expire')) this.#bit(step[name], name);
    this.#every('a row takes one step', sumOf(STEPS.map((name) => step[name])).minus(this.#real()));

    const allowed = (name: string, of: Expression, steps: readonly Expression[]): void =>
      this.#every(`steps of ${name}`, of.times(this.#not(sumOf(steps))));
    const wouldTrade = step['would trade'];
    allowed('a new order', kind.new, [
      step.fill,
      step.rest,
      step.expire,
      step.peek,
      step.fail,
      wouldTrade,
      step.refuse,
    ]);
    allowed('a cancel', kind.cancel, [step.remove, step.refuse]);
    allowed('a reduce', kind.reduce, [step.remove, step.shrink, step.refuse]);
    const begins = step.keep.plus(step.leave).plus(wouldTrade).plus(step.refuse);
    allowed('a replace', kind.replace, [step.fill, step.rest, begins]);
    allowed('a mass cancel', kind['mass cancel'], [step.remove, step.pass]);
    allowed('what is set aside', kind.aside, [step.pass]);
    this.#every('a replace leaves first', kind.replace.times(first.minus(begins)));
    this.#every('a new order is refused first', kind.new.times(wouldTrade.plus(step.refuse)).times(this.#not(first)));

    const ending = [step.rest, step.expire, step.fail, wouldTrade, step.refuse, step.shrink, step.keep, step.pass];
    this.#every('steps that end a command', sumOf(ending).times(this.#not(last)));
    this.#every('steps that do not end a command', step.peek.plus(step.leave).times(last));
    this.#every(
      'a fill ends a command when nothing is left',
      step.fill.times(last.minus(1).plus(covers).minus(gapIsZero)),
    );
    this.#every(
      'a removal ends a command but a mass cancel',
      step.remove.times(last.minus(1).plus(kind['mass cancel'])),
    );

    this.#every('only what rests rests', step.rest.times(this.#not(command.rests)));
    this.#every('what rests does not expire', step.expire.times(command.rests));
    this.#every('fill or kill does not expire', step.expire.times(command.fillOrKill));
    this.#every('only fill or kill peeks and fails', step.peek.plus(step.fail).times(this.#not(command.fillOrKill)));
    this.#circuit.onTransition(
      'fill or kill that has traded does not fail',
      step.fill.times(this.#not(last)).times(step.peek.next().plus(step.fail.next())),
    );
    this.#circuit.onTransition(
      'fill or kill that has peeked fails',
      step.peek.times(this.#not(step.peek.next().plus(step.fail.next()))),
    );
  }

  // --- May the command be carried out ----------------------------------------------------------------------------------

  #admission(): void {
    const { command, step, first, own, inLadder, isFree, freeInverse, amends } = this.#columns;
    const { kind } = command;
    const named = this.#named();
    const gap = own.cell.ladder.minus(command.symbol.times(2)).minus(1);
    this.#every('in ladder', inLadder.minus(gap.times(gap.minus(1))));
    // Zero: a new order's key is free, or the order that the command names is there.
    const tested = named.times(inLadder).plus(this.#not(named).times(own.cell.ladder));
    this.#every('is free: only if it is', isFree.times(tested));
    this.#every('is free: if it is', this.#not(isFree).minus(tested.times(freeInverse)));
    this.#every(
      'a new order is refused if and only if its key is taken',
      kind.new.times(first).times(step.refuse.minus(this.#not(isFree))),
    );
    this.#every('amends', amends.minus(kind.reduce).minus(kind.replace.times(first)));
    this.#every(
      'a named order is refused if and only if it is unknown or late',
      kind.cancel.plus(amends).times(step.refuse.minus(this.#not(isFree.times(this.#not(command.late))))),
    );
  }

  // --- The order at work: instrument, side, key, limit, quantity ---------------------------------------------------------

  #order(): void {
    const { command, step, report, first, last, own, postOnly, limit, left, gap } = this.#columns;
    const { kind } = command;
    const ofMass = kind['mass cancel'].times(step.remove);
    const unlessMass = this.#not(ofMass);
    this.#bit(report.side, 'report side');
    this.#every("the instrument is the command's", unlessMass.times(report.symbol.minus(command.symbol)));
    for (const [i, part] of report.order.entries()) {
      this.#every(`the order is the command's ${i}`, unlessMass.times(part.minus(command.key[i] as Expression)));
    }
    this.#every(
      "the side is the command's",
      kind.new.plus(step.refuse).plus(step.pass).times(report.side.minus(command.side)),
    );
    const found = own.cell.ladder.minus(this.#ladder()).minus(1);
    const changes = step.remove.plus(step.shrink).plus(step.keep).plus(step.leave);
    this.#every('the side is that of the order found', changes.times(found));
    this.#every('the side is that of the order that would trade', kind.replace.times(step['would trade']).times(found));

    this.#every('a new order is post-only if it says so', kind.new.times(postOnly.minus(command.postOnly)));
    this.#every('a replaced order stays post-only', kind.replace.times(first).times(postOnly.minus(own.cell.postOnly)));
    const priced = kind.new.minus(command.market).plus(command.hasPrice);
    const unpriced = kind.replace.minus(command.hasPrice);
    const marketLimit = [LIMB_MAX - 1, LIMB_MAX, LIMB_MAX];
    const sized = kind.new.plus(kind.reduce).plus(command.hasQuantity);
    const unsized = kind.replace.minus(command.hasQuantity);
    for (let i = 0; i < 3; i++) {
      const price = command.price[i] as Expression;
      const worst = limit[i] as Expression;
      const sellKey = mirrored(price);
      this.#every(
        `the limit is the price named ${i}`,
        priced.times(worst.minus(price).minus(report.side.times(sellKey.minus(price)))),
      );
      this.#every(`a market order has no limit ${i}`, command.market.times(worst.minus(marketLimit[i] as number)));
      this.#every(
        `a replace without price keeps its limit ${i}`,
        unpriced.times(first).times(worst.minus(mirrored(own.cell.key[i] as Expression))),
      );
      const quantity = left[i] as Expression;
      this.#every(
        `what is left is first the quantity named ${i}`,
        sized.times(first).times(quantity.minus(command.quantity[i] as Expression)),
      );
      this.#every(
        `a replace without quantity keeps its quantity ${i}`,
        unsized.times(first).times(quantity.minus(own.cell.open[i] as Expression)),
      );
      const counted = step.fill.times(this.#not(last)).plus(step.peek);
      this.#circuit.onTransition(
        `what is left gets less ${i}`,
        counted.times(quantity.next().minus(gap[i] as Expression)),
      );
      this.#circuit.onTransition(
        `what is left stays when an order leaves ${i}`,
        step.leave.times(quantity.next().minus(quantity)),
      );
    }
    const goesOn = step.fill.times(this.#not(last)).plus(step.peek).plus(step.leave);
    for (const [name, column] of [
      ['side', report.side],
      ['post only', postOnly],
      ...limit.map((limb, i): [string, Expression] => [`limit ${i}`, limb]),
    ] as [string, Expression][]) {
      this.#circuit.onTransition(`an order's ${name} stays`, goesOn.times(column.next().minus(column)));
    }
  }

  // --- Price priority ----------------------------------------------------------------------------------------------------

  #crossing(): void {
    const { step, limit, best, crosses, crossGap, crossBorrow, head, other, postOnly } = this.#columns;
    // A bit wherever a rule below speaks of it; elsewhere it says nothing.
    this.#borrows('cross', crossBorrow);
    // Crossing: limit - best >= 0. Else: best - limit - 1 >= 0.
    this.#difference('cross', this.#one, {
      sign: crosses.times(2).minus(1),
      from: limit,
      take: best,
      less: this.#not(crosses),
      gives: crossGap,
      borrow: crossBorrow,
    });
    const seen = this.#seesHead();
    for (let i = 0; i < 3; i++) {
      const limb = best[i] as Expression;
      this.#every(`best is what the head names ${i}`, seen.times(limb.minus(head.nextKey[i] as Expression)));
      this.#circuit.onTransition(
        `after a peek best is the order behind ${i}`,
        step.peek.times(limb.next().minus(other.cell.nextKey[i] as Expression)),
      );
    }
    const trades = step.fill.plus(step.peek).plus(step['would trade']);
    this.#every('what trades crosses', trades.times(this.#not(crosses)));
    const idle = step.rest.plus(step.expire).plus(step.fail);
    this.#every('what does not trade does not cross', idle.times(crosses));
    this.#every('post-only does not trade', step.fill.times(postOnly));
    this.#every('only post-only would trade', step['would trade'].times(this.#not(postOnly)));
  }

  // --- Quantities --------------------------------------------------------------------------------------------------------

  #sizes(): void {
    const {
      command,
      step,
      left,
      covers,
      gap,
      gapBorrow,
      gapIsZero,
      gapInverse,
      other,
      own,
      exhausts,
      limit,
      atHead,
      amends,
    } = this.#columns;
    const { kind } = command;
    this.#bit(covers, 'covers');
    this.#borrows('gap', gapBorrow);
    const sign = covers.times(2).minus(1);
    const makers = step.fill.plus(step.peek);
    const common = { gives: gap, borrow: gapBorrow };
    this.#difference('fill', makers, { sign, from: left, take: other.cell.open, ...common });
    this.#difference('amend', amends, { sign, from: left, take: own.cell.open, ...common });
    // Resting behind an order: its price key is not above the one that rests.
    const behind = step.rest.times(this.#not(atHead));
    this.#difference('rest', behind, {
      from: limit.map(mirrored) as unknown as Limbs<Expression>,
      take: other.cell.key,
      ...common,
    });

    const sum = sumOf(gap);
    const compared = makers.plus(amends);
    this.#every('gap is zero: only if it is', gapIsZero.times(sum));
    this.#every('gap is zero: if it is', compared.times(this.#not(gapIsZero).minus(sum.times(gapInverse))));
    this.#every('equal quantities cover', compared.times(this.#not(covers)).times(gapIsZero));
    this.#every('exhausts', exhausts.minus(step.fill.times(covers)));
    this.#every('a peek finds too little', step.peek.times(this.#not(covers).plus(gapIsZero)));
    this.#every('a reduce to nothing removes', kind.reduce.times(step.remove).times(this.#not(covers)));
    this.#every('a reduce to something shrinks', step.shrink.times(covers));
  }

  // --- Time priority: where orders are put and taken out -------------------------------------------------------------------

  #places(): void {
    const { step, first, report, limit, behindGap, behindBorrow, atHead, head, other } = this.#columns;
    for (let i = 0; i < 4; i++) {
      const address = other.address[i] as Expression;
      const best = head.next[i] as Expression;
      this.#every(`the maker is the best order ${i}`, step.fill.times(address.minus(best)));
      this.#every(`a peek begins with the best order ${i}`, step.peek.times(first).times(address.minus(best)));
      this.#circuit.onTransition(
        `a peek goes on with the order behind ${i}`,
        step.peek.times(step.peek.next()).times(address.next().minus(other.cell.next[i] as Expression)),
      );
      this.#every(
        `an order is taken from behind another ${i}`,
        step.remove.plus(step.leave).times((other.cell.next[i] as Expression).minus(report.order[i] as Expression)),
      );
    }
    const linked = step.rest.plus(step.remove).plus(step.leave);
    this.#every(
      'the other order is of the same ladder',
      linked.times(other.cell.ladder.minus(this.#ladder()).minus(1)),
    );
    this.#borrows('behind', behindBorrow);
    this.#every('at head', atHead.times((other.address[3] as Expression).minus(LIST_HEAD)));
    this.#difference('behind', step.rest, {
      from: other.cell.nextKey,
      take: limit.map(mirrored) as unknown as Limbs<Expression>,
      less: this.#one,
      gives: behindGap,
      borrow: behindBorrow,
    });
  }

  // --- Replaces ------------------------------------------------------------------------------------------------------------

  #replaces(): void {
    const { step, limit, covers, samePrice, priceWitness, own, amends } = this.#columns;
    const differences = limit.map((limb, i) => limb.minus(mirrored(own.cell.key[i] as Expression)));
    for (const [i, difference] of differences.entries()) {
      this.#every(`same price: only if it is ${i}`, samePrice.times(difference));
    }
    const shown = sumOf(differences.map((difference, i) => difference.times(priceWitness[i] as Expression)));
    this.#every('same price: if it is', amends.times(this.#not(samePrice).minus(shown)));
    this.#every('only the same price keeps its place', step.keep.times(this.#not(samePrice)));
    this.#every('only a smaller quantity keeps its place', step.keep.times(covers));
    const loses = step.leave.plus(step['would trade']);
    this.#every(
      'a smaller quantity at the same price keeps its place',
      loses.times(samePrice).times(this.#not(covers)),
    );
  }

  // --- Mass cancels ----------------------------------------------------------------------------------------------------------

  #massCancels(): void {
    const { command, step, report, gap, behindGap } = this.#columns;
    const { remove } = step;
    const [g0, g1] = gap;
    const [b0, b1] = behindGap;
    const ofMass = command.kind['mass cancel'].times(remove);
    const byAccount = remove.times(command.byAccount);
    this.#every('by account: upper half', byAccount.times(report.order[3].minus(command.key[3])));
    this.#every('by account: lower half', byAccount.times(report.order[2].minus(command.key[2]).minus(g0)));
    this.#every("by account: the rest is the id's", byAccount.times(g0.times(ID_IN_KEY_2).minus(g1)));
    this.#every('by symbol', remove.times(command.bySymbol).times(report.symbol.minus(command.symbol)));
    this.#every('by side', remove.times(command.oneSide).times(report.side.minus(command.side)));
    // Else 2 * symbol + side could be split in two ways.
    this.#every(
      "a removed order's instrument is small",
      ofMass.times(report.symbol.minus(b0).minus(b1.times(LISTED_UNIT))),
    );
  }

  // --- Reports -------------------------------------------------------------------------------------------------------------

  #reports(): void {
    const { command, step, report, isFree, limit, left, covers, gap, own, other } = this.#columns;
    const { kind } = command;
    const { fill, remove, shrink, keep, leave, refuse, pass, expire } = step;
    const not = (steps: Expression): Expression => this.#not(steps);
    this.#every(
      'reason: taken or unknown',
      refuse.times(not(isFree)).times(report.reason.minus(UNKNOWN_ORDER).minus(kind.new)),
    );
    this.#every('reason: late', refuse.times(isFree).times(report.reason.minus(command.reason)));
    this.#every('reason: set aside', pass.times(report.reason.minus(command.reason)));
    this.#every('reason: none', not(refuse.plus(pass)).times(report.reason));
    for (let i = 0; i < 4; i++) {
      const maker = report.maker[i] as Expression;
      this.#every(`maker ${i}`, fill.times(maker.minus(other.address[i] as Expression)));
      this.#every(`no maker ${i}`, not(fill).times(maker));
    }
    const places = remove.plus(shrink).plus(keep);
    for (let i = 0; i < 3; i++) {
      const price = report.price[i] as Expression;
      const quantity = report.quantity[i] as Expression;
      const open = report.open[i] as Expression;
      const makerKey = other.cell.key[i] as Expression;
      const ownKey = own.cell.key[i] as Expression;
      const worst = limit[i] as Expression;
      const rest = left[i] as Expression;
      const makerOpen = other.cell.open[i] as Expression;
      const difference = gap[i] as Expression;
      this.#every(
        `price: of a fill, the maker's ${i}`,
        fill.times(price.minus(this.#choose(mirrored(makerKey), makerKey))),
      );
      this.#every(
        `price: of an order in its place ${i}`,
        places.times(price.minus(this.#choose(ownKey, mirrored(ownKey)))),
      );
      this.#every(
        `price: of an order that leaves ${i}`,
        leave.times(price.minus(this.#choose(mirrored(worst), worst))),
      );
      this.#every(`price: else none ${i}`, not(fill.plus(places).plus(leave)).times(price));

      this.#every(
        `quantity: of a fill, the smaller ${i}`,
        fill.times(quantity.minus(rest).minus(covers.times(makerOpen.minus(rest)))),
      );
      this.#every(`quantity: of a removal, all ${i}`, remove.times(quantity.minus(own.cell.open[i] as Expression)));
      this.#every(
        `quantity: of the order at work ${i}`,
        shrink.plus(keep).plus(leave).plus(expire).times(quantity.minus(rest)),
      );
      this.#every(`quantity: else none ${i}`, not(sumOf([fill, remove, shrink, keep, leave, expire])).times(quantity));

      this.#every(`open: of a fill, the maker's ${i}`, fill.times(open.minus(not(covers).times(difference))));
      this.#every(`open: of a reduce ${i}`, shrink.times(open.minus(difference)));
      this.#every(`open: of a replace ${i}`, keep.plus(leave).times(open.minus(rest)));
      this.#every(`open: else none ${i}`, not(sumOf([fill, shrink, keep, leave])).times(open));
    }
  }

  // --- Memory --------------------------------------------------------------------------------------------------------------

  #memory(): void {
    const { command, step, report, clock, first, limit, left, postOnly, gap, head, other, own, exhausts } =
      this.#columns;
    const { fill, rest, peek, remove, shrink, keep, leave } = step;
    const bus = this.#circuit.bus('memory');
    const zero = this.#zero;
    const ladder = this.#ladder().plus(1);
    const opposite = report.symbol.times(2).minus(report.side).plus(1);
    const sees = this.#seesHead();
    const meets = sumOf([fill, peek, rest, remove, leave]);
    const owns = sumOf([command.kind.new, this.#named()])
      .times(first)
      .plus(rest.times(this.#not(first)))
      .plus(command.kind['mass cancel'].times(remove));
    const mix = (parts: readonly (readonly [Expression, Expression])[]): Expression =>
      sumOf(parts.map(([when, value]) => when.times(value)));

    const headCell = (next: Key<Expression>, nextKey: Limbs<Expression>): Cell<Expression> => ({
      ladder: opposite.plus(1),
      postOnly: zero,
      key: this.#limbs(() => this.#circuit.constant(LIMB_MAX)),
      open: this.#limbs(() => zero),
      next,
      nextKey,
    });
    const headAddress: Key<Expression> = [opposite, zero, zero, this.#circuit.constant(LIST_HEAD)];
    const moved = (now: Expression, then: Expression): Expression => now.plus(exhausts.times(then.minus(now)));
    const headAfter = headCell(
      this.#key((i) => moved(head.next[i] as Expression, other.cell.next[i] as Expression)),
      this.#limbs((i) => moved(head.nextKey[i] as Expression, other.cell.nextKey[i] as Expression)),
    );

    // A fill takes from the other order, or all of it with its links; what rests or goes changes the link to it.
    const relinks = sumOf([rest, remove, leave]);
    const stays = this.#not(exhausts);
    const links = stays.minus(relinks);
    const otherAfter: Cell<Expression> = {
      ladder: stays.times(other.cell.ladder),
      postOnly: stays.times(other.cell.postOnly),
      key: this.#limbs((i) => stays.times(other.cell.key[i] as Expression)),
      // Of a fill that does not exhaust, the difference; every other step leaves the quantity.
      open: this.#limbs((i) =>
        mix([
          [this.#not(fill), other.cell.open[i] as Expression],
          [fill.minus(exhausts), gap[i] as Expression],
        ]),
      ),
      next: this.#key((i) =>
        mix([
          [links, other.cell.next[i] as Expression],
          [rest, report.order[i] as Expression],
          [remove.plus(leave), own.cell.next[i] as Expression],
        ]),
      ),
      nextKey: this.#limbs((i) =>
        mix([
          [links, other.cell.nextKey[i] as Expression],
          [rest, mirrored(limit[i] as Expression)],
          [remove.plus(leave), own.cell.nextKey[i] as Expression],
        ]),
      ),
    };

    const same = this.#not(relinks);
    const ownAfter: Cell<Expression> = {
      ladder: mix([
        [same, own.cell.ladder],
        [rest, ladder],
      ]),
      postOnly: mix([
        [same, own.cell.postOnly],
        [rest, postOnly],
      ]),
      key: this.#limbs((i) =>
        mix([
          [same, own.cell.key[i] as Expression],
          [rest, mirrored(limit[i] as Expression)],
        ]),
      ),
      open: this.#limbs((i) =>
        mix([
          [same.minus(shrink).minus(keep), own.cell.open[i] as Expression],
          [rest.plus(keep), left[i] as Expression],
          [shrink, gap[i] as Expression],
        ]),
      ),
      next: this.#key((i) =>
        mix([
          [same, own.cell.next[i] as Expression],
          [rest, other.cell.next[i] as Expression],
        ]),
      ),
      nextKey: this.#limbs((i) =>
        mix([
          [same, own.cell.nextKey[i] as Expression],
          [rest, other.cell.nextKey[i] as Expression],
        ]),
      ),
    };

    const { before, after, afterTime, directory } = this.#columns;
    const rows = (table: BookTable<Expression>): Cell<Expression> => ({
      ladder: table.ladder,
      postOnly: table.postOnly,
      key: table.key,
      open: table.open,
      next: this.#key((i) => (table.address[i] as Expression).next()),
      nextKey: this.#limbs((i) => (table.key[i] as Expression).next()),
    });
    const nothing: Cell<Expression> = {
      ladder: zero,
      postOnly: zero,
      key: this.#limbs(() => zero),
      open: this.#limbs(() => zero),
      next: this.#key(() => zero),
      nextKey: this.#limbs(() => zero),
    };
    const now = (port: number): Expression => clock.times(PORTS).plus(port + 1);

    // Entries whose messages are linear share a helper column with their neighbour.
    bus.receive(
      'the head of the other side was',
      sees,
      message(headAddress, headCell(head.next, head.nextKey), head.time),
    );
    bus.receive('the other order was', meets, message(other.address, other.cell, other.time));
    bus.receive('the own order was', owns, message(report.order, own.cell, own.time));
    bus.receive('orders of book before begin as listed', before.isOrder, message(before.address, nothing, zero));
    bus.send('book before', before.used, message(before.address, rows(before), zero));
    bus.receive('book after', after.used, message(after.address, rows(after), afterTime));
    bus.send('listed orders begin as nothing', this.#one, message(directory.key, nothing, zero));
    bus.receive('listed orders end as nothing', directory.gone, message(directory.key, nothing, directory.goneTime));
    bus.send('the head of the other side is', sees, message(headAddress, headAfter, now(0)));
    bus.send('the other order is', meets, message(other.address, otherAfter, now(1)));
    bus.send('the own order is', owns, message(report.order, ownAfter, now(2)));
    this.#bit(directory.gone, 'gone');

    // A row finds every cell as earlier rows left it, and none twice. Or else a new order with the key of its own maker
    // would find that key free, behind the trade.
    const times = [head.time, other.time, own.time];
    for (const [port, gate] of [sees, meets, owns].entries()) {
      const [low, high] = this.#columns.ages[port] as readonly [Expression, Expression];
      const age = clock.times(PORTS).minus(times[port] as Expression);
      this.#every(`time goes on ${port}`, gate.times(age.minus(low).minus(high.times(AGE_UNIT))));
    }
  }

  #bookTable(table: BookTable<Expression>): void {
    const { name, used, isOrder, address } = table;
    this.#bit(used, `${name} used`);
    this.#bit(isOrder, `${name} is order`);
    this.#every(`book ${name}: only rows that are used are orders`, isOrder.times(this.#not(used)));
    this.#every(`book ${name}: what is no order is a head`, used.minus(isOrder).times(address[3].minus(LIST_HEAD)));
    this.#circuit.onTransition(`book ${name}: rows are used in one piece`, this.#not(used).times(used.next()));
    this.#circuit.onLastRow(`book ${name}: the last row is not used`, used);
  }

  /**
   * Each key is larger than the one before: in the first element in which they differ, by no more than 2^28 or so, and to
   * no more than that, so that no sum of such steps leads around the field.
   */
  #directory(): void {
    const { key, differs, growth, value } = this.#columns.directory;
    for (const [i, bit] of differs.entries()) this.#bit(bit, `listed differs ${3 - i}`);
    this.#every('listed: the next differs', this.#not(sumOf(differs)));
    const step = (element: Expression): Expression => element.next().minus(element);
    const significant = [...key].reverse();
    for (let i = 0; i < 3; i++) {
      this.#circuit.onTransition(
        `listed: above the first difference all is equal ${3 - i}`,
        sumOf(differs.slice(i + 1)).times(step(significant[i] as Expression)),
      );
    }
    const pick = (of: (element: Expression) => Expression): Expression =>
      sumOf(differs.map((bit, i) => bit.times(of(significant[i] as Expression))));
    this.#circuit.onTransition(
      'listed: the next is larger',
      pick(step).minus(1).minus(growth[0]).minus(growth[1].times(LISTED_UNIT)),
    );
    this.#circuit.onTransition(
      'listed: elements are small',
      pick((element) => element.next())
        .minus(value[0])
        .minus(value[1].times(LISTED_UNIT)),
    );
  }

  #ranges(): void {
    const { command, crossGap, gap, behindGap, ages, directory, range } = this.#columns;
    this.#circuit.onFirstRow('the range starts at zero', range.value);
    const step = range.value.next().minus(range.value);
    this.#circuit.onTransition('the range steps by one', step.times(step.minus(1)));
    this.#circuit.onLastRow('the range ends at 65535', range.value.minus(LIMB_MAX));
    const bus = this.#circuit.bus('range');
    bus.send('every number of 16 bits', range.times, [range.value]);
    const looked: [string, readonly Expression[]][] = [
      ['price', command.price],
      ['quantity', command.quantity],
      ['cross gap', crossGap],
      ['gap', gap],
      ['behind gap', behindGap],
      ...ages.map((age, port): [string, readonly Expression[]] => [`age of port ${port}`, age]),
      ['listed growth', directory.growth],
      ['listed value', directory.value],
    ];
    for (const [name, columns] of looked) {
      for (const [i, column] of columns.entries()) bus.receive(`${name} ${i} has 16 bits`, this.#one, [column]);
    }
  }

  // --- Words of this language --------------------------------------------------------------------------------------------

  /** Whether the row belongs to a command. */
  #real(): Expression {
    return sumOf(KINDS.map((kind) => this.#columns.command.kind[kind]));
  }

  /** Commands that name an order. */
  #named(): Expression {
    const { cancel, reduce, replace } = this.#columns.command.kind;
    return cancel.plus(reduce).plus(replace);
  }

  /** The ladder of the order at work. */
  #ladder(): Expression {
    const { report } = this.#columns;
    return report.symbol.times(2).plus(report.side);
  }

  /** Rows that look at the head of the other side. */
  #seesHead(): Expression {
    const { step, first } = this.#columns;
    return sumOf([step.fill, step.rest, step.expire, step['would trade']]).plus(step.peek.plus(step.fail).times(first));
  }

  /** By the side of the order at work: the first for sells, the second for buys. */
  #choose(sell: Expression, buy: Expression): Expression {
    return buy.plus(this.#columns.report.side.times(sell.minus(buy)));
  }

  #limbs(limb: (i: number) => Expression): Limbs<Expression> {
    return [limb(0), limb(1), limb(2)];
  }

  #key(part: (i: number) => Expression): Key<Expression> {
    return [part(0), part(1), part(2), part(3)];
  }

  #not(a: Expression): Expression {
    return this.#one.minus(a);
  }

  #every(name: string, zero: Expression): void {
    this.#circuit.onEveryRow(name, zero);
  }

  #bit(column: Expression, name: string): void {
    this.#every(`${name} is a bit`, column.times(column.minus(1)));
  }

  /** More than a bit could borrow all of p: the difference would be one modulo p, and never below zero. */
  #borrows(name: string, borrow: readonly Expression[]): void {
    for (const [i, bit] of borrow.entries()) this.#bit(bit, `${name} borrow ${i}`);
  }

  /** Where `when` is 1: sign * (from - take) - less = gives, and not below zero, as its limbs are looked up. */
  #difference(
    name: string,
    when: Expression,
    { sign = this.#one, from, take, less = this.#zero, gives, borrow }: Difference,
  ): void {
    for (let i = 0; i < 3; i++) {
      const limb = sign.times((from[i] as Expression).minus(take[i] as Expression));
      const lent = i < 2 ? (borrow[i] as Expression).times(LIMB) : this.#zero;
      const owed = i === 0 ? less : (borrow[i - 1] as Expression);
      this.#every(
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
function mirrored(limb: Expression): Expression {
  return limb.times(-1).plus(LIMB_MAX);
}

function sumOf(parts: readonly Expression[]): Expression {
  return parts.reduce((sum, part) => sum.plus(part));
}

function message(address: Key<Expression>, cell: Cell<Expression>, time: Expression): Expression[] {
  return [...address, cell.ladder, cell.postOnly, ...cell.key, ...cell.open, ...cell.next, ...cell.nextKey, time];
}
