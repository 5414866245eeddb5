import { readWide } from '../../journal/amounts.ts';
import { EVENT_WORD, EVENT_WORDS, EventFlag, EventType } from '../../journal/events.ts';
import { Reason } from '../../journal/reasons.ts';
import type { OrderName } from './linked-books.ts';
import type { TapeCommand } from './tape.ts';
import { INFORMATION, reasonAt } from './told-events.ts';
import type { StepReport } from './witness-rows.ts';

/** The venue's events and the rules of the market do not agree: one of the two has a fault. */
class EventMismatchError extends Error {
  override readonly name = 'EventMismatchError';
}

interface Expected {
  readonly type: number;
  readonly side: number;
  readonly reason: number;
  readonly flags: number;
  readonly symbol: number;
  readonly price: number;
  readonly quantity: number;
  readonly order: OrderName;
  readonly open: number;
}

/** Events of these types are not about the books. */
const OTHER_TYPES: readonly number[] = [
  ...[EventType.answer, EventType.session, EventType.instrument, EventType.status, EventType.part],
  ...INFORMATION,
];

/** Throws unless the events from word `from` to `to` say what the steps of the command did, and nothing else. */
export function checkEvents(
  sequence: number,
  command: TapeCommand,
  reports: readonly StepReport[],
  events: Uint32Array,
  from: number,
  to: number,
): void {
  const expected = command.kind === 'aside' ? [] : expectedEvents(command, reports);
  const refused = command.kind === 'aside' && command.reason !== Reason.none;
  let place = 0;
  for (let at = from; at < to; at += EVENT_WORDS) {
    const type = (events[at] as number) & 255;
    if (OTHER_TYPES.includes(type)) continue;
    if (refused && place === 0 && type === EventType.rejected && reasonAt(events, at) === command.reason) {
      place++;
      continue;
    }
    const one = expected[place++];
    const difference = one === undefined ? 'an event too many' : differenceOf(one, events, at);
    if (difference !== undefined) throw new EventMismatchError(`sequence ${sequence}, event ${place}: ${difference}`);
  }
  if (place !== (refused ? 1 : expected.length))
    throw new EventMismatchError(`sequence ${sequence}: an event is missing`);
}

/** The order whose steps are told: the command's own, then each that was triggered and is entered. */
interface AtWork {
  readonly order: OrderName;
  /** 0 for none. */
  readonly limit: number;
  readonly quantity: number;
}

function expectedEvents(command: TapeCommand, reports: readonly StepReport[]): Expected[] {
  const refusal = reports.find(
    ({ step, reason }) => step === 'refuse' || step === 'would trade' || (step === 'due' && reason !== Reason.none),
  );
  if (refusal !== undefined)
    return [{ ...acceptedOf(command), type: EventType.rejected, reason: refusal.reason, open: 0 }];
  const { account, idLow, idHigh, price: limit, quantity } = command;
  let atWork: AtWork = { order: { account, idLow, idHigh }, limit, quantity };
  const expected: Expected[] = command.kind === 'new' ? [acceptedOf(command)] : [];
  for (const report of reports) {
    if (report.step === 'enter') {
      const { order, limitPrice, left } = report;
      atWork = { order, limit: limitPrice, quantity: left };
    } else if (isTold(command, report)) expected.push(...eventsOf(report, atWork, command));
  }
  return expected;
}

/** An order that comes to wait was accepted; one that is taken from its place by a replace tells where it waits then, or is due. */
function isTold({ kind }: TapeCommand, { step }: StepReport): boolean {
  if (step === 'wait') return kind === 'replace';
  return step !== 'withdraw' || kind !== 'replace';
}

function acceptedOf(command: TapeCommand): Expected {
  const { account, idLow, idHigh, symbol, side, price, quantity } = command;
  const order = { account, idLow, idHigh };
  return {
    type: EventType.accepted,
    side,
    reason: Reason.none,
    flags: 0,
    symbol,
    price,
    quantity,
    order,
    open: quantity,
  };
}

/** What a step of the order at work tells. */
function eventsOf(report: StepReport, { order, limit, quantity }: AtWork, { kind }: TapeCommand): Expected[] {
  const of = (type: number, reason = Reason.none as number): Expected => ({
    type,
    side: report.side,
    reason,
    flags: 0,
    symbol: report.symbol,
    price: report.price,
    quantity: report.quantity,
    order,
    open: report.open,
  });
  const gone = (reason: number, lots: number): Expected => ({
    ...of(EventType.canceled, reason),
    price: limit,
    quantity: lots,
    flags: EventFlag.done,
    open: 0,
  });
  const prevented: Expected = {
    ...of(EventType.canceled, Reason.selfTrade),
    price: report.limitPrice,
    quantity: report.taken,
    open: report.left,
    flags: doneIf(report.left),
  };
  switch (report.step) {
    case 'fill': {
      const maker = {
        ...of(EventType.tradeMaker),
        side: 1 - report.side,
        order: report.order,
        flags: doneIf(report.open),
      };
      return [maker, { ...of(EventType.tradeTaker), open: report.left, flags: doneIf(report.left) }];
    }
    case 'trigger':
      return [{ ...of(EventType.triggered), order: report.order, open: report.quantity }];
    case 'due': {
      const lots = { quantity: report.left, open: report.left };
      const replaced = { ...of(EventType.replaced), price: report.limitPrice, ...lots };
      const triggered = { ...of(EventType.triggered), ...lots };
      return kind === 'replace' ? [replaced, triggered] : [triggered];
    }
    case 'newest ends':
      return [prevented];
    case 'oldest ends':
    case 'both end':
    case 'decrement': {
      const open = report.step === 'decrement' ? report.open : 0;
      const resting = of(EventType.canceled, Reason.selfTrade);
      const met = { ...resting, side: 1 - report.side, order: report.order, open, flags: doneIf(open) };
      return report.step === 'oldest ends' ? [met] : [met, prevented];
    }
    case 'expire':
      return [gone(Reason.ioc, report.quantity)];
    case 'fail':
    case 'fail at own':
      return [gone(Reason.fok, quantity)];
    case 'remove':
    case 'withdraw':
      return [{ ...of(EventType.canceled, report.reason), order: report.order, flags: EventFlag.done }];
    case 'shrink':
    case 'lessen':
      return [of(EventType.canceled, Reason.reduced)];
    case 'keep':
    case 'alter':
      return [{ ...of(EventType.replaced), flags: EventFlag.kept }];
    case 'leave':
    case 'wait':
      return [of(EventType.replaced)];
    default:
      return [];
  }
}

function doneIf(open: number): number {
  return open === 0 ? EventFlag.done : 0;
}

function differenceOf(expected: Expected, events: Uint32Array, at: number): string | undefined {
  const head = events[at] as number;
  const isRejection = expected.type === EventType.rejected;
  const found: Expected = {
    type: head & 255,
    // A rejection repeats the record's side, which means nothing but in a new order.
    side: isRejection ? expected.side : (head >>> 8) & 255,
    reason: (head >>> 16) & 255,
    flags: head >>> 24,
    symbol: events[at + EVENT_WORD.symbol] as number,
    // So do its amounts.
    price: isRejection ? expected.price : readWide(events, at + EVENT_WORD.price),
    quantity: isRejection ? expected.quantity : readWide(events, at + EVENT_WORD.quantity),
    order: {
      account: events[at + EVENT_WORD.account] as number,
      idLow: events[at + EVENT_WORD.id] as number,
      idHigh: events[at + EVENT_WORD.id + 1] as number,
    },
    open: readWide(events, at + EVENT_WORD.open),
  };
  for (const field of ['type', 'side', 'reason', 'flags', 'symbol', 'price', 'quantity', 'open'] as const) {
    if (found[field] !== expected[field]) return `${field} is ${found[field]} by the rules ${expected[field]}`;
  }
  for (const field of ['account', 'idLow', 'idHigh'] as const) {
    if (found.order[field] !== expected.order[field]) {
      return `${field} is ${found.order[field]}, by the rules ${expected.order[field]}`;
    }
  }
  return undefined;
}
