import { balanceAt, claimBalance, findBalance, hasRoomForBalances, TOTAL_MAX } from './balances.ts';
import { EventType, OrderType, Reason, Setting } from './codes.ts';
import { claimEvent } from './events.ts';
import { costToTrade } from './fills.ts';
import { isSettled, RATE_ONE } from './fund-settings.ts';
import { settingOf } from './instruments.ts';
import { describe } from './market.ts';
import { detailAt, OrderFlag, orderAt, symbolOf } from './orders.ts';
import { isForAuction } from './phases.ts';
import { Event, Incoming, Order } from './records.ts';
import { describeIncoming } from './ruled.ts';
import { bandOf } from './touch.ts';
import { productUpTo } from './wide-numbers.ts';

/**
 * What orders of settled instruments hold of their accounts' balances, and what trades move between them. Fees are rounded down
 * for each trade, so the parts of an order never cost more than was held for the whole. A rebate is a fee below zero, as two's
 * complement; rounded down like the taker's fee, of which it is a part, it never is more than that.
 */

// --- Amounts ---------------------------------------------------------------------------------------------------------

function assetOf(symbol: u32, setting: u32): u32 {
  return settingOf(symbol, setting) as u32;
}

/** What an order of this side holds, and the other asset that it is exchanged for. */
function heldAsset(symbol: u32, side: u32): u32 {
  return assetOf(symbol, side === 0 ? Setting.quoteAsset : Setting.baseAsset);
}

function unitsOf(symbol: u32, setting: u32): u64 {
  return max<u64>(settingOf(symbol, setting), 1);
}

/** Units of the base asset in so many lots; more than {@link TOTAL_MAX} if there can not be so many. */
function baseOf(symbol: u32, lots: u64): u64 {
  return productUpTo(lots, unitsOf(symbol, Setting.lotValue), TOTAL_MAX);
}

/** Units of the quote asset that so many lots cost at a price; more than {@link TOTAL_MAX} if there can not be so many. */
export function costOf(symbol: u32, price: u64, lots: u64): u64 {
  const ticks = productUpTo(price, lots, TOTAL_MAX);
  return ticks > TOTAL_MAX ? ticks : productUpTo(ticks, unitsOf(symbol, Setting.tickValue), TOTAL_MAX);
}

/** The part of a cost, at most {@link TOTAL_MAX} + 1, that a fee of so many millionths is, rounded down. */
function feeOf(cost: u64, rate: u64): u64 {
  const millions = (cost / RATE_ONE) | 0;
  const rest = cost - millions * RATE_ONE;
  return millions * rate + (((rest * rate) / RATE_ONE) | 0);
}

/** What the resting order pays of a cost; below zero what it gets. An instrument has one of the two rates, if any. */
function makerFeeOf(symbol: u32, cost: u64): u64 {
  const rebate = settingOf(symbol, Setting.makerRebate);
  if (rebate !== 0) return -feeOf(cost, rebate);
  return feeOf(cost, settingOf(symbol, Setting.makerFee));
}

function highestRate(symbol: u32): u64 {
  return max<u64>(settingOf(symbol, Setting.makerFee), settingOf(symbol, Setting.takerFee));
}

function withFee(symbol: u32, cost: u64): u64 {
  return cost > TOTAL_MAX ? cost : cost + feeOf(cost, highestRate(symbol));
}

/** What so many lots at a limit hold. */
function holdAt(symbol: u32, side: u32, price: u64, lots: u64): u64 {
  return side === 0 ? withFee(symbol, costOf(symbol, price, lots)) : baseOf(symbol, lots);
}

function hasLimit(order: Incoming): bool {
  return order.type === OrderType.limit || order.type === OrderType.stopLimit;
}

function holdOf(order: Incoming): u64 {
  if (order.side !== 0 || hasLimit(order)) return holdAt(order.symbol, order.side, order.price, order.open);
  if (order.type === OrderType.stop || order.after !== 0) return 0;
  if (isForAuction(order)) return TOTAL_MAX + 1;
  return withFee(order.symbol, costToTrade(order, bandOf(order)));
}

/** The sum of two amounts that are at most {@link TOTAL_MAX} + 1; itself at most that. */
export function sumOfAmounts(one: u64, other: u64): u64 {
  return one > TOTAL_MAX || other > TOTAL_MAX - one ? TOTAL_MAX + 1 : one + other;
}

// --- Holds -----------------------------------------------------------------------------------------------------------

/** Holds what the order needs beside what is held for it already, or gives back what is too much. Tells why it can not. */
export function whyNotHeld(order: Incoming): u32 {
  const symbol = order.symbol;
  if (!isSettled(symbol)) return Reason.none;
  const owner = order.account as u64;
  const asset = heldAsset(symbol, order.side);
  const other = heldAsset(symbol, order.side ^ 1);
  const place = findBalance(owner, asset);
  const missing: u32 = (place === 0 ? 1 : 0) + (findBalance(owner, other) === 0 ? 1 : 0);
  if (missing !== 0 && !hasRoomForBalances(missing)) return Reason.balancesFull;
  const needed = holdOf(order);
  // It had less before, which the balance covered.
  if (needed > order.held && needed - order.held > balanceAt(place).available) return Reason.insufficientFunds;
  claimBalance(owner, other);
  const balance = claimBalance(owner, asset);
  balance.available += order.held - needed;
  balance.held += needed - order.held;
  order.held = needed;
  if (order.slot !== 0) detailAt(order.slot).held = 0;
  return Reason.none;
}

function release(account: u32, symbol: u32, side: u32, amount: u64): void {
  if (amount === 0) return;
  const balance = balanceAt(findBalance(account as u64, heldAsset(symbol, side)));
  balance.available += amount;
  balance.held -= amount;
}

/** The order at work is gone: nothing is held for it any more. */
export function releaseIncoming(order: Incoming): void {
  release(order.account, order.symbol, order.side, order.held);
  order.held = 0;
  if (order.slot !== 0) detailAt(order.slot).held = 0;
}

/** The order at work comes to rest in a slot, whose detail was cleared: what is open at its limit stays held. */
export function restHold(order: Incoming, slot: u32): void {
  if (order.held === 0) return;
  const needed = holdOf(order);
  release(order.account, order.symbol, order.side, order.held - needed);
  const detail = detailAt(slot);
  detail.held = needed;
  detail.heldAsset = heldAsset(order.symbol, order.side);
  order.held = 0;
}

/** A resting order has become smaller. */
export function fitHold(order: Order, slot: u32): void {
  if ((order.terms & OrderFlag.ruled) === 0) return;
  const detail = detailAt(slot);
  if (detail.held === 0) return;
  const side = order.terms & OrderFlag.sell;
  const needed = holdAt(symbolOf(order), side, order.price, order.open);
  release(order.account, symbolOf(order), side, detail.held - needed);
  detail.held = needed;
}

/** A resting order is gone. */
export function releaseResting(slot: u32): void {
  const order = orderAt(slot);
  if ((order.terms & OrderFlag.ruled) === 0) return;
  const detail = detailAt(slot);
  release(order.account, symbolOf(order), order.terms & OrderFlag.sell, detail.held);
  detail.held = 0;
  detail.heldAsset = 0;
}

// --- Settlement ------------------------------------------------------------------------------------------------------

/** Whether a buy without a limit has not even held enough for one lot at a price. */
export function isOutOfFunds(order: Incoming, price: u64): bool {
  return payableLots(order, price, 1) === 0;
}

/** Of so many lots at a price, those that a buy without a limit has held enough for. */
export function payableLots(order: Incoming, price: u64, lots: u64): u64 {
  if (order.side !== 0 || hasLimit(order) || !isSettled(order.symbol)) return lots;
  let most = lots;
  if (isPayable(order, price, most)) return most;
  let least: u64 = 0;
  while (most - least > 1) {
    const middle = least + ((most - least) >> 1);
    if (isPayable(order, price, middle)) least = middle;
    else most = middle;
  }
  return least;
}

function isPayable(order: Incoming, price: u64, lots: u64): bool {
  const cost = costOf(order.symbol, price, lots);
  return cost <= TOTAL_MAX && cost + feeOf(cost, settingOf(order.symbol, Setting.takerFee)) <= order.held;
}

/** Moves what a trade of so many lots at the resting order's price exchanges, and tells of it. */
export function settleTrade(order: Incoming, maker: Order, slot: u32, lots: u64): void {
  // Small enough to be inlined: a trade that is not settled pays for no call.
  if (isSettled(order.symbol)) settle(order, maker, slot, lots);
}

function settle(order: Incoming, maker: Order, slot: u32, lots: u64): void {
  const symbol = order.symbol;
  const cost = costOf(symbol, maker.price, lots);
  const amount = baseOf(symbol, lots);
  const makerFee = makerFeeOf(symbol, cost);
  const fee = feeOf(cost, settingOf(symbol, Setting.takerFee));
  settleResting(maker, slot, cost, amount, makerFee);
  order.held -= exchange(order.account, symbol, order.side, cost, amount, fee);
  collect(symbol, makerFee + fee);
  const taken = claimEvent();
  describeIncoming(taken, order, EventType.settled, 0);
  tell(taken, cost, amount, fee);
}

/** The same of a trade of two resting orders: neither is a taker, so nobody's fee has a rebate in it. */
export function settleAuctionTrade(buySlot: u32, sellSlot: u32, price: u64, lots: u64): void {
  const buy = orderAt(buySlot);
  const symbol = symbolOf(buy);
  if (!isSettled(symbol)) return;
  const cost = costOf(symbol, price, lots);
  const amount = baseOf(symbol, lots);
  const fee = feeOf(cost, settingOf(symbol, Setting.makerFee));
  settleResting(buy, buySlot, cost, amount, fee);
  settleResting(orderAt(sellSlot), sellSlot, cost, amount, fee);
  collect(symbol, fee + fee);
}

function settleResting(order: Order, slot: u32, cost: u64, amount: u64, fee: u64): void {
  const symbol = symbolOf(order);
  detailAt(slot).held -= exchange(order.account, symbol, order.terms & OrderFlag.sell, cost, amount, fee);
  const event = claimEvent();
  describe(event, order, slot, EventType.settled, 0, 0);
  tell(event, cost, amount, fee);
}

/** What one side gives and gets, its fee with it. Returns what it gave, which was held. */
function exchange(account: u32, symbol: u32, side: u32, cost: u64, amount: u64, fee: u64): u64 {
  const given = side === 0 ? cost + fee : amount;
  balanceAt(findBalance(account as u64, heldAsset(symbol, side))).held -= given;
  const got = side === 0 ? amount : cost - fee;
  balanceAt(findBalance(account as u64, heldAsset(symbol, side ^ 1))).available += got;
  return given;
}

/** The fees of both sides of a trade, together never below zero, go where fees go. */
function collect(symbol: u32, fees: u64): void {
  const feeAccount = settingOf(symbol, Setting.feeAccount);
  balanceAt(findBalance(feeAccount, assetOf(symbol, Setting.quoteAsset))).available += fees;
}

function tell(event: Event, cost: u64, amount: u64, fee: u64): void {
  event.price = cost;
  event.quantity = amount;
  event.open = fee;
}
