import type { Expression } from '../stark/expressions.ts';
import { LIMB, LIST_HEAD, type Limbs, SECOND_LADDER, STOP_LADDER } from './market-columns.ts';
import { mirrored, RuleWriter, sumOf } from './rule-writer.ts';
import { becomes, becoming, lastTrade } from './stop-cells.ts';

/**
 * Stops (docs/rules-stops.md), of the circuit of stops alone: whether they are due as they come, how they come to wait, are replaced
 * and leave again, what a trade triggers and in which order, and that what was triggered is entered before the command ends, first
 * triggered first. Work on a triggered order is told as that on a command's order is, on rows of their own kind. How the other rules
 * treat these rows stands with them.
 */
export class StopRules extends RuleWriter {
  override write(): void {
    this.#words();
    this.#judging();
    this.#waiting();
    this.#leaving();
    this.#replaces();
    this.#triggers();
    this.#line();
    this.#entering();
  }

  // --- Commands and their steps ----------------------------------------------------------------------------------------

  #words(): void {
    const { command, step } = this.columns;
    const { kind } = command;
    for (const name of ['market', 'rests', 'fillOrKill'] as const) this.bit(command[name], WORDS[name]);
    const allowed = (name: string, of: Expression, steps: readonly Expression[]): void =>
      this.every(`steps of ${name}`, of.times(this.not(sumOf(steps))));
    allowed('an order that waits', this.stops(), [this.judges(), step.wait, step.refuse]);
    allowed('a replace of a stop price', this.restops(), [step.withdraw, this.judges(), step.wait]);
    allowed('a triggered order', kind.triggered, [
      ...[step.fill, step.rest, step.expire, step.peek, step.fail, this.prevents(), step['skip own']],
      ...[step['fail at own'], step.trigger, step.quiet],
    ]);
  }

  // --- Whether they are due as they come -------------------------------------------------------------------------------

  /**
   * By the last trade, as the head of the ladder knows it. What is due joins the line or is refused, all else waits from the next row
   * on.
   */
  #judging(): void {
    const { command, step, report, limit, best, gap, gapBorrow, behindGap } = this.columns;
    const { undue, due, wait } = step;
    const judges = this.judges();
    const last = lastTrade(this.columns);
    this.circuit.onFirstRow('no order waits before the first command', wait);
    this.circuit.onTransition('an order waits if, and only if, it is not due', wait.next().minus(undue));
    this.every("the last trade is that of the order's ladder", judges.times(report.stopSide.minus(report.side)));
    this.every('what is refused because it is due is due', undue.times(command.late));
    this.every('reason: due', due.times(report.reason.minus(command.late.times(command.reason))));
    const will = becomes(this.columns);
    const words = becoming(command.rests, command.fillOrKill, command.kind.stop);
    this.every('what comes becomes what its words say', this.stops().times(judges).times(words.minus(will)));
    this.circuit.onTransition('what waits becomes what it came as', undue.times(will.next().minus(will)));
    for (let i = 0; i < 3; i++) {
      const stopPrice = command.stopPrice[i] as Expression;
      const price = report.price[i] as Expression;
      const place = this.choose(stopPrice, mirrored(stopPrice));
      this.every(`a stop comes at its stop price ${i}`, judges.times((limit[i] as Expression).minus(place)));
      // So that the gap between the two, which is looked up, is the stop price.
      this.every(`what comes has no best price ${i}`, judges.times(best[i] as Expression));
      this.every(
        `a last trade that is known is not told anew ${i}`,
        judges.times(last.known).times(price.minus(last.price[i] as Expression)),
      );
      this.circuit.onTransition(
        `what waits has the limit it came with ${i}`,
        undue.times(price.next().minus(behindGap[i] as Expression)),
      );
    }
    const bound = this.limbs((i) => {
      const limb = report.price[i] as Expression;
      return this.choose(limb, mirrored(limb));
    });
    const gives = { gives: gap, borrow: gapBorrow };
    this.difference('undue', undue, { from: bound, take: limit, less: this.one, ...gives });
    this.difference('due as it comes', due, { from: limit, take: bound, ...gives });
  }

  // --- How orders come to wait -----------------------------------------------------------------------------------------

  #waiting(): void {
    const { step, limit, gap, gapBorrow, behindGap, behindBorrow, atHead, other } = this.columns;
    const { wait } = step;
    const ladder = this.ladder();
    const head = [ladder, this.one, this.zero];
    for (const [i, part] of head.entries()) {
      const address = other.address[i] as Expression;
      this.every(`the first stop is put behind its ladder's head ${i}`, wait.times(atHead).times(address.minus(part)));
    }
    const behind = wait.times(this.not(atHead));
    const code = other.cell.ladder.minus(ladder).minus(SECOND_LADDER + 1);
    this.every('a stop is put behind one of its ladder', behind.times(code));
    // Due before it or with it, of which the first come is first; and none of those is behind it.
    this.difference('stop before', behind, { from: other.cell.open, take: limit, gives: gap, borrow: gapBorrow });
    this.difference('stop behind', wait, {
      from: limit,
      take: other.cell.nextKey,
      less: this.one,
      gives: behindGap,
      borrow: behindBorrow,
    });
  }

  // --- How they leave and get smaller ----------------------------------------------------------------------------------

  #leaving(): void {
    const { command, step, report, own, other, inStops } = this.columns;
    const waiting = step.withdraw.plus(step.lessen);
    const gap = own.cell.ladder.minus(command.symbol.times(2)).minus(STOP_LADDER + 1);
    this.every('in stops', inStops.minus(gap.times(gap.minus(1))));
    const found = own.cell.ladder.minus(this.ladder()).minus(STOP_LADDER + 1);
    const refused = this.restops().times(command.late);
    this.every('the side is that of the order that waits', sumOf([waiting, step.alter, refused]).times(found));
    for (let i = 0; i < 3; i++) {
      const key = own.cell.key[i] as Expression;
      // Else the last one could be another's place, for nothing is behind it: an order may have nothing but zeros as its key.
      this.every(
        `a stop is taken from behind another ${i}`,
        step.withdraw.times((other.cell.nextKey[i] as Expression).minus(key)),
      );
      this.every(
        `price: of an order that waits, its limit ${i}`,
        waiting.times((report.price[i] as Expression).minus(own.cell.nextKey[i] as Expression)),
      );
    }
  }

  // --- How they are replaced -------------------------------------------------------------------------------------------

  /**
   * Without a stop price in the replace they stay where they are: one row. With one they are taken from their place and wait as
   * those that came last, or are due: of these rows the rules of orders that leave and of new stops speak, too. One that is
   * refused because it would be due shows that on one row.
   */
  #replaces(): void {
    const { command, step, report, first, last, own, behindGap } = this.columns;
    const { kind } = command;
    const { alter, withdraw } = step;
    this.every(
      'a replace of a stop price first takes the order from its place',
      this.restops().times(first.times(this.not(command.late)).minus(withdraw)),
    );
    const goesOn = this.real().minus(last);
    const limited = this.stops().plus(kind['replace stop limit']);
    const unlimited = kind.replace.minus(command.hasPrice);
    for (let i = 0; i < 3; i++) {
      const stopPrice = command.stopPrice[i] as Expression;
      this.circuit.onTransition(`a command's stop price ${i} stays`, goesOn.times(stopPrice.next().minus(stopPrice)));
      const price = report.price[i] as Expression;
      const limit = own.cell.nextKey[i] as Expression;
      this.every(
        `the limit of what comes is the price named ${i}`,
        limited.times(this.judges()).times((behindGap[i] as Expression).minus(command.price[i] as Expression)),
      );
      this.every(
        `the limit of what waits is the price named ${i}`,
        command.hasPrice.times(alter).times(price.minus(command.price[i] as Expression)),
      );
      this.every(
        `a replace without price leaves what waits its limit ${i}`,
        unlimited.times(alter).times(price.minus(limit)),
      );
      this.circuit.onTransition(
        `a replace of a stop price alone leaves the limit ${i}`,
        kind['replace stop'].times(withdraw).times((behindGap[i] as Expression).next().minus(price)),
      );
    }
    const names = command.hasPrice.times(alter).plus(kind['replace stop limit'].times(withdraw));
    const above = behindGap[1].plus(behindGap[2].times(LIMB));
    this.every('only what has a limit gets another', names.times(sumOf(own.cell.nextKey).minus(1).minus(above)));
    this.circuit.onTransition(
      'what comes anew becomes what it would have',
      this.renews().times(becomes(this.columns).next().minus(own.cell.terms)),
    );
  }

  // --- What a trade triggers -------------------------------------------------------------------------------------------

  #triggers(): void {
    const { step, report, last, left, gap, gapBorrow, behindGap, behindBorrow } = this.columns;
    const { head, other, covers, gapInverse } = this.columns;
    const { fill, trigger, quiet } = step;
    const trades = fill.plus(trigger);
    this.circuit.onFirstRow('nothing is triggered before the first command', trigger.plus(quiet));
    this.circuit.onTransition(
      'after a trade, and only then, stops are triggered until it is quiet',
      trigger.plus(quiet).next().minus(trades),
    );
    const { price, stopSide } = report;
    this.bit(stopSide, 'stop side');
    this.every('a stop side is that of a trigger', stopSide.times(this.not(trigger.plus(this.judges()))));
    this.circuit.onTransition(
      'buys are triggered before sells',
      trigger.times(stopSide).times(trigger.next().minus(stopSide.next())),
    );
    const bounds = price.map(mirrored) as unknown as Limbs<Expression>;
    // By what the head names: behind it may be nothing, which is never due, and an order may have nothing but zeros as its key.
    this.difference('due', trigger, {
      from: head.nextKey,
      take: this.limbs((i) => {
        const limb = price[i] as Expression;
        return mirrored(limb).plus(stopSide.times(limb.minus(mirrored(limb))));
      }),
      gives: gap,
      borrow: gapBorrow,
    });
    const quietly = { less: this.one };
    this.difference('quiet buys', quiet, {
      ...{ from: bounds, take: head.nextKey, gives: gap, borrow: gapBorrow },
      ...quietly,
    });
    this.difference('quiet sells', quiet, {
      ...{ from: price, take: other.cell.nextKey, gives: behindGap, borrow: behindBorrow },
      ...quietly,
    });
    const sells = [report.symbol.times(2).plus(1), this.one, this.zero, this.circuit.constant(LIST_HEAD)];
    for (const [i, part] of sells.entries()) {
      this.every(
        `the other order is the head of the stops to sell ${i}`,
        quiet.times((other.address[i] as Expression).minus(part)),
      );
    }
    for (let i = 0; i < 3; i++) {
      const limb = price[i] as Expression;
      this.circuit.onTransition(`stops are triggered by the trade's price ${i}`, trades.times(limb.next().minus(limb)));
      this.circuit.onTransition(
        `what is left after a trade ${i}`,
        fill.times((left[i] as Expression).next().minus(covers.times(gap[i] as Expression))),
      );
    }
    this.every('work ends when it is quiet: only if nothing is left', quiet.times(last).times(sumOf(left)));
    const shown = sumOf(left).times(gapInverse);
    this.every('work ends when it is quiet: if nothing is left', quiet.times(this.not(last).minus(shown)));
  }

  // --- The line of what was triggered ----------------------------------------------------------------------------------

  #line(): void {
    const { command, step, report, first, left, line, other, own, behindGap, prevention } = this.columns;
    const { kind } = command;
    const enters = kind.triggered.times(first);
    // Late by another number than 0 and 1, it would join the line as often as nothing leaves it.
    const dueJoins = step.due.times(this.not(command.late));
    this.circuit.onTransition(
      'the line gets longer by triggers',
      line.end.next().minus(line.end).minus(step.trigger).minus(dueJoins),
    );
    this.circuit.onTransition('the line gets shorter by entries', line.start.next().minus(line.start).minus(enters));
    this.every(
      'a command begins when the line is empty',
      first.times(this.not(kind.triggered)).times(line.end.minus(line.start)),
    );
    const bus = this.circuit.bus('line');
    const comesAs = becoming(command.rests, command.fillOrKill, command.market);
    bus.send('a stop that is triggered joins the line', step.trigger, [
      ...[line.end, ...other.address, ...other.cell.nextKey, ...other.cell.open, other.cell.terms],
      ...[own.cell.terms, behindGap[2], report.stopSide],
    ]);
    bus.send('a stop that is due as it comes joins the line', dueJoins, [
      ...[line.end, ...report.order, ...behindGap, ...left, becomes(this.columns)],
      ...[prevention, command.lowAccount, report.stopSide],
    ]);
    bus.receive('a triggered order leaves the line', enters, [
      ...[line.start, ...command.key, ...command.price, ...left, comesAs],
      ...[prevention, command.lowAccount, command.side],
    ]);
  }

  #entering(): void {
    const { command, first, isFree, postOnly } = this.columns;
    const { triggered } = command.kind;
    this.every('a triggered order is in no book', triggered.times(first).times(this.not(isFree)));
    this.every('a triggered order is not post-only', triggered.times(postOnly));
    for (const name of ['hasPrice', 'hasQuantity'] as const)
      this.every(`a triggered order: ${WORDS[name]} is of replaces`, triggered.times(command[name]));
    for (const name of ['symbol', 'usualPrevention'] as const) {
      this.circuit.onTransition(
        `what a command triggers has its ${WORDS[name]}`,
        triggered.next().times(command[name].next().minus(command[name])),
      );
    }
  }
}

const WORDS = {
  market: 'market',
  rests: 'rests',
  fillOrKill: 'fill or kill',
  hasPrice: 'has price',
  hasQuantity: 'has quantity',
  symbol: 'symbol',
  usualPrevention: 'usual prevention',
};
