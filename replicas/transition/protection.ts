import { AccountFlag, accountAt, findAccount, ownerOfGroup, recordOf } from './accounts.ts';
import { AMOUNT_MAX, OrderType, PRICE_MAX, Reason, Setting } from './codes.ts';
import { instrumentAt, instrumentExists, makeRuled, settingOf } from './instruments.ts';
import { counters, instrumentsMax } from './memory.ts';
import { OrderFlag, orderAt } from './orders.ts';
import { Account, Command, Incoming } from './records.ts';
import { clearDetail } from './terms.ts';
import { exceeds } from './wide-numbers.ts';

/** What keeps orders out that are too small, too large, too far off, or too many: limits of instruments and of accounts. */

/** What a number of JavaScript holds exactly. */
export const EXACT_MAX: u64 = ((1 as u64) << 53) - 1;
const SECOND_NS: u64 = 1_000_000_000;
const U32_MAX: u32 = 0xffff_ffff;

/** From here on the rules of accounts apply to all orders: none may be left that only the plain rules know. */
export function bringIntoForce(): void {
  if (counters().inForce !== 0) return;
  counters().inForce = 1;
  for (let symbol: u32 = 0; symbol < instrumentsMax; symbol++) if (instrumentExists(symbol)) makeRuled(symbol);
  counters().ruled = 1;
  const highWater = counters().highWater;
  for (let slot: u32 = 1; slot <= highWater; slot++) {
    const order = orderAt(slot);
    if ((order.terms & (OrderFlag.live | OrderFlag.ruled)) !== OrderFlag.live) continue;
    order.terms |= OrderFlag.ruled;
    clearDetail(slot);
  }
}

/** Why an account may not send an order or a replace now, whatever is in it. Counts it. */
export function whyStopped(command: Command): u32 {
  if (counters().inForce === 0) return Reason.none;
  const place = findAccount(command.account as u64);
  const account = accountAt(place);
  if (isKilled(account)) return Reason.accountKilled;
  if (account.rateMax === 0) return Reason.none;
  const second = (command.time / SECOND_NS) | 0;
  if (second > account.rateSecond) {
    account.rateSecond = second;
    account.rateCount = 0;
  }
  if (account.rateCount !== U32_MAX) account.rateCount++;
  return account.rateCount > account.rateMax ? Reason.rateMax : Reason.none;
}

function isKilled(account: Account): bool {
  if (counters().killed !== 0 || (account.flags & AccountFlag.killed) !== 0) return true;
  return account.group !== 0 && (accountAt(findAccount(ownerOfGroup(account.group))).flags & AccountFlag.killed) !== 0;
}

/** By the limits of the instrument and the account, for a price or a quantity that are given. */
export function whyNotWithin(order: Incoming, priced: bool, quantified: bool): u32 {
  const symbol = order.symbol;
  if (quantified && order.quantity < settingOf(symbol, Setting.minQuantity)) return Reason.minQuantity;
  if (priced && isOutOfBand(order)) return Reason.priceBand;
  const hasNotional = order.type === OrderType.limit || order.type === OrderType.stopLimit;
  if (hasNotional && isTooMuch(order, settingOf(symbol, Setting.maxNotional))) return Reason.maxNotional;
  if (counters().inForce === 0) return Reason.none;
  const account = recordOf(order.account);
  if (quantified && account.quantityMax !== 0 && order.quantity > account.quantityMax) return Reason.accountQuantityMax;
  return hasNotional && isTooMuch(order, account.notionalMax) ? Reason.accountNotionalMax : Reason.none;
}

function isTooMuch(order: Incoming, bound: u64): bool {
  return bound !== 0 && exceeds(order.price, order.quantity, bound);
}

function isOutOfBand(order: Incoming): bool {
  const symbol = order.symbol;
  const price = order.price;
  const band = settingOf(symbol, Setting.priceBand);
  if (band === 0) return false;
  const set = settingOf(symbol, Setting.bandReference);
  const reference = set === 0 ? instrumentAt(symbol).last : set;
  if (reference === 0) return false;
  const isAway = order.side === 0 ? price < reference : price > reference;
  if (isAway && settingOf(symbol, Setting.bandOneSided) !== 0) return false;
  return (price > reference ? price - reference : reference - price) > band;
}

/** By the ids and the number of the account's orders. */
export function whyNotOneMore(order: Incoming, mayRest: bool): u32 {
  if (counters().inForce === 0) return Reason.none;
  const account = recordOf(order.account);
  if ((account.flags & AccountFlag.increasingIds) !== 0 && order.id <= account.highestId) return Reason.idNotIncreasing;
  const max = account.openOrdersMax;
  return mayRest && max !== 0 && account.openOrders >= max ? Reason.openOrdersMax : Reason.none;
}

/** Counts an order that was accepted. */
export function countOrder(order: Incoming, mayRest: bool): void {
  const place = counters().inForce === 0 ? 0 : findAccount(order.account as u64);
  if (place === 0) return;
  const account = accountAt(place);
  if ((account.flags & AccountFlag.increasingIds) !== 0) account.highestId = order.id;
  if (!mayRest || account.openOrdersMax === 0) return;
  account.openOrders++;
  order.counted = 1;
}

/** Whether an account may have no orders: it, its group or all were stopped by the kill switch. */
export function isStopped(account: u32): bool {
  return counters().inForce !== 0 && isKilled(recordOf(account));
}

/** Counts an order that was accepted on another shard. */
export function countMoved(account: u32, id: u64): void {
  const place = counters().inForce === 0 ? 0 : findAccount(account as u64);
  if (place === 0) return;
  const record = accountAt(place);
  if ((record.flags & AccountFlag.increasingIds) !== 0) record.highestId = max<u64>(record.highestId, id);
  if (record.openOrdersMax !== 0) record.openOrders++;
}

/** The order at work is gone. */
export function uncountIncoming(order: Incoming): void {
  if (order.counted !== 0) uncountOrder(order.account);
}

/** One of an account's open orders is gone. */
export function uncountOrder(account: u32): void {
  if (counters().inForce === 0) return;
  const record = recordOf(account);
  if (record.openOrdersMax !== 0) record.openOrders--;
}

/** Whether a setting of an instrument is one of these rules', and its value in range. */
export function isProtection(setting: u32, value: u64): bool {
  if (setting === Setting.minQuantity || setting === Setting.priceBand) return value <= AMOUNT_MAX;
  if (setting === Setting.maxNotional) return value <= EXACT_MAX;
  if (setting === Setting.bandOneSided) return value <= 1;
  return setting === Setting.bandReference && value <= PRICE_MAX;
}
