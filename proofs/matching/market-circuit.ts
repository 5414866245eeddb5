import { type Circuit, CircuitBuilder } from '../stark/constraints.ts';
import { CommandRules } from './command-rules.ts';
import { marketColumns } from './market-columns.ts';
import { MatchingRules } from './matching-rules.ts';
import { MemoryRules } from './memory-rules.ts';
import { ReportRules } from './report-rules.ts';

const MARKET_CIRCUIT_VERSION = 1;

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
 * `without` leaves out the constraints and bus entries named, to show what each of them refuses.
 */
export function marketCircuit(without: readonly string[] = []): Circuit {
  const circuit = new CircuitBuilder('veritape market', MARKET_CIRCUIT_VERSION);
  const columns = marketColumns(circuit);
  for (const Rules of [CommandRules, MatchingRules, ReportRules, MemoryRules]) new Rules(circuit, columns).write();
  return circuit.build(without);
}
