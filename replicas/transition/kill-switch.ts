import { hasOrderFields } from './account-settings.ts';
import {
  AccountFlag,
  accountAt,
  claimAccount,
  findAccount,
  groupOf,
  hasRoomForAccount,
  ownerOfGroup,
} from './accounts.ts';
import { EventFlag, EventType, Flag, Reason } from './codes.ts';
import { claimEvent } from './events.ts';
import { isElsewhere } from './instruments.ts';
import { holdFollowers, releaseFollowers } from './links.ts';
import { reject, remove } from './market.ts';
import { counters } from './memory.ts';
import { OrderFlag, orderAt, symbolOf } from './orders.ts';
import { bringIntoForce } from './protection.ts';
import { Command, Order } from './records.ts';
import { touch } from './touched.ts';

/** The kill switch: stops an account, a group or all, and takes their orders off. */

class Scope {
  static readonly all: u32 = 0;
  static readonly account: u32 = 1;
  static readonly group: u32 = 2;
}
const U32_MAX: u64 = 0xffff_ffff;

/** Returns how many orders were canceled. */
export function kill(command: Command): u64 {
  const scope = scopeOf(command);
  let reason = whyNot(command);
  if (reason === Reason.none && scope !== Scope.all && !hasRoomForAccount(ownerOf(command, scope)))
    reason = Reason.accountsFull;
  if (reason !== Reason.none) {
    reject(command, reason);
    return 0;
  }
  bringIntoForce();
  put(command, scope, AccountFlag.killed);
  emitKill(command, scope, EventFlag.closed);
  let count: u64 = 0;
  holdFollowers();
  const highWater = counters().highWater;
  for (let slot: u32 = 1; slot <= highWater; slot++) {
    if (!isMeant(command, orderAt(slot), scope)) continue;
    touch(symbolOf(orderAt(slot)));
    remove(slot, Reason.killSwitch, command.request);
    count++;
  }
  releaseFollowers();
  return count;
}

export function reinstate(command: Command): void {
  const scope = scopeOf(command);
  const reason = whyNot(command);
  if (reason !== Reason.none) return reject(command, reason);
  put(command, scope, 0);
  emitKill(command, scope, 0);
}

function scopeOf(command: Command): u32 {
  if ((command.flags & Flag.byAccount) !== 0) return Scope.account;
  return (command.flags & Flag.byGroup) !== 0 ? Scope.group : Scope.all;
}

function ownerOf(command: Command, scope: u32): u64 {
  return scope === Scope.account ? (command.account as u64) : ownerOfGroup(command.extra as u32);
}

function whyNot(command: Command): u32 {
  const flags = command.flags;
  if (flags !== 0 && flags !== Flag.byAccount && flags !== Flag.byGroup) return Reason.flags;
  if (hasOrderFields(command) || command.id !== 0) return Reason.reservedField;
  if (flags !== Flag.byGroup) return command.extra === 0 ? Reason.none : Reason.reservedField;
  return command.extra - 1 < U32_MAX ? Reason.none : Reason.setting;
}

/** To reinstate what has no record, none is made. */
function put(command: Command, scope: u32, killed: u32): void {
  if (scope === Scope.all) counters().killed = killed;
  else if (killed !== 0) accountAt(claimAccount(ownerOf(command, scope))).flags |= AccountFlag.killed;
  else {
    const place = findAccount(ownerOf(command, scope));
    if (place !== 0) accountAt(place).flags &= ~AccountFlag.killed;
  }
}

/** Whether a slot has an order, or terms that wait for one, of an account that is meant. */
function isMeant(command: Command, order: Order, scope: u32): bool {
  if ((order.terms & (OrderFlag.live | OrderFlag.pending)) === 0) return false;
  if (scope === Scope.account && order.account !== command.account) return false;
  if (scope === Scope.group && (groupOf(order.account) as u64) !== command.extra) return false;
  return !isElsewhere(symbolOf(order));
}

function emitKill(command: Command, scope: u32, flags: u32): void {
  const event = claimEvent();
  event.head = EventType.kill | (flags << 24);
  event.symbol = 0;
  event.price = command.extra;
  event.quantity = 0;
  event.id = 0;
  event.account = command.account;
  event.slot = scope;
  event.generation = 0;
  event.request = command.request;
  event.open = 0;
}
