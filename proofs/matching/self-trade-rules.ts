import type { Expression } from '../stark/expressions.ts';
import { ID_IN_KEY_2, PREVENTIONS } from './market-columns.ts';
import { RuleWriter, sumOf } from './rule-writer.ts';

/**
 * Self-trade prevention (docs/rules-orders.md), of the ruled circuit alone: which one applies to the order at work, whether the
 * order that it meets is of the same account, and what then has to happen. How the other rules treat the steps of it stands
 * with them.
 */
export class SelfTradeRules extends RuleWriter {
  override write(): void {
    this.#instruction();
    this.#accounts();
    this.#consequence();
  }

  /** Rows that look at an order of the other side which could trade. */
  #looks(): Expression {
    const { step } = this.columns;
    return sumOf([step.fill, step.peek, step['skip own'], step['fail at own']]).plus(this.prevents());
  }

  /** Whether any prevention applies. */
  #applies(): Expression {
    return sumOf(PREVENTIONS.map((name) => this.columns.prevents[name]));
  }

  // --- The instruction: the order's own, or else the instrument's ------------------------------------------------------

  #instruction(): void {
    const { command, step, first, last, postOnly, prevention, prevents, behindGap } = this.columns;
    const real = this.real();
    const carried: [string, Expression][] = [
      ['prevention', command.prevention],
      ['usual prevention', command.usualPrevention],
      ['low account', command.lowAccount],
    ];
    for (const [name, column] of carried) {
      const goesOn = real.minus(last);
      this.circuit.onTransition(`a command's ${name} stays`, goesOn.times(column.next().minus(column)));
    }
    const entering = command.kind.new.plus(this.stops()).plus(command.kind.triggered);
    this.every('a new order has the prevention it says', entering.times(prevention.minus(command.prevention)));
    // Else a replaced order's terms could be split in another way, for a field halves every number.
    this.bit(postOnly, 'order post only');
    const replaced = command.kind.replace.times(first);
    this.every("a replaced order's prevention is small", replaced.times(behindGap[0].minus(prevention)));
    const untouched = step['oldest ends'].plus(step['skip own']);
    const goesOn = this.takes()
      .times(this.not(last))
      .plus(step.peek)
      .plus(step.leave)
      .plus(untouched)
      .plus(this.watches())
      .plus(this.renews());
    this.circuit.onTransition("an order's prevention stays", goesOn.times(prevention.next().minus(prevention)));

    for (const name of PREVENTIONS) this.bit(prevents[name], name);
    const applies = this.#applies();
    this.bit(applies, 'prevention that applies');
    const looks = this.#looks();
    const number = sumOf(PREVENTIONS.map((name, i) => prevents[name].times(i + 1)));
    const own = number.minus(prevention);
    const usual = number.minus(command.usualPrevention);
    this.every("an order's own prevention goes first", looks.times(prevention).times(own));
    this.every("prevention is the order's or the instrument's", looks.times(own).times(usual));
    this.every('prevention that is usual applies', looks.times(command.usualPrevention).times(this.not(applies)));
  }

  // --- Whose order it meets ----------------------------------------------------------------------------------------------

  /**
   * A key's third element is 8 bits of the id and 16 of the account above them: in one way only, as both parts are looked up,
   * the first times 256, too. Whether the accounts are the same is then a bit, by the last three.
   */
  #accounts(): void {
    const { command, step, sameAccount, behindGap, other, priceWitness } = this.columns;
    const looks = this.#looks();
    // A triggered stop's account is told to whom enters it.
    const named = looks.plus(step.trigger);
    const [id, shifted, account] = behindGap;
    this.every("the id's part of a maker's key is small", named.times(shifted.minus(id.times(ID_IN_KEY_2))));
    const rest = other.address[2].minus(id).minus(account.times(ID_IN_KEY_2));
    this.every("the rest of a maker's key is its account", named.times(rest));
    const low = account.minus(command.lowAccount);
    const high = other.address[3].minus(command.key[3]);
    this.every('same account: only if the lower half is', looks.times(sameAccount).times(low));
    this.every('same account: only if the upper half is', looks.times(sameAccount).times(high));
    const shown = low.times(priceWitness[0]).plus(high.times(priceWitness[1]));
    this.every('same account: if it is', looks.times(this.not(sameAccount).minus(shown)));
  }

  // --- What happens ------------------------------------------------------------------------------------------------------

  #consequence(): void {
    const { command, step, prevents, sameAccount } = this.columns;
    const meets = step.fill.plus(step.peek);
    this.every('orders of one account do not trade', meets.times(sameAccount).times(this.#applies()));
    const ofOwn = this.prevents().plus(step['skip own']).plus(step['fail at own']);
    this.every('only orders of one account are kept from trading', ofOwn.times(this.not(sameAccount)));
    const only = (name: string, steps: Expression, when: Expression): void =>
      this.every(name, steps.times(this.not(when)));
    only('the newest ends if so instructed', step['newest ends'], prevents['cancel newest']);
    only('the oldest ends if so instructed', step['oldest ends'].plus(step['skip own']), prevents['cancel oldest']);
    only('both end if so instructed', step['both end'], prevents['cancel both']);
    only('both decrement if so instructed', step.decrement, prevents['decrement both']);
    const ends = prevents['cancel newest'].plus(prevents['cancel both']).plus(prevents['decrement both']);
    only('a fill or kill fails at its own if that is in its way', step['fail at own'], ends);
    const taken = step['newest ends'].plus(step['both end']).plus(step.decrement);
    this.every('a fill or kill ends before it meets its own', taken.times(command.fillOrKill));
  }
}
