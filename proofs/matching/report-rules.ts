import type { Expression } from '../stark/expressions.ts';
import { mirrored, RuleWriter, sumOf } from './rule-writer.ts';

/** Of the reasons that the circuit itself gives (journal/reasons.ts). */
const UNKNOWN_ORDER = 2;

/** What the tape reports of each step. */
export class ReportRules extends RuleWriter {
  override write(): void {
    this.#reports();
  }

  // --- Reports -------------------------------------------------------------------------------------------------------------

  #reports(): void {
    const { command, step, report, isFree, limit, left, covers, gap, own, other } = this.columns;
    const { kind } = command;
    const { fill, remove, shrink, keep, leave, refuse, pass, expire } = step;
    const not = (steps: Expression): Expression => this.not(steps);
    const newest = step['newest ends'];
    const takes = this.takes();
    const met = fill.plus(this.prevents());
    const named = met.plus(step.trigger);
    const waits = step.wait.plus(step.alter);
    const waiting = sumOf([step.withdraw, step.lessen, step.trigger, step.quiet, waits, this.judges()]);
    this.every(
      'reason: taken or unknown',
      refuse.times(not(isFree)).times(report.reason.minus(UNKNOWN_ORDER).minus(kind.new).minus(this.stops())),
    );
    this.every('reason: late', refuse.times(isFree).times(report.reason.minus(command.reason)));
    this.every('reason: set aside', pass.times(report.reason.minus(command.reason)));
    this.every('reason: none', not(refuse.plus(pass).plus(step.due)).times(report.reason));
    for (let i = 0; i < 4; i++) {
      const maker = report.maker[i] as Expression;
      this.every(`maker ${i}`, named.times(maker.minus(other.address[i] as Expression)));
      this.every(`no maker ${i}`, not(named).times(maker));
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
      this.every(
        `price: of a fill, the maker's ${i}`,
        met.times(price.minus(this.choose(mirrored(makerKey), makerKey))),
      );
      this.every(
        `price: of an order in its place ${i}`,
        places.times(price.minus(this.choose(ownKey, mirrored(ownKey)))),
      );
      this.every(`price: of an order that leaves ${i}`, leave.times(price.minus(this.choose(mirrored(worst), worst))));
      this.every(`price: else none ${i}`, not(met.plus(places).plus(leave).plus(waiting)).times(price));

      this.every(
        `quantity: of a fill, the smaller ${i}`,
        takes.times(quantity.minus(rest).minus(covers.times(makerOpen.minus(rest)))),
      );
      this.ruled(`quantity: of an order of the account, all ${i}`, () =>
        this.clears().plus(step.trigger).times(quantity.minus(makerOpen)),
      );
      this.every(
        `quantity: of a removal, all ${i}`,
        remove.plus(step.withdraw).times(quantity.minus(own.cell.open[i] as Expression)),
      );
      this.every(
        `quantity: of the order at work ${i}`,
        sumOf([shrink, keep, leave, expire, newest, step.lessen, waits]).times(quantity.minus(rest)),
      );
      const told = [fill, remove, shrink, keep, leave, expire, this.prevents()];
      told.push(step.withdraw, step.lessen, step.trigger, waits);
      this.every(`quantity: else none ${i}`, not(sumOf(told)).times(quantity));

      this.every(`open: of a fill, the maker's ${i}`, takes.times(open.minus(not(covers).times(difference))));
      this.every(`open: of a reduce ${i}`, shrink.plus(step.lessen).times(open.minus(difference)));
      this.every(`open: of a replace ${i}`, keep.plus(leave).plus(waits).times(open.minus(rest)));
      this.ruled(`open: of both, what the order at work had ${i}`, () => step['both end'].times(open.minus(rest)));
      const opens = [fill, shrink, keep, leave, step.decrement, step['both end'], step.lessen, waits];
      this.every(`open: else none ${i}`, not(sumOf(opens)).times(open));
    }
  }
}
