import { claimBalance, findBalance, hasRoomForBalances } from './balances.ts';
import { Reason, Setting } from './codes.ts';
import { settingOf } from './instruments.ts';
import { counters } from './memory.ts';
import { OrderFlag, orderAt, symbolOf } from './orders.ts';
import { EXACT_MAX } from './protection.ts';

/** Settings of instruments whose trades are settled: what is exchanged, and what it costs. */

const U32_MAX: u64 = 0xffff_ffff;
/** Fees are parts of this: rates of up to 1. */
export const RATE_ONE: u64 = 1_000_000;

export function isFundSetting(setting: u32, value: u64): bool {
  if (isRate(setting)) return value <= RATE_ONE;
  if (setting === Setting.lotValue || setting === Setting.tickValue) return value <= EXACT_MAX;
  if (setting === Setting.baseAsset || setting === Setting.quoteAsset) return value <= U32_MAX;
  return setting === Setting.feeAccount && value <= U32_MAX;
}

function isRate(setting: u32): bool {
  return setting === Setting.makerFee || setting === Setting.takerFee || setting === Setting.makerRebate;
}

/**
 * Whether the rates of an instrument go together once one of its settings has this value: a rebate is part of the taker's fee, so that
 * fees are never less than what is paid out of them, and takes the place of a maker's.
 */
export function areRatesPayable(symbol: u32, setting: u32, value: u64): bool {
  if (!isRate(setting)) return true;
  const rebate = setting === Setting.makerRebate ? value : settingOf(symbol, Setting.makerRebate);
  if (rebate === 0) return true;
  const makerFee = setting === Setting.makerFee ? value : settingOf(symbol, Setting.makerFee);
  const takerFee = setting === Setting.takerFee ? value : settingOf(symbol, Setting.takerFee);
  return makerFee === 0 && rebate <= takerFee;
}

export function isSettled(symbol: u32): bool {
  return settingOf(symbol, Setting.baseAsset) !== 0 && settingOf(symbol, Setting.quoteAsset) !== 0;
}

/**
 * Why one of these settings can not be given its value, which is in range. If it can, the account that fees will go to has a
 * balance from here on.
 */
export function whyNotFundable(symbol: u32, setting: u32, value: u64): u32 {
  if (!isFundSetting(setting, 0)) return Reason.none;
  const base = setting === Setting.baseAsset ? value : settingOf(symbol, Setting.baseAsset);
  const quote = setting === Setting.quoteAsset ? value : settingOf(symbol, Setting.quoteAsset);
  if (base !== 0 && base === quote) return Reason.setting;
  if (!areRatesPayable(symbol, setting, value)) return Reason.setting;
  if (setting !== Setting.feeAccount && hasOrders(symbol)) return Reason.instrumentInUse;
  if (base === 0 || quote === 0) return Reason.none;
  const feeAccount = setting === Setting.feeAccount ? value : settingOf(symbol, Setting.feeAccount);
  if (findBalance(feeAccount, quote as u32) === 0 && !hasRoomForBalances(1)) return Reason.balancesFull;
  claimBalance(feeAccount, quote as u32);
  return Reason.none;
}

function hasOrders(symbol: u32): bool {
  const highWater = counters().highWater;
  for (let slot: u32 = 1; slot <= highWater; slot++) {
    const order = orderAt(slot);
    if ((order.terms & OrderFlag.live) !== 0 && symbolOf(order) === symbol) return true;
  }
  return false;
}
