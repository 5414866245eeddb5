import { dropCursor } from './auction-cursors.ts';
import { Flag, OrderType, Setting, TimeInForce } from './codes.ts';
import { InstrumentFlag, instrumentAt, settingOf } from './instruments.ts';
import { bestOf } from './ladders.ts';
import { limitKeyOf, wouldTrade } from './market.ts';
import { counters, waitingOf } from './memory.ts';
import { hiddenLadderOf, OrderFlag, shownLadderOf } from './orders.ts';
import { isContinuous } from './phases.ts';
import { Command, Instrument, Order } from './records.ts';
import { isMultiple } from './ruled.ts';

/**
 * Orders of ruled instruments that use no rule beyond the plain ones, as most do: market.ts enters and replaces them as those of
 * other instruments. A rule that concerns every order must be looked at here, too: where it may say no or wants more than
 * that, the order is for ruled.ts.
 */

/** Whether the plain rules are all that there is to a new order that has nothing beyond them. */
export function isBare(command: Command, instrument: Instrument): bool {
  const symbol = command.symbol;
  const side = (command.head >> 8) & 255;
  const hasPrice = ((command.head >> 16) & 255) === OrderType.limit;
  if (!isEasy(instrument) || side > 1) return false;
  if (!fits(symbol, instrument, command.price, command.quantity)) return false;
  if (command.flags !== 0 && settingOf(symbol, Setting.postOnlySlide) !== 0) return false;
  if (!hasPrice && settingOf(symbol, Setting.band) !== 0) return false;
  // What could fill it at once is then told by the volume of levels.
  if (command.head >> 24 === TimeInForce.fok && (instrument.icebergs | waitingOf(symbol).linked) !== 0) return false;
  return tradesPlainly(symbol, instrument, side, hasPrice ? limitKeyOf(side, command.price) : u64.MAX_VALUE);
}

/** The same of a resting order and what replaces its price or, with `quantity`, its quantity. */
export function isBareReplace(command: Command, quantity: u64, order: Order, instrument: Instrument): bool {
  if ((order.terms & OrderFlag.ruled) !== 0 || !isEasy(instrument)) return false;
  const symbol = command.symbol;
  const side = order.terms & OrderFlag.sell;
  const isPriced = (command.flags & Flag.hasPrice) !== 0;
  const isQuantified = (command.flags & Flag.hasQuantity) !== 0;
  if (!fits(symbol, instrument, isPriced ? command.price : 0, isQuantified ? quantity : 0)) return false;
  if ((order.terms & OrderFlag.postOnly) !== 0 && settingOf(symbol, Setting.postOnlySlide) !== 0) return false;
  return tradesPlainly(symbol, instrument, side, limitKeyOf(side, isPriced ? command.price : order.price));
}

/** Whether no rule concerns all orders of the instrument. */
function isEasy(instrument: Instrument): bool {
  return (instrument.flags & (InstrumentFlag.strict | InstrumentFlag.shut)) === 0 && counters().inForce === 0;
}

/** Whether tick and lot allow a price and a quantity; 0 if not given. */
function fits(symbol: u32, instrument: Instrument, price: u64, quantity: u64): bool {
  if ((instrument.flags & InstrumentFlag.strictAmounts) === 0) return true;
  return isMultiple(price, settingOf(symbol, Setting.tick)) && isMultiple(quantity, settingOf(symbol, Setting.lot));
}

/** Whether an order trades by the plain rules as far as it meets orders without a detail, or does not trade. */
function tradesPlainly(symbol: u32, instrument: Instrument, side: u32, limitKey: u64): bool {
  if (bestOf(hiddenLadderOf(symbol, side ^ 1)) !== 0) return false;
  return (
    (instrument.flags & InstrumentFlag.strictTrades) === 0 || !wouldTrade(shownLadderOf(symbol, side ^ 1), limitKey)
  );
}

/** Notes which orders the phase and the settings of an instrument concern. */
export function noteRules(symbol: u32): void {
  const all =
    settingOf(symbol, Setting.minQuantity) |
    settingOf(symbol, Setting.maxNotional) |
    settingOf(symbol, Setting.priceBand) |
    settingOf(symbol, Setting.baseAsset);
  const trades = settingOf(symbol, Setting.stp) | settingOf(symbol, Setting.volatilityTicks);
  const unit = max<u64>(settingOf(symbol, Setting.tick), settingOf(symbol, Setting.lot));
  let noted: u32 = 0;
  if (!isContinuous(symbol)) noted = InstrumentFlag.interrupted | InstrumentFlag.strict;
  if (all !== 0) noted |= InstrumentFlag.strict;
  if (trades !== 0) noted |= InstrumentFlag.strictTrades;
  if (unit > 1) noted |= InstrumentFlag.strictAmounts;
  const instrument = instrumentAt(symbol);
  const before = instrument.flags;
  instrument.flags = (before & ~InstrumentFlag.noted) | noted;
  const wasInterrupted = (before & InstrumentFlag.interrupted) !== 0;
  // From here on orders go the plain way.
  if (isContinuous(symbol)) dropCursor(symbol);
  if (wasInterrupted === isContinuous(symbol)) counters().interrupted += wasInterrupted ? -1 : 1;
}
