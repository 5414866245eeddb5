import type { Expression } from '../stark/expressions.ts';
import { type BookTable, type Cell, type Key, LIMB_MAX, LIST_HEAD, type Limbs } from './market-columns.ts';
import { LISTED_UNIT, mirrored, RuleWriter, sumOf } from './rule-writer.ts';
import { StopCells } from './stop-cells.ts';

/** Ages are a limb and this times another: less than p. */
const AGE_UNIT = 2 ** 14;
const PORTS = 3;

/** What rows read is what was written there last; the books before and after; every key once; the numbers of 16 bits. */
export class MemoryRules extends RuleWriter {
  override write(): void {
    this.#memory();
    for (const table of [this.columns.before, this.columns.after]) this.#bookTable(table);
    this.#directory();
    this.#ranges();
  }

  // --- Memory --------------------------------------------------------------------------------------------------------------

  #memory(): void {
    const { command, step, report, clock, first, limit, left, gap, head, other, own, exhausts } = this.columns;
    const { fill, rest, peek, remove, shrink, keep, leave } = step;
    const bus = this.circuit.bus('memory');
    const zero = this.zero;
    const ladder = this.ladder().plus(1);
    const opposite = report.symbol.times(2).minus(report.side).plus(1);
    const { wait, withdraw, lessen, trigger, quiet, alter } = step;
    const sees = sumOf([this.seesHead(), this.waits(), trigger, quiet, this.judges()]);
    const meets = sumOf([
      ...[fill, peek, rest, remove, leave, this.prevents(), step['skip own'], step['fail at own']],
      ...[wait, withdraw, trigger, quiet],
    ]);
    const owns = sumOf([command.kind.new, this.named(), this.stops(), command.kind.triggered])
      .times(first)
      .plus(rest.plus(wait).times(this.not(first)))
      .plus(command.kind['mass cancel'].times(remove.plus(withdraw)))
      .plus(trigger);
    const mix = (parts: readonly (readonly [Expression, Expression])[]): Expression =>
      sumOf(parts.map(([when, value]) => when.times(value)));

    const headCell = (next: Key<Expression>, nextKey: Limbs<Expression>): Cell<Expression> => ({
      ladder: opposite.plus(1),
      terms: zero,
      key: this.limbs(() => this.circuit.constant(LIMB_MAX)),
      open: this.limbs(() => zero),
      next,
      nextKey,
    });
    const headAddress: Key<Expression> = [opposite, zero, zero, this.circuit.constant(LIST_HEAD)];
    const moved = (now: Expression, then: Expression): Expression => now.plus(exhausts.times(then.minus(now)));
    const headAfter = headCell(
      this.key((i) => moved(head.next[i] as Expression, other.cell.next[i] as Expression)),
      this.limbs((i) => moved(head.nextKey[i] as Expression, other.cell.nextKey[i] as Expression)),
    );
    const stops = this.hasStops ? new StopCells(this.circuit, this.columns) : undefined;
    const seen = { address: headAddress, was: headCell(head.next, head.nextKey), is: headAfter };
    const atHead = stops?.seen(seen) ?? seen;
    const ownAddress = stops?.ownAddress() ?? report.order;

    // A fill takes from the other order, or all of it with its links; what rests or goes changes the link to it.
    const relinks = sumOf([rest, remove, leave, wait, withdraw]);
    const stays = this.not(exhausts).minus(trigger);
    const links = stays.minus(relinks);
    const metAfter: Cell<Expression> = {
      ladder: stays.times(other.cell.ladder),
      terms: stays.times(other.cell.terms),
      key: this.limbs((i) => stays.times(other.cell.key[i] as Expression)),
      // Of a fill that does not exhaust, the difference; every other step leaves the quantity, or takes the order off.
      open: this.limbs((i) =>
        mix([
          [this.not(this.takes().plus(this.clears()).plus(trigger)), other.cell.open[i] as Expression],
          [this.takes().plus(this.clears()).minus(exhausts), gap[i] as Expression],
        ]),
      ),
      next: this.key((i) =>
        mix([
          [links, other.cell.next[i] as Expression],
          [rest.plus(wait), report.order[i] as Expression],
          [remove.plus(leave), own.cell.next[i] as Expression],
          [withdraw, head.next[i] as Expression],
        ]),
      ),
      nextKey: this.limbs((i) =>
        mix([
          [links, other.cell.nextKey[i] as Expression],
          [rest, mirrored(limit[i] as Expression)],
          [remove.plus(leave), own.cell.nextKey[i] as Expression],
          [wait, limit[i] as Expression],
          [withdraw, head.nextKey[i] as Expression],
        ]),
      ),
    };

    const otherAfter = stops?.learning(metAfter) ?? metAfter;

    const same = this.not(relinks).minus(trigger);
    const rested: Cell<Expression> = {
      ladder: mix([
        [same, own.cell.ladder],
        [rest, ladder],
      ]),
      terms: mix([
        [same, own.cell.terms],
        [rest, this.terms()],
      ]),
      key: this.limbs((i) =>
        mix([
          [same, own.cell.key[i] as Expression],
          [rest, mirrored(limit[i] as Expression)],
        ]),
      ),
      open: this.limbs((i) =>
        mix([
          [same.minus(shrink).minus(keep).minus(lessen).minus(alter), own.cell.open[i] as Expression],
          [rest.plus(keep).plus(wait).plus(alter), left[i] as Expression],
          [shrink.plus(lessen), gap[i] as Expression],
        ]),
      ),
      next: this.key((i) =>
        mix([
          [same, own.cell.next[i] as Expression],
          [rest, other.cell.next[i] as Expression],
        ]),
      ),
      nextKey: this.limbs((i) =>
        mix([
          [same, own.cell.nextKey[i] as Expression],
          [rest, other.cell.nextKey[i] as Expression],
        ]),
      ),
    };
    const ownAfter = stops?.waiting(rested) ?? rested;

    const { before, after, afterTime, directory } = this.columns;
    const rows = (table: BookTable<Expression>): Cell<Expression> => ({
      ladder: table.ladder,
      terms: table.terms,
      key: table.key,
      open: table.open,
      next: this.key((i) => (table.address[i] as Expression).next()),
      nextKey: this.limbs((i) => (table.key[i] as Expression).next()),
    });
    const nothing: Cell<Expression> = {
      ladder: zero,
      terms: zero,
      key: this.limbs(() => zero),
      open: this.limbs(() => zero),
      next: this.key(() => zero),
      nextKey: this.limbs(() => zero),
    };
    const gone: Cell<Expression> = { ...nothing, terms: directory.goneKnown, open: directory.gonePrice };
    const now = (port: number): Expression => clock.times(PORTS).plus(port + 1);

    // Entries whose messages are linear share a helper column with their neighbour.
    bus.receive('the head of the other side was', sees, message(atHead.address, atHead.was, head.time));
    bus.receive('the other order was', meets, message(other.address, other.cell, other.time));
    bus.receive('the own order was', owns, message(ownAddress, own.cell, own.time));
    bus.receive('orders of book before begin as listed', before.isOrder, message(before.address, nothing, zero));
    bus.send('book before', before.used, message(before.address, rows(before), zero));
    bus.receive('book after', after.used, message(after.address, rows(after), afterTime));
    bus.send('listed orders begin as nothing', this.one, message(directory.key, nothing, zero));
    bus.receive('listed orders end as nothing', directory.gone, message(directory.key, gone, directory.goneTime));
    bus.send('the head of the other side is', sees, message(atHead.address, atHead.is, now(0)));
    bus.send('the other order is', meets, message(other.address, otherAfter, now(1)));
    bus.send('the own order is', owns, message(ownAddress, ownAfter, now(2)));
    this.bit(directory.gone, 'gone');

    // A row finds every cell as earlier rows left it, and none twice. Or else a new order with the key of its own maker
    // would find that key free, behind the trade.
    const times = [head.time, other.time, own.time];
    for (const [port, gate] of [sees, meets, owns].entries()) {
      const [low, high] = this.columns.ages[port] as readonly [Expression, Expression];
      const age = clock.times(PORTS).minus(times[port] as Expression);
      this.every(`time goes on ${port}`, gate.times(age.minus(low).minus(high.times(AGE_UNIT))));
    }
  }

  #bookTable(table: BookTable<Expression>): void {
    const { name, used, isOrder, address } = table;
    this.bit(used, `${name} used`);
    this.bit(isOrder, `${name} is order`);
    this.every(`book ${name}: only rows that are used are orders`, isOrder.times(this.not(used)));
    this.every(`book ${name}: what is no order is a head`, used.minus(isOrder).times(address[3].minus(LIST_HEAD)));
    // The ladders of stops that wait are lists of their own, with a row between that is not used.
    if (this.hasStops)
      this.every(`book ${name}: a head of stops is listed as orders are`, used.minus(isOrder).times(address[1]));
    else this.circuit.onTransition(`book ${name}: rows are used in one piece`, this.not(used).times(used.next()));
    this.circuit.onLastRow(`book ${name}: the last row is not used`, used);
  }

  /**
   * Each key is larger than the one before: in the first element in which they differ, by no more than 2^28 or so, and to
   * no more than that, so that no sum of such steps leads around the field.
   */
  #directory(): void {
    const { key, differs, growth, value } = this.columns.directory;
    for (const [i, bit] of differs.entries()) this.bit(bit, `listed differs ${3 - i}`);
    this.every('listed: the next differs', this.not(sumOf(differs)));
    const step = (element: Expression): Expression => element.next().minus(element);
    const significant = [...key].reverse();
    for (let i = 0; i < 3; i++) {
      this.circuit.onTransition(
        `listed: above the first difference all is equal ${3 - i}`,
        sumOf(differs.slice(i + 1)).times(step(significant[i] as Expression)),
      );
    }
    const pick = (of: (element: Expression) => Expression): Expression =>
      sumOf(differs.map((bit, i) => bit.times(of(significant[i] as Expression))));
    this.circuit.onTransition(
      'listed: the next is larger',
      pick(step).minus(1).minus(growth[0]).minus(growth[1].times(LISTED_UNIT)),
    );
    this.circuit.onTransition(
      'listed: elements are small',
      pick((element) => element.next())
        .minus(value[0])
        .minus(value[1].times(LISTED_UNIT)),
    );
  }

  #ranges(): void {
    const { command, crossGap, gap, behindGap, ages, directory, range } = this.columns;
    this.circuit.onFirstRow('the range starts at zero', range.value);
    const step = range.value.next().minus(range.value);
    this.circuit.onTransition('the range steps by one', step.times(step.minus(1)));
    this.circuit.onLastRow('the range ends at 65535', range.value.minus(LIMB_MAX));
    const bus = this.circuit.bus('range');
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
      for (const [i, column] of columns.entries()) bus.receive(`${name} ${i} has 16 bits`, this.one, [column]);
    }
  }
}

function message(address: Key<Expression>, cell: Cell<Expression>, time: Expression): Expression[] {
  return [...address, cell.ladder, cell.terms, ...cell.key, ...cell.open, ...cell.next, ...cell.nextKey, time];
}
