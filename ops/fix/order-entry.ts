import type { Command } from '../../journal/commands.ts';
import { ExecType, OrdStatus } from '../reports/order-state.ts';
import { type FixField, FixMessage, parseUtcTimestamp, utcTimestamp } from './fix-codec.ts';
import { type FixSession, plain } from './fix-session.ts';
import { MsgType, RejectReason, Tag, tagName } from './fix-tags.ts';
import type { GatewayStore } from './gateway-store.ts';
import type { MassCancels } from './mass-cancels.ts';
import {
  type CommandOrigin,
  isDone,
  type OrderRecord,
  type OrderRecords,
  type PendingCommand,
} from './order-records.ts';
import { CxlRejReason, MassCancelRejectReason, type OrderReports, OrdRejReason } from './order-reports.ts';
import {
  checkReplaceable,
  echoOf,
  type InstrumentScale,
  newOrderTerms,
  orderTerms,
  sideOf,
  stopPriceOf,
  TermError,
} from './order-terms.ts';
import type { VenueLane } from './venue-lane.ts';

export interface OrderEntryOptions {
  readonly session: FixSession;
  readonly store: GatewayStore;
  readonly records: OrderRecords;
  readonly reports: OrderReports;
  readonly massCancels: MassCancels;
  /** By account. */
  readonly lanes: ReadonlyMap<number, VenueLane>;
  /** The venue's number of an instrument. */
  readonly symbolOf: (name: string) => number | undefined;
  /** How an instrument's numbers are written; undefined if the configuration does not say. */
  readonly scaleOf: (name: string) => InstrumentScale | undefined;
  readonly now: () => number;
}

/** FIX 380. */
const UNSUPPORTED_TYPE = '3';
const NOT_AVAILABLE = '4';
/** Replaces of an order that wait for one to a larger total. */
const WAITING_MAX = 64;
/** Of a value that is wrong, in Text. */
const VALUE_SHOWN_MAX = 80;
const IDENTIFIER = /^[\u0020-\u007e]{1,64}$/;
/** FIX 530, as far as it is supported. */
const MASS_CANCEL = { instrument: '1', all: '7' } as const;

const REQUIRED: Readonly<Record<string, readonly number[]>> = {
  [MsgType.NewOrderSingle]: [Tag.ClOrdID, Tag.Symbol, Tag.Side, Tag.TransactTime, Tag.OrderQty, Tag.OrdType],
  [MsgType.OrderCancelRequest]: [Tag.ClOrdID, Tag.Symbol, Tag.Side, Tag.TransactTime],
  [MsgType.OrderCancelReplaceRequest]: [
    ...[Tag.ClOrdID, Tag.Symbol, Tag.Side, Tag.TransactTime, Tag.OrderQty, Tag.OrdType],
  ],
  [MsgType.OrderStatusRequest]: [Tag.Symbol, Tag.Side],
  [MsgType.OrderMassCancelRequest]: [Tag.ClOrdID, Tag.MassCancelRequestType, Tag.TransactTime],
};

/** Which field names the order that a message is about, where OrderID does not: FIX 5.0 has either. */
const NAMING: Readonly<Record<string, number>> = {
  [MsgType.OrderCancelRequest]: Tag.OrigClOrdID,
  [MsgType.OrderCancelReplaceRequest]: Tag.OrigClOrdID,
  [MsgType.OrderStatusRequest]: Tag.ClOrdID,
};

/** A command about an order that there is. */
interface OrderCommand extends Pick<CommandOrigin, 'kind' | 'part' | 'lots' | 'stopPx'> {
  readonly command: Command;
}

/** A request that is refused before the venue sees it. */
class Refusal extends Error {
  override name = 'Refusal';
  readonly code: number;

  constructor(code: number, text: string) {
    super(text);
    this.code = code;
  }
}

/** What the messages of one FIX session ask of the venue. */
export class OrderEntry {
  readonly #options: OrderEntryOptions;

  constructor(options: OrderEntryOptions) {
    this.#options = options;
  }

  /** Takes an application message, once. */
  take(message: FixMessage): void {
    const { session } = this.#options;
    const required = REQUIRED[message.type];
    if (required === undefined) return this.#refuseType(message);
    const missing = required.find((tag) => !message.has(tag));
    if (missing !== undefined)
      return session.reject(message, RejectReason.requiredTagMissing, missing, `${tagName(missing)}: it must be there`);
    const naming = NAMING[message.type];
    if (naming !== undefined && !message.has(naming) && !message.has(Tag.OrderID)) {
      const text = `${tagName(naming)}: it must be there, or ${tagName(Tag.OrderID)}`;
      return session.reject(message, RejectReason.requiredTagMissing, naming, text);
    }
    for (const tag of [Tag.ClOrdID, Tag.OrigClOrdID]) {
      const id = message.get(tag);
      if (id === undefined || IDENTIFIER.test(id)) continue;
      const text = `${tagName(tag)}: "${id.slice(0, VALUE_SHOWN_MAX)}": it must be 1 to 64 printable ASCII characters`;
      return session.reject(message, RejectReason.valueIncorrect, tag, text);
    }
    const time = message.get(Tag.TransactTime);
    if (time !== undefined && parseUtcTimestamp(time) === undefined) {
      const text = `TransactTime (60): "${time.slice(0, VALUE_SHOWN_MAX)}": it must be a time such as 20260131-09:30:00.000`;
      return session.reject(message, RejectReason.dataFormat, Tag.TransactTime, text);
    }
    this.#handlers[message.type]?.(message);
  }

  /** A command that did not get to the venue and will not. */
  notSent({ origin, command }: PendingCommand, order: OrderRecord | undefined, why: string): void {
    const { reports, massCancels, store, now } = this.#options;
    const place = { sequence: store.takeOrderId(), index: 0, time: now(), origin };
    if (order !== undefined) reports.refused(order, origin, place, undefined, `not sent: ${why}`);
    else if (origin.kind === 'massCancel') {
      const refusal = `not sent: ${why}`;
      massCancels.outcome(origin, command.account ?? 0, { ...place, canceled: 0, refusal });
    }
  }

  /** All that a command did was told, or that it was not sent. Goes on with the replaces that waited for that. */
  ended({ origin, command }: Pick<PendingCommand, 'origin' | 'command'>): void {
    const { records } = this.#options;
    if (origin.kind !== 'replace' && origin.kind !== 'reduce') return;
    const order = records.byId(origin.orderId);
    if (order === undefined) return;
    this.#settle(order);
    if (origin.kind !== 'replace' || (origin.lots ?? 0) >= 0) return;
    const goOn = (fields: readonly FixField[]): void => {
      const message = new FixMessage(fields);
      this.#carryOut(message, 'replace', order, () => this.#replace(message, order, command.symbol));
    };
    // What the store was given is not changed: it may be on its way to the disk, without what comes of this.
    if (isDone(order)) return order.waiting?.forEach(goOn);
    order.isRaised = false;
    while (!order.isRaised) {
      const [first, ...rest] = order.waiting ?? [];
      if (first === undefined) break;
      order.waiting = rest;
      goOn(first);
    }
    records.keep(order);
  }

  /** With nothing under way an order becomes no other than it is: a price that was refused is asked for no more. */
  #settle(order: OrderRecord): void {
    const { records, lanes } = this.#options;
    const { asked, price } = order;
    if (asked.price === price && asked.stopPrice === undefined) return;
    if (isDone(order) || lanes.get(order.account)?.isChanging(order.id) === true) return;
    order.asked = { price, quantity: asked.quantity };
    records.keep(order);
  }

  readonly #handlers: Readonly<Record<string, (message: FixMessage) => void>> = {
    [MsgType.NewOrderSingle]: (message) => this.#enter(message),
    [MsgType.OrderCancelRequest]: (message) => this.#change(message, 'cancel', (order) => this.#cancel(message, order)),
    [MsgType.OrderCancelReplaceRequest]: (message) =>
      this.#change(message, 'replace', (order) =>
        order.isRaised === true ? this.#wait(message, order) : this.#replace(message, order),
      ),
    [MsgType.OrderStatusRequest]: (message) => this.#status(message),
    [MsgType.OrderMassCancelRequest]: (message) => this.#massCancel(message),
  };

  #enter(message: FixMessage): void {
    const { records, store } = this.#options;
    const clOrdId = message.get(Tag.ClOrdID) ?? '';
    if (records.isTaken(clOrdId)) {
      if (message.isYes(Tag.PossResend) && this.#tellAgain(clOrdId)) return;
      return this.#refuseOrder(message, OrdRejReason.duplicateOrder, `ClOrdID (11): "${clOrdId}" was used before`);
    }
    try {
      const name = message.get(Tag.Symbol) ?? '';
      const lane = this.#laneOf(message);
      const { symbol, scale } = this.#instrument(name);
      const terms = newOrderTerms(message, scale);
      if (lane.isAway) return this.#refuseAway(message);
      const { side = 'buy', type = 'limit', price = 0, quantity = 0 } = terms;
      const order: OrderRecord = {
        ...{ id: store.takeOrderId(), account: lane.account, symbol: name, side, type, echo: echoOf(message) },
        ...{ price, quantity, cum: 0, open: quantity, notional: '0', status: OrdStatus.pendingNew },
        ...{ clOrdId, names: 0, asked: { price, quantity } },
      };
      records.name(clOrdId, order);
      records.keep(order);
      const command: Command = { ...terms, account: lane.account, symbol, id: order.id };
      lane.add([{ command, origin: { kind: 'new', clOrdId, orderId: order.id } }]);
    } catch (error) {
      if (error instanceof Refusal) this.#refuseOrder(message, error.code, error.message);
      else if (error instanceof TermError) this.#refuseOrder(message, OrdRejReason.unsupportedTerm, error.message);
      else throw error;
    }
  }

  /** What cancels and replaces have in common. */
  #change(message: FixMessage, kind: 'cancel' | 'replace', send: (order: OrderRecord) => void): void {
    const { records } = this.#options;
    const clOrdId = message.get(Tag.ClOrdID) ?? '';
    const original = message.get(Tag.OrigClOrdID);
    const orderId = message.get(Tag.OrderID) ?? '';
    const order = original === undefined ? records.byOrderId(orderId) : records.byClOrdId(original);
    if (records.isTaken(clOrdId)) {
      if (message.isYes(Tag.PossResend) && this.#tellAgain(clOrdId)) return;
      const text = `ClOrdID (11): "${clOrdId}" was used before`;
      return this.#refuseChange(message, kind, order, CxlRejReason.duplicateClOrdId, text);
    }
    if (order !== undefined) return this.#carryOut(message, kind, order, () => send(order));
    const named = original === undefined ? `OrderID (37): "${orderId}"` : `OrigClOrdID (41): "${original}"`;
    const text = `${named}: no order of this session has it`;
    this.#refuseChange(message, kind, order, CxlRejReason.unknownOrder, text);
  }

  #carryOut(message: FixMessage, kind: 'cancel' | 'replace', order: OrderRecord, send: () => void): void {
    const refuse = (code: number, text: string): void => this.#refuseChange(message, kind, order, code, text);
    if (isDone(order)) return refuse(CxlRejReason.tooLate, 'the order is not live any more');
    try {
      this.#mustBeOf(message, order);
      if (this.#options.lanes.get(order.account)?.isAway === true) return this.#refuseAway(message);
      send();
    } catch (error) {
      if (!(error instanceof Refusal) && !(error instanceof TermError)) throw error;
      refuse(CxlRejReason.other, error.message);
    }
  }

  #refuseChange(
    message: FixMessage,
    kind: 'cancel' | 'replace',
    order: OrderRecord | undefined,
    code: number,
    text: string,
  ): void {
    const { reports, now } = this.#options;
    const original = message.get(Tag.OrigClOrdID) ?? order?.clOrdId;
    reports.cancelReject(kind, message.get(Tag.ClOrdID) ?? '', original, order, code, text, now());
  }

  /** It would count from a total that the order may not come to. */
  #wait(message: FixMessage, order: OrderRecord): void {
    const { records } = this.#options;
    const waiting = order.waiting ?? [];
    if (waiting.length >= WAITING_MAX) {
      const text = `${WAITING_MAX} replaces of the order wait for one to a larger OrderQty already`;
      return this.#refuseChange(message, 'replace', order, CxlRejReason.pendingReplace, text);
    }
    order.waiting = [...waiting, message.fields];
    records.name(message.get(Tag.ClOrdID) ?? '', order);
    records.keep(order);
  }

  #cancel(message: FixMessage, order: OrderRecord): void {
    const clOrdId = message.get(Tag.ClOrdID) ?? '';
    const { symbol } = this.#instrument(order.symbol);
    this.#send(order, clOrdId, symbol, [{ command: { op: 'cancel' }, kind: 'cancel' }]);
  }

  /**
   * OrderQty of a replace is a total, of which part may trade until the venue has the replace. So a smaller total is a reduce, which
   * takes lots off whatever was traded, and a price alone leaves the quantity. A total that has traded takes all off that is open, known
   * to have traded or not (FIX appendix D, C.3.b and c). A larger total names what is to be open and what is taken to be, so that the
   * venue takes off what traded meanwhile. A stop that gets another StopPx still waits, and so has not traded, or the venue refuses it.
   */
  #replace(message: FixMessage, order: OrderRecord, known?: number): void {
    const { symbol, scale } = this.#instrument(order.symbol, known);
    const terms = orderTerms(message, scale);
    const { asked } = order;
    // A market order may rest at a limit that it got from its protection band.
    const { price = asked.price, quantity = 0 } = terms;
    if (terms.type !== order.type)
      throw new TermError(Tag.OrdType, message.get(Tag.OrdType) ?? '', 'it can not be changed');
    checkReplaceable(message, order.echo, scale);
    if (quantity === 0)
      throw new TermError(Tag.OrderQty, message.get(Tag.OrderQty) ?? '', 'it must be above 0; cancel the order');
    const less = asked.quantity - quantity;
    const isTraded = less > 0 && quantity <= order.cum;
    const moves = !isTraded && (price !== asked.price || price !== order.price);
    const stopNow = stopPriceOf(order.echo, scale);
    const stopPrice = terms.stopPrice ?? asked.stopPrice ?? stopNow;
    const movesStop = !isTraded && (stopPrice !== (asked.stopPrice ?? stopNow) || stopPrice !== stopNow);
    if (less === 0 && !moves && !movesStop)
      throw new Refusal(CxlRejReason.other, 'neither price nor quantity is another one');
    order.asked = isTraded ? { ...asked, quantity } : { price, quantity, stopPrice };
    order.isRaised = less < 0;
    const isBoth = less > 0 && (moves || movesStop);
    const commands: OrderCommand[] = [];
    if (less > 0) {
      const part = isBoth ? 'first' : undefined;
      commands.push({ command: { op: 'reduce', quantity: less }, kind: 'reduce', part, lots: less });
    }
    // With all lots traded that are known to be open, the order is done: the venue says so.
    const open = Math.max(1, asked.quantity - order.cum);
    if (less < 0 || moves || movesStop)
      commands.push({
        ...{ kind: 'replace', part: isBoth ? 'second' : undefined },
        ...(less < 0 ? { lots: less } : {}),
        ...(movesStop ? { stopPx: message.get(Tag.StopPx) } : {}),
        command: {
          op: 'replace',
          ...(moves ? { price } : {}),
          ...(less < 0 ? { quantity: quantity - order.cum } : {}),
          ...(movesStop ? { stopPrice } : less < 0 ? { open } : {}),
        },
      });
    this.#send(order, message.get(Tag.ClOrdID) ?? '', symbol, commands);
  }

  #send(order: OrderRecord, clOrdId: string, symbol: number, commands: readonly OrderCommand[]): void {
    const { records, lanes } = this.#options;
    records.name(clOrdId, order);
    records.keep(order);
    lanes.get(order.account)?.add(
      commands.map(({ command, ...what }) => ({
        command: { ...command, account: order.account, symbol, id: order.id },
        origin: { ...what, clOrdId, orderId: order.id },
      })),
    );
  }

  /** Of an order by its ClOrdID, or by OrderID alone. */
  #status(message: FixMessage): void {
    const { records, reports, store, now } = this.#options;
    const clOrdId = message.get(Tag.ClOrdID);
    const order =
      clOrdId === undefined ? records.byOrderId(message.get(Tag.OrderID) ?? '') : records.byClOrdId(clOrdId);
    const asked: FixField[] = message.fields.filter(([tag]) => tag === Tag.OrdStatusReqID);
    if (order !== undefined) return reports.status(order, now(), undefined, asked);
    const text = `no order of this session has this ${clOrdId === undefined ? 'OrderID' : 'ClOrdID'}`;
    const id = String(store.takeOrderId());
    this.#sendRejection(message, ExecType.status, '0', id, OrdRejReason.unknownOrder, text, asked);
  }

  /** Of an account; of all accounts of the session, if it has several and none is named. */
  #massCancel(message: FixMessage): void {
    const { records, reports, massCancels, lanes, now } = this.#options;
    const clOrdId = message.get(Tag.ClOrdID) ?? '';
    const type = message.get(Tag.MassCancelRequestType) ?? '';
    const name = message.get(Tag.Symbol);
    const mass = { type, symbol: name, side: message.get(Tag.Side) };
    const origin: CommandOrigin = { kind: 'massCancel', clOrdId, orderId: 0, mass };
    const refuse = (text: string, reason?: string): void =>
      reports.massCanceled(origin, this.#options.store.takeOrderId(), 0, now(), text, reason);
    if (records.isTaken(clOrdId)) {
      if (message.isYes(Tag.PossResend) && massCancels.again(origin)) return;
      return refuse(`ClOrdID (11): "${clOrdId}" was used before`);
    }
    try {
      if (type !== MASS_CANCEL.all && type !== MASS_CANCEL.instrument) {
        const { message: text } = new TermError(
          Tag.MassCancelRequestType,
          type,
          'it is not supported; these are: 1, 7',
        );
        return refuse(text, MassCancelRejectReason.notSupported);
      }
      if (type === MASS_CANCEL.all && name !== undefined)
        throw new TermError(Tag.Symbol, name, 'a mass cancel of all orders names none');
      if (type === MASS_CANCEL.instrument && name === undefined)
        throw new TermError(Tag.Symbol, '', 'a mass cancel of one instrument must name it');
      const of = message.has(Tag.Account) ? [this.#laneOf(message)] : [...lanes.values()];
      if (of.some(({ isAway }) => isAway)) return this.#refuseAway(message);
      const symbol = name === undefined ? undefined : this.#instrument(name).symbol;
      const side = sideOf(message);
      massCancels.begin(clOrdId, of.length);
      for (const lane of of) lane.add([{ command: { op: 'massCancel', account: lane.account, symbol, side }, origin }]);
    } catch (error) {
      if (!(error instanceof Refusal) && !(error instanceof TermError)) throw error;
      const isUnknown = error instanceof Refusal && error.code === OrdRejReason.unknownSymbol;
      refuse(error.message, isUnknown ? MassCancelRejectReason.unknownSecurity : undefined);
    }
  }

  #laneOf(message: FixMessage): VenueLane {
    const { lanes } = this.#options;
    const text = message.get(Tag.Account);
    const [only] = lanes.values();
    if (text === undefined && lanes.size === 1 && only !== undefined) return only;
    const lane = text !== undefined && /^\d{1,10}$/.test(text) ? lanes.get(Number(text)) : undefined;
    if (lane !== undefined) return lane;
    const accounts = [...lanes.keys()].join(', ');
    throw new Refusal(OrdRejReason.unknownAccount, `Account (1): "${text ?? ''}" must be one of ${accounts}`);
  }

  /** @param known its number, where the venue's instruments may not be known yet */
  #instrument(name: string, known?: number): { readonly symbol: number; readonly scale: InstrumentScale } {
    const symbol = known ?? this.#options.symbolOf(name);
    const scale = this.#options.scaleOf(name);
    if (symbol === undefined)
      throw new Refusal(OrdRejReason.unknownSymbol, `Symbol (55): "${name}": no instrument has this name`);
    if (scale === undefined)
      throw new Refusal(OrdRejReason.unknownSymbol, `Symbol (55): "${name}": it has no tick in the configuration`);
    return { symbol, scale };
  }

  #mustBeOf(message: FixMessage, order: OrderRecord): void {
    const name = message.get(Tag.Symbol) ?? '';
    if (name !== order.symbol) throw new TermError(Tag.Symbol, name, `the order is of ${order.symbol}`);
    if (sideOf(message) !== order.side)
      throw new TermError(Tag.Side, message.get(Tag.Side) ?? '', 'it is not that of the order');
    const [account, orderId] = [message.get(Tag.Account), message.get(Tag.OrderID)];
    if (account !== undefined && account !== String(order.account))
      throw new TermError(Tag.Account, account, 'it is not that of the order');
    if (orderId !== undefined && orderId !== String(order.id))
      throw new TermError(Tag.OrderID, orderId, `the order that ${tagName(Tag.OrigClOrdID)} names has another one`);
  }

  /** PossResend: what is known of the order, in place of doing the same again. False if the ClOrdID was a mass cancel's. */
  #tellAgain(clOrdId: string): boolean {
    const { records, reports, now } = this.#options;
    const order = records.byClOrdId(clOrdId);
    if (order !== undefined) reports.status(order, now(), 'it came before');
    return order !== undefined;
  }

  #refuseOrder(message: FixMessage, code: number, text: string): void {
    const id = String(this.#options.store.takeOrderId());
    this.#sendRejection(message, ExecType.rejected, `${id}.0`, id, code, text);
  }

  /** An ExecutionReport about an order that there is not. */
  #sendRejection(
    message: FixMessage,
    execType: string,
    execId: string,
    id: string,
    code: number,
    text: string,
    more: readonly FixField[] = [],
  ): void {
    const repeated = [Tag.Account, Tag.Symbol, Tag.Side, Tag.OrdType, Tag.OrderQty, Tag.Price];
    const body: FixField[] = [
      [Tag.OrderID, id],
      ...(message.has(Tag.ClOrdID) ? [[Tag.ClOrdID, message.get(Tag.ClOrdID) ?? ''] as const] : []),
      ...more,
      [Tag.ExecID, execId],
      [Tag.ExecType, execType],
      [Tag.OrdStatus, OrdStatus.rejected],
      [Tag.OrdRejReason, String(code)],
    ];
    for (const tag of repeated) {
      const value = message.get(tag);
      if (value !== undefined) body.push([tag, value]);
    }
    body.push([Tag.LeavesQty, '0'], [Tag.CumQty, '0'], [Tag.AvgPx, '0']);
    body.push([Tag.TransactTime, utcTimestamp(this.#options.now())], [Tag.Text, plain(text)]);
    this.#options.session.send(MsgType.ExecutionReport, body);
  }

  #refuseType(message: FixMessage): void {
    const { session } = this.#options;
    if (!/^[0-9A-Za-z]{1,3}$/.test(message.type)) {
      const text = `MsgType (35): "${message.type.slice(0, VALUE_SHOWN_MAX)}": there is no such type`;
      return session.reject(message, RejectReason.invalidMsgType, Tag.MsgType, text);
    }
    this.#refuseBusiness(message, UNSUPPORTED_TYPE, `MsgType (35): "${message.type}" is not supported`);
  }

  #refuseAway(message: FixMessage): void {
    this.#refuseBusiness(message, NOT_AVAILABLE, 'the venue can not be reached; nothing was sent');
  }

  #refuseBusiness(message: FixMessage, reason: string, text: string): void {
    const id = message.get(Tag.ClOrdID);
    this.#options.session.send(MsgType.BusinessMessageReject, [
      [Tag.RefSeqNum, message.get(Tag.MsgSeqNum) ?? '0'],
      [Tag.RefMsgType, message.type],
      ...(id === undefined ? [] : [[Tag.BusinessRejectRefID, plain(id)] as const]),
      [Tag.BusinessRejectReason, reason],
      [Tag.Text, plain(text)],
    ]);
  }
}
