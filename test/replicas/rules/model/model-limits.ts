import type { ReasonName } from '../../../../journal/reasons.ts';
import type { ModelAccounts } from './model-accounts.ts';
import { limitOf, SETTING } from './model-exchange.ts';
import { bestToTrade } from './model-matching.ts';
import type { ModelInstrument, ModelOrder, Side } from './model-order.ts';
import { isForAuction, isImmediate } from './model-phases.ts';
import { PRICE_MAX } from './model-terms.ts';

const ICEBERG_PARTS_MAX = 100;

const isMultiple = (value: number, unit: number): boolean => unit === 0 || value % unit === 0;
/** The fields of a replace that are given. */
export interface Changes {
  readonly price: number | undefined;
  readonly quantity: number | undefined;
  /** Ticks of a stop price or a trail. */
  readonly stopPrice: number | undefined;
  readonly trail: number | undefined;
  readonly display: number;
  readonly isNew: boolean;
}

/** For limits of price times quantity, what it will have, given or not; no price of an order without a limit. */
export interface Checked extends Changes {
  readonly account: number;
  readonly side: Side;
  readonly notionalPrice: number | undefined;
  readonly notionalQuantity: number;
}

/** By the instrument's limits and settings, for what is given. */
export function whyNotHere(
  accounts: ModelAccounts,
  instrument: ModelInstrument,
  changes: Checked,
): ReasonName | undefined {
  const { priceMax, quantityMax, settings } = instrument;
  const { price, quantity, stopPrice, trail, display, isNew } = changes;
  const lot = settings.get(SETTING.lot) ?? 0;
  const tick = settings.get(SETTING.tick) ?? 0;
  const isAbove = (ticks: number | undefined): boolean => ticks !== undefined && priceMax !== 0 && ticks > priceMax;
  const isOff = (ticks: number | undefined): boolean => ticks !== undefined && !isMultiple(ticks, tick);
  if (isAbove(price)) return 'priceMax';
  if (quantity !== undefined && quantityMax !== 0 && quantity > quantityMax) return 'quantityMax';
  if (isOff(price)) return 'tick';
  if (quantity !== undefined && !isMultiple(quantity, lot)) return 'lot';
  const { account, side, notionalPrice, notionalQuantity } = changes;
  const amounts = { newPrice: price, newQuantity: quantity, price: notionalPrice, quantity: notionalQuantity };
  const isOutside = accounts.whyNotWithin(instrument, { account, side, ...amounts });
  if (isOutside !== undefined) return isOutside;
  const isTooMuch = display > 0 && quantity !== undefined && quantity > ICEBERG_PARTS_MAX * display;
  if (!isNew && isTooMuch) return 'display';
  if (isAbove(stopPrice)) return 'priceMax';
  if (isOff(stopPrice) || isOff(trail)) return 'tick';
  if (isNew && !isMultiple(display, lot)) return 'lot';
  return isTooMuch ? 'display' : undefined;
}

/** The price that an order gets; undefined if there is none that it may have. */
export function slide(instrument: ModelInstrument, order: ModelOrder): { readonly price: number | undefined } {
  const { settings, priceMax } = instrument;
  if (!order.postOnly || settings.get(SETTING.postOnlySlide) !== 1) return { price: order.price };
  const touch = bestToTrade(instrument, order, limitOf(order));
  if (touch === undefined) return { price: order.price };
  const tick = Math.max(1, settings.get(SETTING.tick) ?? 0);
  const price = order.side === 'buy' ? Math.floor((touch - 1) / tick) * tick : Math.ceil((touch + 1) / tick) * tick;
  const isGood = price >= 1 && price <= Number(PRICE_MAX) && (priceMax === 0 || price <= priceMax);
  return { price: isGood ? price : undefined };
}

/** What a market order is whose protection band is to be its limit; itself if it has none. */
export function limitedToBand(
  instrument: ModelInstrument,
  order: ModelOrder,
): { readonly type: number; readonly price: number } {
  const { settings, priceMax } = instrument;
  const band = settings.get(SETTING.band) ?? 0;
  const touch = bestToTrade(instrument, order, undefined);
  const isMeant = order.type === 1 && settings.get(SETTING.bandRests) === 1 && band > 0 && !order.allOrNone;
  if (!isMeant || touch === undefined || isImmediate(order) || isForAuction(instrument, order)) return order;
  const tick = Math.max(1, settings.get(SETTING.tick) ?? 0);
  const highest = priceMax === 0 ? Number(PRICE_MAX) : priceMax;
  const isBuy = order.side === 'buy';
  const price = isBuy
    ? Math.floor(Math.min(touch + band, highest) / tick) * tick
    : Math.ceil(Math.max(touch - band, 1) / tick) * tick;
  return price === 0 || (isBuy ? price < touch : price > touch) ? order : { type: 0, price };
}
