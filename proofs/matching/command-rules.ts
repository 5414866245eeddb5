import type { Expression } from '../stark/expressions.ts';
import { KINDS, LIMB_MAX, STEPS } from './market-columns.ts';
import { mirrored, RuleWriter, sumOf } from './rule-writer.ts';

/** Commands of more than one step. */
const LONG_KINDS = ['new', 'replace', 'mass cancel'] as const;
/** Of a stop no other row is than the one on which it waits, and that says nothing of its own. */
const LONG_STOP_KINDS = ['triggered', 'replace stop', 'replace stop limit'] as const;

/** Which rows a command has, what it may do there, and the order that it is about. */
export class CommandRules extends RuleWriter {
  override write(): void {
    this.#sequence();
    this.#commands();
    this.#steps();
    this.#admission();
    this.#order();
  }

  // --- Rows and commands -----------------------------------------------------------------------------------------------

  #sequence(): void {
    const { command, clock, first, last } = this.columns;
    const real = this.real();
    const commands = this.circuit.publicInput('commands');
    this.circuit.onFirstRow('the clock starts at zero', clock);
    this.circuit.onTransition('the clock ticks', clock.next().minus(clock).minus(1));
    this.circuit.onFirstRow('commands are counted from zero', command.number);
    // What it triggered is entered within the same command.
    const counted = this.hasStops ? last.times(this.not(command.kind.triggered.next())) : last;
    this.circuit.onTransition('commands are counted', command.number.next().minus(command.number).minus(counted));
    this.circuit.onLastRow('commands are as many as stated', command.number.minus(commands));
    this.circuit.onLastRow('the last row is empty', real);
    this.circuit.onFirstRow('the first row begins a command', first.minus(real));
    this.circuit.onTransition('a command begins where one ended', first.next().minus(last.times(real.next())));
    this.circuit.onTransition('after the last command rows are empty', this.not(real).times(real.next()));
    this.every('no command ends on an empty row', this.not(real).times(last));
    for (const kind of KINDS) this.bit(command.kind[kind], kind);
    this.every('a row has one kind of command or none', real.times(real.minus(1)));
    const carried: [string, Expression][] = [
      ...(this.hasStops ? [...LONG_KINDS, ...LONG_STOP_KINDS] : LONG_KINDS).map((kind): [string, Expression] => [
        kind,
        command.kind[kind],
      ]),
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
      this.circuit.onTransition(`a command's ${name} stays`, goesOn.times(column.next().minus(column)));
    }
  }

  /** What a record of a valid command looks like. The rest of it is fixed by whoever recomputes the tape. */
  #commands(): void {
    const { command, priceCheck, priceInverse, quantityInverse } = this.columns;
    const [p0, p1, p2] = command.price;
    const sum = p0.plus(p1.times(2)).plus(p2.times(2));
    const top = 5 * LIMB_MAX;
    this.every('price check', priceCheck.minus(sum.times(sum.minus(top)).times(sum.minus(top - 1))));
    const { kind } = command;
    const limited = kind.new
      .plus(kind['stop limit'])
      .plus(kind.triggered)
      .minus(command.market)
      .plus(command.hasPrice)
      .plus(kind['replace stop limit']);
    this.every('a limit is 1 to 2^48 - 3', limited.times(priceCheck.times(priceInverse).minus(1)));
    const sized = this.#entering().plus(kind.reduce).plus(command.hasQuantity);
    this.every('a quantity is at least 1', sized.times(sumOf(command.quantity).times(quantityInverse).minus(1)));
  }

  /** Orders that were not there before, or were in no book. */
  #entering(): Expression {
    const { kind } = this.columns.command;
    return kind.new.plus(this.stops()).plus(kind.triggered);
  }

  // --- Steps -----------------------------------------------------------------------------------------------------------

  #steps(): void {
    const { command, step, first, last, covers, gapIsZero } = this.columns;
    const { kind } = command;
    for (const name of STEPS) this.bit(step[name], name);
    this.every('a row takes one step', sumOf(STEPS.map((name) => step[name])).minus(this.real()));

    const allowed = (name: string, of: Expression, steps: readonly Expression[]): void =>
      this.every(`steps of ${name}`, of.times(this.not(sumOf(steps))));
    const wouldTrade = step['would trade'];
    allowed('a new order', kind.new, [
      step.fill,
      step.rest,
      step.expire,
      step.peek,
      step.fail,
      wouldTrade,
      step.refuse,
      this.prevents(),
      step['skip own'],
      step['fail at own'],
      ...[step.trigger, step.quiet],
    ]);
    allowed('a cancel', kind.cancel, [step.remove, step.refuse, step.withdraw]);
    allowed('a reduce', kind.reduce, [step.remove, step.shrink, step.refuse, step.withdraw, step.lessen]);
    const begins = step.keep.plus(step.leave).plus(wouldTrade).plus(step.refuse).plus(step.alter);
    const watched = step.trigger.plus(step.quiet);
    allowed('a replace', kind.replace, [step.fill, step.rest, begins, this.prevents(), watched]);
    allowed('a mass cancel', kind['mass cancel'], [step.remove, step.pass, step.withdraw]);
    allowed('what is set aside', kind.aside, [step.pass]);
    this.every('a replace leaves first', kind.replace.times(first.minus(begins)));
    const entering = kind.new.plus(this.stops());
    this.every('a new order is refused first', entering.times(wouldTrade.plus(step.refuse)).times(this.not(first)));

    const ending = [
      ...[step.rest, step.expire, step.fail, wouldTrade, step.refuse, step.shrink, step.keep, step.pass],
      ...[step['newest ends'], step['both end'], step['fail at own']],
      ...[step.wait, step.lessen, step.alter, step.due],
    ];
    this.every('steps that end a command', sumOf(ending).times(this.not(last)));
    const going = [step.peek, step.leave, step['oldest ends'], step['skip own'], step.trigger];
    if (this.hasStops) going.push(step.fill, step.undue);
    this.every('steps that do not end a command', sumOf(going).times(last));
    // Where there are stops, a fill is followed by those that it triggers: stop-rules.ts.
    this.every(
      'a fill ends a command when nothing is left',
      (this.hasStops ? step.decrement : this.takes()).times(last.minus(1).plus(covers).minus(gapIsZero)),
    );
    this.every(
      'a removal ends a command but a mass cancel',
      step.remove.plus(step.withdraw).times(last.minus(1).plus(kind['mass cancel']).plus(this.restops())),
    );

    this.every('only what rests rests', step.rest.times(this.not(command.rests)));
    this.every('what rests does not expire', step.expire.times(command.rests));
    this.every('fill or kill does not expire', step.expire.times(command.fillOrKill));
    const looking = [step.peek, step.fail, step['skip own'], step['fail at own']];
    this.every('only fill or kill peeks and fails', sumOf(looking).times(this.not(command.fillOrKill)));
    this.circuit.onTransition(
      'fill or kill that has traded does not fail',
      (this.hasStops ? step.quiet : step.fill)
        .plus(step['oldest ends'])
        .times(this.not(last))
        .times(sumOf(looking).next()),
    );
    this.circuit.onTransition(
      'fill or kill that has peeked fails',
      this.counts().times(this.not(sumOf(looking).next())),
    );
  }

  // --- May the command be carried out ----------------------------------------------------------------------------------

  #admission(): void {
    const { command, step, first, own, inLadder, isFree, freeInverse, amends } = this.columns;
    const { kind } = command;
    const named = this.named();
    const gap = own.cell.ladder.minus(command.symbol.times(2)).minus(1);
    const inBook = gap.times(gap.minus(1));
    this.every('in ladder', inLadder.minus(this.hasStops ? inBook.times(this.columns.inStops) : inBook));
    // Zero: a new order's key is free, or the order that the command names is there.
    const tested = named.times(inLadder).plus(this.not(named).times(own.cell.ladder));
    this.every('is free: only if it is', isFree.times(tested));
    this.every('is free: if it is', this.not(isFree).minus(tested.times(freeInverse)));
    this.every(
      'a new order is refused if and only if its key is taken',
      kind.new
        .plus(this.stops())
        .times(first)
        .times(step.refuse.minus(this.not(isFree))),
    );
    const refused = this.restops().times(command.late);
    const replaces = kind.replace.plus(this.restops()).minus(refused);
    this.every('amends', amends.minus(kind.reduce).minus(replaces.times(first)));
    this.every(
      'a named order is refused if and only if it is unknown or late',
      kind.cancel.plus(amends).times(step.refuse.minus(this.not(isFree.times(this.not(command.late))))),
    );
  }

  // --- The order at work: instrument, side, key, limit, quantity ---------------------------------------------------------

  #order(): void {
    const { command, step, report, first, last, own, postOnly, limit, left, gap } = this.columns;
    const { kind } = command;
    const ofMass = kind['mass cancel'].times(step.remove.plus(step.withdraw));
    const unlessMass = this.not(ofMass);
    this.bit(report.side, 'report side');
    this.every("the instrument is the command's", unlessMass.times(report.symbol.minus(command.symbol)));
    for (const [i, part] of report.order.entries()) {
      this.every(`the order is the command's ${i}`, unlessMass.times(part.minus(command.key[i] as Expression)));
    }
    this.every(
      "the side is the command's",
      this.#entering().plus(step.refuse).plus(step.pass).times(report.side.minus(command.side)),
    );
    const found = own.cell.ladder.minus(this.ladder()).minus(1);
    const changes = step.remove.plus(step.shrink).plus(step.keep).plus(step.leave);
    this.every('the side is that of the order found', changes.times(found));
    this.every('the side is that of the order that would trade', kind.replace.times(step['would trade']).times(found));

    this.every('a new order is post-only if it says so', kind.new.times(postOnly.minus(command.postOnly)));
    // What waits has other terms, and stands with them.
    const kept = kind.replace.times(first).minus(step.alter);
    this.every('a replaced order stays post-only', kept.times(this.terms().minus(own.cell.terms)));
    const priced = kind.new.plus(kind.triggered).minus(command.market).plus(command.hasPrice);
    const unpriced = kind.replace.minus(command.hasPrice);
    const marketLimit = [LIMB_MAX - 1, LIMB_MAX, LIMB_MAX];
    const sized = this.#entering().plus(kind.reduce).plus(command.hasQuantity);
    const unsized = kind.replace.plus(this.restops()).minus(command.hasQuantity);
    const untouched = step['oldest ends'].plus(step['skip own']);
    for (let i = 0; i < 3; i++) {
      const price = command.price[i] as Expression;
      const worst = limit[i] as Expression;
      const sellKey = mirrored(price);
      this.every(
        `the limit is the price named ${i}`,
        priced.times(worst.minus(price).minus(report.side.times(sellKey.minus(price)))),
      );
      this.every(`a market order has no limit ${i}`, command.market.times(worst.minus(marketLimit[i] as number)));
      this.every(
        `a replace without price keeps its limit ${i}`,
        unpriced.times(first).times(worst.minus(mirrored(own.cell.key[i] as Expression))),
      );
      const quantity = left[i] as Expression;
      this.every(
        `what is left is first the quantity named ${i}`,
        sized.times(first).times(quantity.minus(command.quantity[i] as Expression)),
      );
      this.every(
        `a replace without quantity keeps its quantity ${i}`,
        unsized.times(first).times(quantity.minus(own.cell.open[i] as Expression)),
      );
      const taking = this.hasStops ? step.decrement : this.takes();
      const counted = taking.times(this.not(last)).plus(step.peek);
      this.circuit.onTransition(
        `what is left gets less ${i}`,
        counted.times(quantity.next().minus(gap[i] as Expression)),
      );
      this.circuit.onTransition(
        `what is left stays when an order leaves ${i}`,
        step.leave.plus(untouched).plus(this.watches()).plus(this.renews()).times(quantity.next().minus(quantity)),
      );
    }
    const goesOn = this.takes()
      .times(this.not(last))
      .plus(step.peek)
      .plus(step.leave)
      .plus(untouched)
      .plus(this.watches())
      .plus(this.renews());
    for (const [name, column] of [
      ['side', report.side],
      ['post only', postOnly],
      ...limit.map((limb, i): [string, Expression] => [`limit ${i}`, limb]),
    ] as [string, Expression][]) {
      this.circuit.onTransition(`an order's ${name} stays`, goesOn.times(column.next().minus(column)));
    }
  }
}
