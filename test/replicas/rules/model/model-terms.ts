import type { ReasonName } from '../../../../journal/reasons.ts';
import type { MarketCommand } from '../../reference-command.ts';
import { isLimitSetting } from './model-accounts.ts';
import { mayRest, SETTING } from './model-exchange.ts';
import { isFundSetting } from './model-funds.ts';
import type { ModelInstrument, ModelOrder, ModelTerms } from './model-order.ts';
import { isForAuction } from './model-phases.ts';
import { isDue, isStop } from './model-stops.ts';

/** What commands say of new orders and settings. */
export const FLAG = {
  postOnly: 1,
  hasPrice: 2,
  hasQuantity: 4,
  byAccount: 8,
  bySymbol: 16,
  closed: 32,
  hasTerms: 128,
  hidden: 256,
  allOrNone: 512,
  byGroup: 1024,
} as const;
export const TERM = {
  stopPrice: 1,
  trail: 2,
  expires: 3,
  display: 4,
  minQty: 5,
  cancels: 6,
  after: 7,
  open: 10,
} as const;
export const PRICE_MAX = 2n ** 48n - 3n;
const AMOUNT_MAX = 2n ** 48n - 1n;

export const isPrice = (value: bigint): boolean => value >= 1n && value <= PRICE_MAX;
export const isAmount = (value: bigint): boolean => value >= 1n && value <= AMOUNT_MAX;

export const NO_ORDER = {
  type: 0,
  tif: 0,
  postOnly: false,
  hidden: false,
  allOrNone: false,
  byGroup: false,
  stp: 0,
  display: 0,
  price: 0,
  open: 0,
  shown: 0,
  traded: 0,
  request: 0,
  arrival: 0,
  placed: 0,
  entered: 0,
  book: 'limits' as const,
  expires: 0n,
  minQty: 0,
  hold: 0n,
  stopPrice: 0,
  trail: 0,
  extreme: undefined,
  waits: undefined,
  waitsFor: undefined,
  group: undefined,
};

/** The orders that a new one names. */
export interface Links {
  readonly cancels: ModelOrder | undefined;
  readonly after: ModelOrder | undefined;
  readonly isMissing: boolean;
  /** The one that it cancels is missing. */
  readonly firstMissing: boolean;
}

export function willWait({ last }: ModelInstrument, order: ModelOrder, { after }: Links): boolean {
  return after !== undefined || (isStop(order) && (order.trail > 0 || !isDue(order, last)));
}

/** Whether what is left of it rests. */
export function stays(instrument: ModelInstrument, order: ModelOrder): boolean {
  return mayRest(order) || isForAuction(instrument, order);
}

/** Whether it takes a slot. */
export function hasHandle(instrument: ModelInstrument, order: ModelOrder, { cancels }: Links, waits: boolean): boolean {
  return stays(instrument, order) || waits || cancels !== undefined;
}

/** Joins the group of `named`, directly before it. */
export function join(order: ModelOrder, named: ModelOrder): void {
  named.group ??= [named];
  named.group.splice(named.group.indexOf(named), 0, order);
  order.group = named.group;
}

export const ticksOf = (term: bigint | undefined): number | undefined =>
  term === undefined ? undefined : Number(term);

export function isTerm(kind: number, value: bigint): boolean {
  if (kind === TERM.stopPrice || kind === TERM.trail) return isPrice(value);
  if (kind === TERM.display || kind === TERM.minQty) return isAmount(value);
  return kind >= 1 && kind <= 7 && value !== 0n;
}

export function isSetting(kind: number, value: bigint): boolean {
  if (kind === SETTING.stp) return value <= 4n || (value >= 9n && value <= 12n);
  if (kind === SETTING.postOnlySlide || kind === SETTING.stopEntry || kind === SETTING.bandRests) return value <= 1n;
  if (kind === SETTING.stopsMax) return value <= 1_048_576n;
  if (kind === SETTING.referencePrice) return value === 0n || isPrice(value);
  if (kind === SETTING.volatilityTicks) return value <= AMOUNT_MAX;
  if (kind === SETTING.volatilityNs || kind === SETTING.batchNs)
    return value === 0n || (value >= 1000n && value <= AMOUNT_MAX);
  if (isLimitSetting(kind, value) || isFundSetting(kind, value)) return true;
  return (kind === SETTING.tick || kind === SETTING.lot || kind === SETTING.band) && value <= AMOUNT_MAX;
}

/** Whether a new order has nothing that the plain rules do not know. */
export const isPlainNew = ({ type, tif, flags, extra }: MarketCommand): boolean =>
  type <= 1 && tif <= 2 && (flags & ~FLAG.postOnly) === 0 && extra === 0n;

/** The terms of a new order: those that waited, and the one of its record. */
export function gather(command: MarketCommand, waiting: ModelTerms | undefined): Map<number, bigint> | ReasonName {
  const wants = (command.flags & FLAG.hasTerms) !== 0;
  if (wants && waiting?.symbol !== command.symbol) return 'termsMissing';
  const terms = new Map(wants ? waiting?.values : []);
  const kind = command.flags >>> 24;
  if (kind === 0) return terms;
  if (!isTerm(kind, command.extra) || terms.has(kind)) return 'terms';
  return terms.set(kind, command.extra);
}

export function orderOf(command: MarketCommand, terms: ReadonlyMap<number, bigint>): ModelOrder {
  const { flags } = command;
  return {
    ...NO_ORDER,
    account: command.account,
    id: command.id,
    symbol: command.symbol,
    side: command.side,
    type: command.type,
    tif: command.tif,
    postOnly: (flags & FLAG.postOnly) !== 0,
    hidden: (flags & FLAG.hidden) !== 0,
    allOrNone: (flags & FLAG.allOrNone) !== 0,
    byGroup: (flags & FLAG.byGroup) !== 0,
    stp: (flags >>> 16) & 255,
    display: Number(terms.get(TERM.display) ?? 0n),
    expires: terms.get(TERM.expires) ?? 0n,
    minQty: Number(terms.get(TERM.minQty) ?? 0n),
    stopPrice: Number(terms.get(TERM.stopPrice) ?? 0n),
    trail: Number(terms.get(TERM.trail) ?? 0n),
    slot: 0,
    generation: 0,
    price: Number(command.price),
    open: Number(command.quantity),
    request: command.request,
  };
}
