import { AMOUNT_MAX, readU64, readWide } from '../../journal/amounts.ts';
import { decodeId, nameOf, OrderType, SelfTradePrevention, TimeInForce } from '../../journal/commands.ts';
import type { MarketState } from '../../replicas/matcher.ts';
import { DETAIL, DETAIL_SHIFT } from '../../replicas/order-details.ts';
import { ORDER, ORDER_FLAG, ORDER_SHIFT } from '../../replicas/order-table.ts';
import type { OpenOrderTerms } from './open-order.ts';

const ORD_TYPES: readonly string[] = byCode(OrderType, { limit: '2', market: '1', stop: '3', stopLimit: '4' });
const TIMES_IN_FORCE: readonly string[] = byCode(TimeInForce, {
  ...{ gtc: '1', ioc: '3', fok: '4', day: '0', gtd: '6', atTheOpen: '2', atTheClose: '7' },
});
/** Bits in the fourth byte of a detail's terms. */
const BY_GROUP = 1;
const IS_AFTER = 2;

function byCode<Name extends string>(codes: Readonly<Record<Name, number>>, tags: Readonly<Record<Name, string>>) {
  const list: string[] = [];
  for (const name of Object.keys(codes) as Name[]) list[codes[name]] = tags[name];
  return list;
}

/** Of the live order in `slot`. Of trailing stops, {@link MarketState.straighten} was called since the last command. */
export function openOrderTerms(state: MarketState, slot: number): OpenOrderTerms {
  const flags = state.orders.words[(slot << ORDER_SHIFT) + ORDER.terms] as number;
  const postOnly = (flags & ORDER_FLAG.postOnly) !== 0;
  if ((flags & ORDER_FLAG.ruled) === 0)
    return { OrdType: ORD_TYPES[0] as string, TimeInForce: TIMES_IN_FORCE[0] as string, postOnly };
  const { details } = state;
  const at = slot << DETAIL_SHIFT;
  const terms = details[at + DETAIL.terms] as number;
  const display = readWide(details, at + DETAIL.display);
  const expires = readU64(details, at + DETAIL.expires);
  const stp = nameOf(SelfTradePrevention, (terms >>> 16) & 255) ?? 'none';
  const group = othersOf(state, slot);
  return {
    OrdType: ORD_TYPES[terms & 255] as string,
    TimeInForce: TIMES_IN_FORCE[(terms >>> 8) & 255] as string,
    ...((flags & ORDER_FLAG.stop) === 0 ? {} : waitingTerms(state, slot, terms)),
    ...((flags & ORDER_FLAG.hidden) !== 0 ? { DisplayQty: 0 } : display === 0 ? {} : { DisplayQty: display }),
    ...(expires === 0n ? {} : { expires: String(expires) }),
    postOnly,
    ...((flags & ORDER_FLAG.allOrNone) === 0 ? {} : { allOrNone: true }),
    ...(stp === 'none' ? {} : { stp }),
    ...(((terms >>> 24) & BY_GROUP) === 0 ? {} : { byGroup: true }),
    ...(group.length === 0 ? {} : { cancels: group.map((other) => idOf(state, other)) }),
  };
}

function waitingTerms(state: MarketState, slot: number, terms: number): Partial<OpenOrderTerms> {
  const at = slot << DETAIL_SHIFT;
  const isAfter = ((terms >>> 24) & IS_AFTER) !== 0;
  const trail = readWide(state.details, at + DETAIL.trail);
  const stopPrice =
    trail === 0 || isAfter ? readWide(state.details, at + DETAIL.stopPrice) : trailingStopOf(state, slot);
  return {
    ...(stopPrice === 0 ? {} : { StopPx: stopPrice }),
    ...(trail === 0 ? {} : { trail }),
    waits: isAfter ? 'order' : 'stop',
    ...(isAfter ? { after: idOf(state, state.details[at + DETAIL.parent] as number) } : {}),
  };
}

/** Its best price was written into its detail before; of a buy it is told as 2^48 - 1 less it. */
function trailingStopOf({ orders, details }: MarketState, slot: number): number {
  const at = slot << DETAIL_SHIFT;
  const best = readWide(details, at + DETAIL.stopPrice);
  const trail = readWide(details, at + DETAIL.trail);
  if (best === 0) return 0;
  const isSell = ((orders.words[(slot << ORDER_SHIFT) + ORDER.terms] as number) & ORDER_FLAG.sell) !== 0;
  return isSell ? Math.max(0, best - trail) : AMOUNT_MAX - best + trail;
}

function othersOf({ details }: MarketState, slot: number): number[] {
  const partnerOf = (of: number): number => details[(of << DETAIL_SHIFT) + DETAIL.partner] as number;
  const others: number[] = [];
  for (let other = partnerOf(slot); other !== 0 && other !== slot; other = partnerOf(other)) others.push(other);
  return others;
}

function idOf({ orders }: MarketState, slot: number): string {
  return String(decodeId(orders.words, (slot << ORDER_SHIFT) + ORDER.id));
}
