import { Flag, Reason, SIDE_ANY } from './codes.ts';
import { instrumentAt, instrumentExists, isElsewhere } from './instruments.ts';
import { holdFollowers, releaseFollowers } from './links.ts';
import { refuseShard, reject, remove } from './market.ts';
import { counters } from './memory.ts';
import { OrderFlag, orderAt, symbolOf } from './orders.ts';
import { Command, Order } from './records.ts';
import { touch } from './touched.ts';

/** Cancels every order that fits. Returns how many, or what a refusal's answer tells as open. */
export function massCancel(command: Command): u64 {
  const side = (command.head >> 8) & 255;
  const byAccount = (command.flags & Flag.byAccount) !== 0;
  const bySymbol = (command.flags & Flag.bySymbol) !== 0;
  const reason = whyNot(command, side, bySymbol);
  if (reason !== Reason.none) {
    reject(command, reason);
    return 0;
  }
  if (bySymbol && isElsewhere(command.symbol)) return refuseShard(command, instrumentAt(command.symbol).shard);
  const moved = bySymbol || counters().elsewhere === 0 ? 0 : firstElsewhere(command, side, byAccount);
  if (moved !== 0) return refuseShard(command, instrumentAt(symbolOf(orderAt(moved))).shard);
  let count: u64 = 0;
  holdFollowers();
  const highWater = counters().highWater;
  for (let slot: u32 = 1; slot <= highWater; slot++) {
    if (!isMeant(command, orderAt(slot), side, byAccount, bySymbol)) continue;
    touch(symbolOf(orderAt(slot)));
    remove(slot, Reason.massCancel, command.request);
    count++;
  }
  releaseFollowers();
  return count;
}

function whyNot(command: Command, side: u32, bySymbol: bool): u32 {
  if ((command.flags & ~(Flag.byAccount | Flag.bySymbol)) !== 0) return Reason.flags;
  if (side > SIDE_ANY) return Reason.side;
  if (command.extra !== 0) return Reason.reservedField;
  return bySymbol && !instrumentExists(command.symbol) ? Reason.unknownSymbol : Reason.none;
}

/** Whether the mass cancel is about the order in a slot, or about terms that wait there for one. */
function isMeant(command: Command, order: Order, side: u32, byAccount: bool, bySymbol: bool): bool {
  if ((order.terms & (OrderFlag.live | OrderFlag.pending)) === 0) return false;
  if (byAccount && order.account !== command.account) return false;
  if (bySymbol && symbolOf(order) !== command.symbol) return false;
  return side === SIDE_ANY || (order.terms & OrderFlag.sell) === side;
}

/** The first slot whose order the mass cancel is about and can not take, because its instrument is being moved; or 0. */
function firstElsewhere(command: Command, side: u32, byAccount: bool): u32 {
  const highWater = counters().highWater;
  for (let slot: u32 = 1; slot <= highWater; slot++) {
    const order = orderAt(slot);
    if (isMeant(command, order, side, byAccount, false) && isElsewhere(symbolOf(order))) return slot;
  }
  return 0;
}
