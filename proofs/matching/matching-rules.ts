import type { Expression } from '../stark/expressions.ts';
import { ID_IN_KEY_2, LIST_HEAD, type Limbs } from './market-columns.ts';
import { LISTED_UNIT, mirrored, RuleWriter, sumOf } from './rule-writer.ts';

/** Price and time priority, quantities, places in the queue, and what replaces and mass cancels may touch. */
export class MatchingRules extends RuleWriter {
  override write(): void {
    this.#crossing();
    this.#sizes();
    this.#places();
    this.#replaces();
    this.#massCancels();
  }

  // --- Price priority ----------------------------------------------------------------------------------------------------

  #crossing(): void {
    const { step, limit, best, crosses, crossGap, crossBorrow, head, other, postOnly } = this.columns;
    this.bit(crosses, 'crosses');
    this.borrows('cross', crossBorrow);
    // Crossing: limit - best >= 0. Else: best - limit - 1 >= 0.
    this.difference('cross', this.one, {
      sign: crosses.times(2).minus(1),
      from: limit,
      take: best,
      less: this.not(crosses),
      gives: crossGap,
      borrow: crossBorrow,
    });
    const seen = this.seesHead();
    for (let i = 0; i < 3; i++) {
      const limb = best[i] as Expression;
      this.every(`best is what the head names ${i}`, seen.times(limb.minus(head.nextKey[i] as Expression)));
      this.circuit.onTransition(
        `after a peek best is the order behind ${i}`,
        this.counts().times(limb.next().minus(other.cell.nextKey[i] as Expression)),
      );
    }
    const trades = step.fill.plus(step.peek).plus(step['would trade']).plus(this.prevents());
    const own = step['skip own'].plus(step['fail at own']);
    this.every('what trades crosses', trades.plus(own).plus(this.judges()).times(this.not(crosses)));
    const idle = step.rest.plus(step.expire).plus(step.fail);
    this.every('what does not trade does not cross', idle.times(crosses));
    this.every('post-only does not trade', step.fill.plus(this.prevents()).times(postOnly));
    this.every('only post-only would trade', step['would trade'].times(this.not(postOnly)));
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
    } = this.columns;
    const { kind } = command;
    this.bit(covers, 'covers');
    this.borrows('gap', gapBorrow);
    const sign = covers.times(2).minus(1);
    const makers = step.fill.plus(step.peek).plus(step.decrement);
    const common = { gives: gap, borrow: gapBorrow };
    this.difference('fill', makers, { sign, from: left, take: other.cell.open, ...common });
    this.difference('amend', amends, { sign, from: left, take: own.cell.open, ...common });
    // Resting behind an order: its price key is not above the one that rests.
    const behind = step.rest.times(this.not(atHead));
    this.difference('rest', behind, {
      from: limit.map(mirrored) as unknown as Limbs<Expression>,
      take: other.cell.key,
      ...common,
    });

    const sum = sumOf(gap);
    const compared = makers.plus(amends);
    this.every('gap is zero: only if it is', gapIsZero.times(sum));
    this.every('gap is zero: if it is', compared.times(this.not(gapIsZero).minus(sum.times(gapInverse))));
    this.every('equal quantities cover', compared.times(this.not(covers)).times(gapIsZero));
    this.every('exhausts', exhausts.minus(this.takes().times(covers)).minus(this.clears()));
    this.every('a peek finds too little', step.peek.times(this.not(covers).plus(gapIsZero)));
    this.every(
      'a reduce to nothing removes',
      kind.reduce.times(step.remove.plus(step.withdraw)).times(this.not(covers)),
    );
    this.every('a reduce to something shrinks', step.shrink.plus(step.lessen).times(covers));
  }

  // --- Time priority: where orders are put and taken out -------------------------------------------------------------------

  #places(): void {
    const { step, first, report, limit, behindGap, behindBorrow, atHead, head, other } = this.columns;
    for (let i = 0; i < 4; i++) {
      const address = other.address[i] as Expression;
      const best = head.next[i] as Expression;
      const met = step.fill.plus(this.prevents()).plus(step.trigger);
      const looked = this.counts().plus(step['fail at own']);
      this.every(`the maker is the best order ${i}`, met.times(address.minus(best)));
      this.every(`a peek begins with the best order ${i}`, looked.times(first).times(address.minus(best)));
      this.circuit.onTransition(
        `a peek goes on with the order behind ${i}`,
        this.counts()
          .times(looked.next())
          .times(address.next().minus(other.cell.next[i] as Expression)),
      );
      this.every(
        `an order is taken from behind another ${i}`,
        step.remove
          .plus(step.leave)
          .plus(step.withdraw)
          .times((other.cell.next[i] as Expression).minus(report.order[i] as Expression)),
      );
    }
    const linked = step.rest.plus(step.remove).plus(step.leave);
    this.every('the other order is of the same ladder', linked.times(other.cell.ladder.minus(this.ladder()).minus(1)));
    this.borrows('behind', behindBorrow);
    this.every('at head', atHead.times((other.address[3] as Expression).minus(LIST_HEAD)));
    this.difference('behind', step.rest, {
      from: other.cell.nextKey,
      take: limit.map(mirrored) as unknown as Limbs<Expression>,
      less: this.one,
      gives: behindGap,
      borrow: behindBorrow,
    });
  }

  // --- Replaces ------------------------------------------------------------------------------------------------------------

  #replaces(): void {
    const { step, limit, covers, samePrice, priceWitness, own, amends } = this.columns;
    const differences = limit.map((limb, i) => limb.minus(mirrored(own.cell.key[i] as Expression)));
    for (const [i, difference] of differences.entries()) {
      this.every(`same price: only if it is ${i}`, samePrice.times(difference));
    }
    const shown = sumOf(differences.map((difference, i) => difference.times(priceWitness[i] as Expression)));
    this.every('same price: if it is', amends.times(this.not(samePrice).minus(shown)));
    this.every('only the same price keeps its place', step.keep.times(this.not(samePrice)));
    this.every('only a smaller quantity keeps its place', step.keep.times(covers));
    const loses = step.leave.plus(step['would trade']);
    this.every('a smaller quantity at the same price keeps its place', loses.times(samePrice).times(this.not(covers)));
  }

  // --- Mass cancels ----------------------------------------------------------------------------------------------------------

  #massCancels(): void {
    const { command, step, report, gap, behindGap } = this.columns;
    const remove = step.remove.plus(step.withdraw);
    const [g0, g1] = gap;
    const [b0, b1] = behindGap;
    const ofMass = command.kind['mass cancel'].times(remove);
    const byAccount = remove.times(command.byAccount);
    this.every('by account: upper half', byAccount.times(report.order[3].minus(command.key[3])));
    this.every('by account: lower half', byAccount.times(report.order[2].minus(command.key[2]).minus(g0)));
    this.every("by account: the rest is the id's", byAccount.times(g0.times(ID_IN_KEY_2).minus(g1)));
    this.every('by symbol', remove.times(command.bySymbol).times(report.symbol.minus(command.symbol)));
    this.every('by side', remove.times(command.oneSide).times(report.side.minus(command.side)));
    // Else 2 * symbol + side could be split in two ways.
    this.every(
      "a removed order's instrument is small",
      ofMass.times(report.symbol.minus(b0).minus(b1.times(LISTED_UNIT))),
    );
  }
}
