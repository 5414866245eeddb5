import { type Circuit, CircuitBuilder } from '../stark/constraints.ts';
import type { Expression } from '../stark/expressions.ts';
import { CommandRules } from './command-rules.ts';
import { type MarketColumns, marketColumns, type Rules } from './market-columns.ts';
import { MatchingRules } from './matching-rules.ts';
import { MemoryRules } from './memory-rules.ts';
import { ReportRules } from './report-rules.ts';
import type { RuleWriter } from './rule-writer.ts';
import { SelfTradeRules } from './self-trade-rules.ts';
import { StopRules } from './stop-rules.ts';

/** With the version: proofs of another one are refused. */
const CIRCUITS = {
  plain: { name: 'veritape market', version: 1 },
  ruled: { name: 'veritape ruled market', version: 1 },
  stops: { name: 'veritape stop market', version: 1 },
};

/**
 * The rules of the market (docs/market-rules.md) as equations over rows: a row is one step of one command, such as one
 * trade. docs/market-circuit.md lists every column and constraint.
 *
 * The books live in a memory whose cells are orders, addressed by account and client order id, and the heads of the
 * ladders. Each ladder is a list from its head through its orders, best first and first come first served, to the next
 * ladder's head. A row reads and writes up to three cells: the head of the other side, one other order, and its own. What
 * is read must be what was written there last: the memory bus balances only then, because times of access increase and
 * the directory lets every address begin once.
 *
 * There are three circuits by the same rules: the ruled one knows self-trade prevention besides, and that of stops knows these
 * and self-trade prevention. In the others their columns are zeros, of which nothing is left in the equations.
 *
 * `without` leaves out the constraints and bus entries named, to show what each of them refuses.
 */
export function marketCircuit(rules: Rules = 'plain', without: readonly string[] = []): Circuit {
  const { name, version } = CIRCUITS[rules];
  const circuit = new CircuitBuilder(name, version);
  // Twice: constants come behind all columns, as in proofs that were made when every column was there.
  const declared: Expression[] = [];
  marketColumns<unknown>({
    rules,
    group: (group) => circuit.group(group),
    column: (column, meaning, bits) => declared.push(circuit.column(column, meaning, bits)),
    absent: () => undefined,
  });
  circuit.constant(1);
  const zero = circuit.constant(0);
  let next = 0;
  const columns = marketColumns<Expression>({
    rules,
    group: () => undefined,
    column: () => declared[next++] as Expression,
    absent: () => zero,
  });
  const writers: (new (circuit: CircuitBuilder, columns: MarketColumns<Expression>) => RuleWriter)[] = [
    CommandRules,
    MatchingRules,
    ReportRules,
    MemoryRules,
  ];
  if (rules !== 'plain') writers.push(SelfTradeRules);
  if (rules === 'stops') writers.push(StopRules);
  for (const Writer of writers) new Writer(circuit, columns).write();
  return circuit.build(without);
}
