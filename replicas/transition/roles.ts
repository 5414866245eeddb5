import { recordOf } from './accounts.ts';
import { AccountSetting, Flag, Op, Role, TERM_SHIFT } from './codes.ts';
import { isPhaseOp } from './phases.ts';
import { Command } from './records.ts';

/** Which commands a session may send by the roles of its account. Account 0, which is not asked about here, may send all. */

/** Whether a session of `account` may send the command, which names that account or was let through for another. */
export function mayAct(account: u32, command: Command, op: u32): bool {
  const roles = rolesFor(command, op);
  return roles === 0 || hasRole(account, roles);
}

/** Whether a session of `account` may send the command though it names another account. */
export function mayActForOthers(account: u32, command: Command, op: u32): bool {
  const roles = isOfOrders(command, op) ? Role.marketOperations | Role.risk : rolesFor(command, op);
  if (roles !== 0) return hasRole(account, roles);
  return op === Op.accountSet && hasRole(account, Role.risk);
}

function hasRole(account: u32, roles: u32): bool {
  return (recordOf(account).roles & (roles | Role.administrator)) !== 0;
}

/** What takes orders of one account off. */
function isOfOrders(command: Command, op: u32): bool {
  if (op === Op.massCancel) return (command.flags & Flag.byAccount) !== 0;
  return op === Op.cancel || op === Op.reduce;
}

/** Roles of which one is needed; 0 if every account may, for itself. */
function rolesFor(command: Command, op: u32): u32 {
  if (op === Op.massCancel) return (command.flags & Flag.byAccount) === 0 ? Role.marketOperations | Role.risk : 0;
  if (op < Op.massStatus) return 0;
  if (op <= Op.moveSet || op === Op.instrumentCreate || op === Op.instrumentUpdate) return Role.marketOperations;
  if (op === Op.instrumentAssign || op === Op.instrumentSet || isPhaseOp(op)) return Role.marketOperations;
  if (op === Op.deposit || op === Op.withdraw) return Role.clearing;
  if (op === Op.kill || op === Op.reinstate) return Role.risk;
  if (op !== Op.accountSet) return 0;
  const setting = command.flags >> TERM_SHIFT;
  if (setting === AccountSetting.roles) return Role.administrator;
  return setting === AccountSetting.cancelAllAfter ? 0 : Role.risk;
}
