import type {
  Command,
  OrderTypeName,
  SelfTradePreventionName,
  SideName,
  TimeInForceName,
} from '../../journal/commands.ts';
import type { DecimalScale } from './decimal-scale.ts';
import { type FixField, type FixMessage, parseUtcTimestamp } from './fix-codec.ts';
import { Tag, tagName } from './fix-tags.ts';

/** How prices and quantities of an instrument are written, and fees if they are told. */
export interface InstrumentScale {
  readonly ticks: DecimalScale;
  readonly lots: DecimalScale;
  readonly fees?: FeeScale | undefined;
}

/** What units of the asset that an instrument is paid with are told as. */
export interface FeeScale {
  /** MiscFeeCurr (138). */
  readonly currency: string;
  readonly units: DecimalScale;
}

/** A term that the venue can not carry out, or is not written as it should be. */
export class TermError extends Error {
  override name = 'TermError';
  readonly tag: number;

  constructor(tag: number, value: string, rule: string) {
    super(`${tagName(tag)}: "${value}": ${rule}`);
    this.tag = tag;
  }
}

const NS_PER_MS = 1_000_000n;

type Terms = Partial<Command>;

const SIDES: Readonly<Record<string, SideName>> = { '1': 'buy', '2': 'sell' };
const ORDER_TYPES: Readonly<Record<string, OrderTypeName>> = {
  '1': 'market',
  '2': 'limit',
  '3': 'stop',
  '4': 'stopLimit',
};
const TIMES_IN_FORCE: Readonly<Record<string, TimeInForceName>> = {
  '0': 'day',
  '1': 'gtc',
  '2': 'atTheOpen',
  '3': 'ioc',
  '4': 'fok',
  '6': 'gtd',
  '7': 'atTheClose',
};
/** FIX 18. */
const EXECUTION_INSTRUCTIONS: Readonly<Record<string, Terms>> = { '6': { postOnly: true }, G: { allOrNone: true } };
/** Of a replace that names some instructions, the others are not wanted. */
const NO_INSTRUCTION: Terms = { postOnly: false, allOrNone: false };
/** FIX 2964. */
const SELF_TRADE_PREVENTION: Readonly<Record<string, SelfTradePreventionName>> = {
  '1': 'cancelNewest',
  '2': 'cancelOldest',
  '3': 'cancelBoth',
};

/** What each field of an order says of the command: a term more is a line more. */
const TERMS: ReadonlyMap<number, (value: string, scale: InstrumentScale) => Terms> = new Map<
  number,
  (value: string, scale: InstrumentScale) => Terms
>([
  [Tag.Side, (value) => ({ side: coded(Tag.Side, value, SIDES) })],
  [Tag.OrdType, (value) => ({ type: coded(Tag.OrdType, value, ORDER_TYPES) })],
  [Tag.TimeInForce, (value) => ({ tif: coded(Tag.TimeInForce, value, TIMES_IN_FORCE) })],
  [Tag.OrderQty, (value, { lots }) => ({ quantity: scaled(Tag.OrderQty, value, lots) })],
  [Tag.Price, (value, { ticks }) => ({ price: scaled(Tag.Price, value, ticks) })],
  [Tag.ExecInst, (value) => instructions(value)],
  [Tag.StopPx, (value, { ticks }) => ({ stopPrice: scaled(Tag.StopPx, value, ticks) })],
  [Tag.DisplayQty, (value, scale) => shown(Tag.DisplayQty, value, scale)],
  [Tag.MaxFloor, (value, scale) => shown(Tag.MaxFloor, value, scale)],
  [Tag.MinQty, (value, { lots }) => ({ minQty: scaled(Tag.MinQty, value, lots) })],
  [Tag.ExpireTime, (value) => ({ expires: nanoseconds(Tag.ExpireTime, value) })],
  [
    Tag.SelfMatchPreventionInstruction,
    (value) => ({ stp: coded(Tag.SelfMatchPreventionInstruction, value, SELF_TRADE_PREVENTION) }),
  ],
]);

/** Fields that say nothing which the venue could do or not do: taken and passed over. */
const WITHOUT_EFFECT = new Set<number>([
  ...[Tag.BeginString, Tag.MsgType, Tag.SenderCompID, Tag.TargetCompID, Tag.MsgSeqNum, Tag.SendingTime],
  ...[Tag.SenderSubID, Tag.TargetSubID, Tag.PossDupFlag, Tag.PossResend, Tag.OrigSendingTime, Tag.ApplVerID],
  ...[Tag.Account, Tag.ClOrdID, Tag.OrigClOrdID, Tag.OrderID, Tag.Symbol, Tag.TransactTime, Tag.HandlInst, Tag.Text],
  // SenderLocationID, TargetLocationID, OnBehalfOf..., DeliverTo..., LastMsgSeqNumProcessed.
  ...[142, 143, 115, 116, 144, 128, 129, 145, 369],
  // SecurityIDSource, SecurityID, SecurityType, SecurityExchange, Currency, OrderCapacity, OrderRestrictions.
  ...[22, 48, 167, 207, 15, 528, 529],
  // Hops of the header; parties.
  ...[627, 628, 629, 630, 453, 448, 447, 452, 802, 523, 803, 2376],
  // SecondaryClOrdID, ClOrdLinkID, AccountType, CustOrderCapacity.
  ...[526, 583, 581, 582],
]);

/** Ranges that the standard leaves to users. */
function isUserDefined(tag: number): boolean {
  return (tag >= 5_000 && tag <= 9_999) || (tag >= 20_000 && tag <= 39_999);
}

/** The command of an order without its account, symbol and id. Throws a {@link TermError}. */
export function orderTerms(message: FixMessage, scale: InstrumentScale): Command & { readonly op: 'new' } {
  const terms: Terms = { ...UNSAID };
  for (const [tag, value] of message.fields) {
    const term = TERMS.get(tag);
    if (term !== undefined) Object.assign(terms, term(value, scale));
    else if (!WITHOUT_EFFECT.has(tag) && !isUserDefined(tag))
      throw new TermError(tag, value, 'this gateway does not support the field');
  }
  const isPriced = terms.type === 'limit' || terms.type === 'stopLimit';
  if (isPriced && terms.price === undefined) throw new TermError(Tag.Price, '', 'a limit order must have one');
  if (!isPriced && terms.price !== undefined)
    throw new TermError(Tag.Price, message.get(Tag.Price) ?? '', 'only a limit order has one');
  return { ...terms, op: 'new' };
}

/** The same of a new order, which has all of its terms: a replace may leave some out. */
export function newOrderTerms(message: FixMessage, scale: InstrumentScale): Command & { readonly op: 'new' } {
  const terms = orderTerms(message, scale);
  checkTogether(message, Tag.StopPx, terms.type === 'stop' || terms.type === 'stopLimit', 'a stop order');
  checkTogether(message, Tag.ExpireTime, terms.tif === 'gtd', 'an order good till a time');
  return terms;
}

/** A field that one kind of order must have, and no other can. */
function checkTogether(message: FixMessage, tag: number, isOfKind: boolean, kind: string): void {
  const value = message.get(tag);
  if (isOfKind && value === undefined) throw new TermError(tag, '', `${kind} must have one`);
  if (!isOfKind && value !== undefined) throw new TermError(tag, value, `only ${kind} has one`);
}

/** Without TimeInForce (59) an order is for the day: FIX. */
const UNSAID: Terms = { tif: 'day' };
/** Terms that a replace can change. */
const REPLACEABLE: readonly number[] = [Tag.OrderQty, Tag.Price, Tag.StopPx];

/**
 * Throws a {@link TermError} if a replace asks for a term that the order does not have and that no replace can give it. What it leaves
 * out stays as it is.
 *
 * @param echo of the order as it was entered: {@link echoOf}
 */
export function checkReplaceable(message: FixMessage, echo: readonly FixField[], scale: InstrumentScale): void {
  const entered: Terms = Object.assign({}, UNSAID, ...echo.map(([tag, value]) => TERMS.get(tag)?.(value, scale)));
  for (const [tag, value] of echoOf(message)) {
    if (tag === Tag.StopPx && stopPriceOf(echo, scale) === undefined)
      throw new TermError(tag, value, 'the order has none');
    if (REPLACEABLE.includes(tag)) continue;
    const wanted: Terms = { ...(tag === Tag.ExecInst ? NO_INSTRUCTION : {}), ...TERMS.get(tag)?.(value, scale) };
    const isSame = (Object.keys(wanted) as (keyof Terms)[]).every((term) => (entered[term] ?? false) === wanted[term]);
    if (!isSame) throw new TermError(tag, value, 'it can not be changed; cancel the order and enter another one');
  }
}

/** StopPx of an order as it was entered, or last replaced; undefined if it is no stop. */
export function stopPriceOf(echo: readonly FixField[], scale: InstrumentScale): number | undefined {
  const value = echo.find(([tag]) => tag === Tag.StopPx)?.[1];
  return value === undefined ? undefined : scaled(Tag.StopPx, value, scale.ticks);
}

/** What of an order a report repeats as it was entered; quantity and price may change. */
export function echoOf(message: FixMessage): FixField[] {
  const changing: readonly number[] = [Tag.OrderQty, Tag.Price];
  return message.fields.filter(([tag]) => TERMS.has(tag) && !changing.includes(tag));
}

/** The side of a mass cancel; both without one. */
export function sideOf(message: FixMessage): SideName | undefined {
  const value = message.get(Tag.Side);
  return value === undefined ? undefined : coded(Tag.Side, value, SIDES);
}

function scaled(tag: number, value: string, scale: DecimalScale): number {
  try {
    return scale.parse(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new TermError(tag, value, error.message.replace(/^decimal: "[^"]*" /, 'it '));
  }
}

function coded<T>(tag: number, value: string, codes: Readonly<Record<string, T>>): T {
  const meaning = Object.hasOwn(codes, value) ? codes[value] : undefined;
  if (meaning !== undefined) return meaning;
  throw new TermError(tag, value, `it is not supported; these are: ${Object.keys(codes).join(', ')}`);
}

function instructions(value: string): Terms {
  const each = value.split(' ').map((one) => coded(Tag.ExecInst, one, EXECUTION_INSTRUCTIONS));
  return Object.assign({}, ...each) as Terms;
}

/** Nothing to show is an order that is hidden: FIX 1138 = 0. */
function shown(tag: number, value: string, { lots }: InstrumentScale): Terms {
  const display = scaled(tag, value, lots);
  return display === 0 ? { hidden: true } : { display };
}

function nanoseconds(tag: number, value: string): bigint {
  const ms = parseUtcTimestamp(value);
  if (ms === undefined) throw new TermError(tag, value, 'it must be a time such as 20260131-17:30:00.000');
  return BigInt(ms) * NS_PER_MS;
}
