import { setAccount } from './account-settings.ts';
import { deposit, withdraw } from './balances.ts';
import { Op, Reason } from './codes.ts';
import { kill, reinstate } from './kill-switch.ts';
import { reject } from './market.ts';
import { Command } from './records.ts';

/** The commands that are about an account. Returns what the answer tells as open: how many orders were canceled. */
export function performOfAccount(command: Command, op: u32): u64 {
  if (op === Op.kill) return kill(command);
  if (op === Op.accountSet) setAccount(command);
  else if (op === Op.deposit) deposit(command);
  else if (op === Op.withdraw) withdraw(command);
  else if (op === Op.reinstate) reinstate(command);
  else reject(command, Reason.notSupported);
  return 0;
}
