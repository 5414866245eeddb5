import { AccountFlag, accountAt, claimAccount, hasRoomForAccount } from './accounts.ts';
import { AccountSetting, AMOUNT_MAX, EventType, Reason, Role, TERM_SHIFT } from './codes.ts';
import { claimEvent } from './events.ts';
import { reject } from './market.ts';
import { counters } from './memory.ts';
import { OrderFlag, orderAt } from './orders.ts';
import { bringIntoForce, EXACT_MAX } from './protection.ts';
import { Account, Command } from './records.ts';
import { scheduleCancel } from './scheduled-cancel.ts';

/** What is set of accounts, one setting a command. */

const U32_MAX: u64 = 0xffff_ffff;
/** A day, as with Kraken's CancelAllOrdersAfter. */
const CANCEL_AFTER_NS_MAX: u64 = 86_400_000_000_000;
const ALL_ROLES: u64 = Role.administrator | Role.marketOperations | Role.risk | Role.clearing;

export function setAccount(command: Command): void {
  const setting = command.flags >> TERM_SHIFT;
  const reason = whyNotSet(command, setting);
  if (reason !== Reason.none) return reject(command, reason);
  const place = claimAccount(command.account as u64);
  counters().ruled = 1;
  if (setting === AccountSetting.cancelAllAfter) scheduleCancel(place, timeAfter(command));
  else put(accountAt(place), command, setting);
  emitAccount(command.account, setting, command.extra, command.request);
}

function whyNotSet(command: Command, setting: u32): u32 {
  if ((command.flags & 0xff_ffff) !== 0) return Reason.flags;
  if (hasOrderFields(command) || command.id !== 0) return Reason.reservedField;
  if (!isSetting(setting, command.extra)) return Reason.setting;
  return hasRoomForAccount(command.account as u64) ? Reason.none : Reason.accountsFull;
}

/** Whether fields are set that a command about an account has no use for. */
export function hasOrderFields(command: Command): bool {
  return command.head >> 8 !== 0 || command.symbol !== 0 || command.price !== 0 || command.quantity !== 0;
}

function isSetting(setting: u32, value: u64): bool {
  if (setting === AccountSetting.roles) return value <= ALL_ROLES;
  if (setting === AccountSetting.group || setting === AccountSetting.openOrdersMax) return value <= U32_MAX;
  if (setting === AccountSetting.rateMax) return value <= U32_MAX;
  if (setting === AccountSetting.quantityMax) return value <= AMOUNT_MAX;
  if (setting === AccountSetting.notionalMax) return value <= EXACT_MAX;
  if (setting === AccountSetting.increasingIds) return value <= 1;
  return setting === AccountSetting.cancelAllAfter && value <= CANCEL_AFTER_NS_MAX;
}

/** 0 for never. */
function timeAfter(command: Command): u64 {
  const time = command.time + command.extra;
  if (command.extra === 0) return 0;
  return time < command.extra ? u64.MAX_VALUE : time;
}

function put(account: Account, command: Command, setting: u32): void {
  const value = command.extra;
  if (setting === AccountSetting.roles) account.roles = value as u32;
  else if (setting === AccountSetting.group) account.group = value as u32;
  else {
    bringIntoForce();
    if (setting === AccountSetting.openOrdersMax) putOpenOrdersMax(account, value as u32);
    else if (setting === AccountSetting.rateMax) account.rateMax = value as u32;
    else if (setting === AccountSetting.quantityMax) account.quantityMax = value;
    else if (setting === AccountSetting.notionalMax) account.notionalMax = value;
    else {
      account.flags = (account.flags & ~AccountFlag.increasingIds) | (value === 0 ? 0 : AccountFlag.increasingIds);
      account.highestId = 0;
    }
  }
}

/** Orders are counted as long as there is a limit: those that are live when it is first set are looked for. */
function putOpenOrdersMax(account: Account, max: u32): void {
  if (max === 0) account.openOrders = 0;
  else if (account.openOrdersMax === 0) {
    const highWater = counters().highWater;
    for (let slot: u32 = 1; slot <= highWater; slot++) {
      const order = orderAt(slot);
      if ((order.terms & OrderFlag.live) !== 0 && (order.account as u64) === account.owner) account.openOrders++;
    }
  }
  account.openOrdersMax = max;
}

export function emitAccount(account: u32, setting: u32, value: u64, request: u32): void {
  const event = claimEvent();
  event.head = EventType.account;
  event.symbol = 0;
  event.price = value;
  event.quantity = 0;
  event.id = 0;
  event.account = account;
  event.slot = setting;
  event.generation = 0;
  event.request = request;
  event.open = 0;
}
