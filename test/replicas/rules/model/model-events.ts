import { EventFlag, type EventTypeName, type VenueEvent } from '../../../../journal/events.ts';
import type { ReasonName } from '../../../../journal/reasons.ts';
import type { MarketCommand } from '../../reference-command.ts';
import type { ModelOrder } from './model-order.ts';

type Amounts = { readonly price: number; readonly quantity: number; readonly open: number };

export const shownId = (id: bigint): number | bigint => (id < 2n ** 53n ? Number(id) : id);
const shownAmount = (amount: bigint): number | bigint => (amount > -(2n ** 53n) ? shownId(amount) : amount);

/** The events of one command, in order. */
export class ModelEvents {
  readonly list: VenueEvent[] = [];
  readonly sequence: number;

  constructor(sequence: number) {
    this.sequence = sequence;
  }

  /** About an order, with its own side, id, account and handle. */
  about(
    type: EventTypeName,
    order: ModelOrder,
    amounts: Amounts,
    more: { readonly request?: number; readonly reason?: ReasonName; readonly flags?: number } = {},
  ): void {
    this.list.push({
      type,
      side: order.side,
      reason: more.reason ?? 'none',
      flags: more.flags ?? 0,
      symbol: order.symbol,
      sequence: this.sequence,
      ...amounts,
      id: shownId(order.id),
      account: order.account,
      slot: order.slot,
      generation: order.generation,
      request: more.request ?? 0,
    });
  }

  takenOff(order: ModelOrder, quantity: number, reason: ReasonName, request: number): void {
    const flags = order.open === 0 ? EventFlag.done : 0;
    this.about('canceled', order, { price: order.price, quantity, open: order.open }, { reason, flags, request });
  }

  /** `open`: the shard, of an instrument that trades elsewhere. */
  rejected(command: MarketCommand, reason: ReasonName, open: number): void {
    const isNamed = command.op === 16 || command.op === 17;
    this.list.push({
      type: 'rejected',
      side: command.side,
      reason,
      flags: 0,
      symbol: command.symbol,
      sequence: this.sequence,
      price: isNamed ? 0 : Number(command.price),
      quantity: isNamed ? 0 : Number(command.quantity),
      id: isNamed ? 0 : shownId(command.id),
      account: command.account,
      slot: 0,
      generation: 0,
      request: command.request,
      open,
    });
  }

  /** Of amounts with up to 63 bits and a sign: price, quantity and open. */
  amounts(event: Partial<VenueEvent> & Pick<VenueEvent, 'type'>, amounts: readonly bigint[]): void {
    const [price = 0, quantity = 0, open = 0] = amounts.map(Number);
    this.other({ ...event, price, quantity, open, amounts: amounts.map(shownAmount) });
  }

  other(event: Partial<VenueEvent> & Pick<VenueEvent, 'type'>): void {
    this.list.push({
      side: 'buy',
      reason: 'none',
      flags: 0,
      symbol: 0,
      sequence: this.sequence,
      price: 0,
      quantity: 0,
      id: 0,
      account: 0,
      slot: 0,
      generation: 0,
      request: 0,
      open: 0,
      ...event,
    });
  }
}
