import type { ReasonName } from '../../../../journal/reasons.ts';
import type { MarketCommand } from '../../reference-command.ts';
import { type ModelExchange, nameOf } from './model-exchange.ts';
import type { ModelOrder, ModelTerms } from './model-order.ts';
import { FLAG, NO_ORDER } from './model-terms.ts';
import type { Due } from './model-time.ts';

/** What takes many orders off. Numbers are how many. */

type Leaver = ModelOrder | ModelTerms;

const isOrder = (one: Leaver): one is ModelOrder => 'side' in one;

function meant({ live, terms }: ModelExchange, isMeant: (one: Leaver) => boolean): Leaver[] {
  return [...live.values(), ...terms.values()].filter(isMeant).sort((a, b) => a.slot - b.slot);
}

const isHere = ({ instruments }: ModelExchange, { symbol }: Leaver): boolean =>
  instruments.get(symbol)?.elsewhere === undefined;

/** Terms without their order: price and quantity zero. */
export function removeTerms(exchange: ModelExchange, one: ModelTerms, reason: ReasonName, request: number): void {
  exchange.terms.delete(nameOf(one.account, one.id));
  exchange.slots.release(one.slot);
  exchange.events.takenOff({ ...NO_ORDER, ...one, side: 'buy' }, 0, reason, request);
}

/** In the order of their slots, and then what hangs on them. */
function takeOff(exchange: ModelExchange, all: readonly Leaver[], reason: ReasonName, request: number): number {
  for (const one of all) {
    if (isOrder(one)) exchange.leave(one, reason, request);
    else removeTerms(exchange, one, reason, request);
  }
  exchange.takeWithAll(all.filter(isOrder));
  return all.length;
}

export function massCancel(exchange: ModelExchange, command: MarketCommand): ReasonName | number {
  const { flags, sideCode, side, extra, account, symbol, request } = command;
  const byAccount = (flags & FLAG.byAccount) !== 0;
  const bySymbol = (flags & FLAG.bySymbol) !== 0;
  if ((flags & ~(FLAG.byAccount | FLAG.bySymbol)) !== 0) return 'flags';
  if (sideCode > 2) return 'side';
  if (extra !== 0n) return 'reservedField';
  if (bySymbol && !exchange.instruments.has(symbol)) return 'unknownSymbol';
  if (bySymbol && exchange.instruments.get(symbol)?.elsewhere !== undefined) return 'otherShard';
  const all = meant(
    exchange,
    (one) =>
      (!byAccount || one.account === account) &&
      (!bySymbol || one.symbol === symbol) &&
      (sideCode === 2 || (isOrder(one) ? one.side : 'buy') === side),
  );
  return all.every((one) => isHere(exchange, one)) ? takeOff(exchange, all, 'massCancel', request) : 'otherShard';
}

/** Of a mass cancel without instrument that is refused: where the first order that it names trades. */
export function shardOfFirst(exchange: ModelExchange, { flags, account, sideCode, side }: MarketCommand): number {
  const byAccount = (flags & FLAG.byAccount) !== 0;
  const [first] = meant(
    exchange,
    (one) =>
      !isHere(exchange, one) &&
      (!byAccount || one.account === account) &&
      (sideCode === 2 || (isOrder(one) ? one.side : 'buy') === side),
  );
  return exchange.instruments.get(first?.symbol ?? -1)?.elsewhere ?? 0;
}

export function killSwitch(exchange: ModelExchange, command: MarketCommand, isKill: boolean): ReasonName | number {
  const { accounts, events } = exchange;
  const refusal = accounts.switch(command, isKill, events);
  if (refusal !== undefined || !isKill) return refusal ?? 0;
  const all = meant(exchange, (one) => accounts.isMeant(command, one.account) && isHere(exchange, one));
  return takeOff(exchange, all, 'killSwitch', command.request);
}

function cancelAllOf(exchange: ModelExchange, account: number): void {
  const left: Leaver[] = [];
  const all = meant(exchange, (one) => one.account === account && isHere(exchange, one));
  for (const one of all) {
    if (!exchange.mayLeave) break;
    left.push(one);
    if (isOrder(one)) exchange.leaveByTime(one, 'cancelAllAfter');
    else {
      exchange.countTerms();
      removeTerms(exchange, one, 'cancelAllAfter', 0);
    }
  }
  exchange.takeWithAll(left.filter(isOrder));
  if (left.length === all.length) exchange.accounts.tellCanceled(account, exchange.events);
}

function isBefore(a: ModelOrder, b: ModelOrder): boolean {
  if (a.expires !== b.expires) return a.expires < b.expires;
  return a.entered !== b.entered ? a.entered < b.entered : a.slot < b.slot;
}

/** What time will bring: of orders the first alone. */
export function dueOf(exchange: ModelExchange): Due[] {
  const { live, accounts, instruments, phases } = exchange;
  let first: ModelOrder | undefined;
  for (const order of live.values())
    if (order.tif === 4 && (first === undefined || isBefore(order, first))) first = order;
  return [
    ...(first === undefined ? [] : [first]).map(
      (order): Due => ({
        when: order.expires,
        keys: [0, order.entered, order.slot],
        happen: () => {
          exchange.leaveByTime(order, 'expired');
          exchange.takeWith(order);
        },
      }),
    ),
    ...[...accounts.cancelAt].map(
      ([account, when]): Due => ({ when, keys: [1, account], happen: () => cancelAllOf(exchange, account) }),
    ),
    ...[...instruments.values()].map(
      (instrument): Due => ({
        when: phases.dueOf(instrument),
        keys: [2, instrument.symbol],
        happen: () => phases.advance(instrument),
      }),
    ),
  ];
}
