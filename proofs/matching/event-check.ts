import { readWide } from '../../journal/amounts.ts';
import { EVENT_WORD, EVENT_WORDS, EventFlag, EventType } from '../../journal/events.ts';
import { Reason } from '../../journal/reasons.ts';
import type { OrderName } from './linked-books.ts';
import type { TapeCommand } from './tape.ts';
import { INFORMATION, reasonAt } from './told-events.ts';
import type { StepReport } from './witness.ts';

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

function expectedEvents(command: TapeCommand, reports: readonly StepReport[]): Expected[] {
  const { account, idLow, idHigh, symbol, side, price, quantity } = command;
  const order = { account, idLow, idHigh };
  const entered: Expected = {
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
  const rejected = (reason: number): Expected => ({ ...entered, type: EventType.rejected, reason, open: 0 });
  const gone = (reason: number, amount: number): Expected => ({
    ...entered,
    type: EventType.canceled,
    reason,
    quantity: amount,
    flags: EventFlag.done,
    open: 0,
  });
  const of = (report: StepReport, type: number, reason = Reason.none as number): Expected => ({
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
  const prevented = (report: StepReport): Expected => ({
    ...of(report, EventType.canceled, Reason.selfTrade),
    price: report.limitPrice,
    quantity: report.taken,
    open: report.left,
    flags: report.left === 0 ? EventFlag.done : 0,
  });
  const refusal = reports.find(({ step }) => step === 'refuse' || step === 'would trade');
  if (refusal !== undefined) return [rejected(refusal.reason)];
  const expected: Expected[] = command.kind === 'new' ? [entered] : [];
  for (const report of reports) {
    const done = (open: number): number => (open === 0 ? EventFlag.done : 0);
    switch (report.step) {
      case 'fill':
        expected.push({
          ...of(report, EventType.tradeMaker),
          side: 1 - report.side,
          order: report.order,
          flags: done(report.open),
        });
        expected.push({ ...of(report, EventType.tradeTaker), open: report.left, flags: done(report.left) });
        break;
      case 'newest ends':
        expected.push(prevented(report));
        break;
      case 'oldest ends':
      case 'both end':
      case 'decrement': {
        const open = report.step === 'decrement' ? report.open : 0;
        const resting = of(report, EventType.canceled, Reason.selfTrade);
        expected.push({ ...resting, side: 1 - report.side, order: report.order, open, flags: done(open) });
        if (report.step !== 'oldest ends') expected.push(prevented(report));
        break;
      }
      case 'expire':
        expected.push(gone(Reason.ioc, report.quantity));
        break;
      case 'fail':
      case 'fail at own':
        expected.push(gone(Reason.fok, quantity));
        break;
      case 'remove':
        expected.push({
          ...of(report, EventType.canceled, report.reason),
          order: report.order,
          flags: EventFlag.done,
        });
        break;
      case 'shrink':
        expected.push(of(report, EventType.canceled, Reason.reduced));
        break;
      case 'keep':
        expected.push({ ...of(report, EventType.replaced), flags: EventFlag.kept });
        break;
      case 'leave':
        expected.push(of(report, EventType.replaced));
        break;
      default:
    }
  }
  return expected;
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
