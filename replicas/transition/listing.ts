import { AMOUNT_MAX, EventFlag, EventType, Flag, Reason } from './codes.ts';
import { claimEvent } from './events.ts';
import { isSettled } from './fund-settings.ts';
import {
  InstrumentFlag,
  instrumentAt,
  instrumentExists,
  isElsewhere,
  isName,
  isNameTaken,
  isRuled,
  makeRuled,
} from './instruments.ts';
import { isPrice, refuseElsewhere, reject } from './market.ts';
import { counters, instrumentsMax } from './memory.ts';
import { startTimers, stopTimers } from './moving-ruled.ts';
import { Command, Instrument } from './records.ts';

/** The commands that create instruments, change them, and say on which shard they trade. */

export function createInstrument(command: Command): void {
  const nameLow = command.id;
  const nameHigh = command.price;
  const elsewhere = command.flags !== 0;
  if ((command.flags & ~Flag.elsewhere) !== 0) return reject(command, Reason.flags);
  if (command.symbol >= instrumentsMax) return reject(command, Reason.instrumentsFull);
  if (!isName(nameLow, nameHigh)) return reject(command, Reason.name);
  if (command.quantity > AMOUNT_MAX) return reject(command, Reason.quantity);
  if (elsewhere) {
    if (!isShard(command.extra)) return reject(command, Reason.shard);
  } else if (!isPriceLimit(command.extra)) return reject(command, Reason.price);
  if (instrumentExists(command.symbol)) return reject(command, Reason.symbolExists);
  if (isNameTaken(nameLow, nameHigh)) return reject(command, Reason.nameExists);
  const instrument = instrumentAt(command.symbol);
  instrument.flags = InstrumentFlag.exists;
  instrument.nameLow = nameLow;
  instrument.nameHigh = nameHigh;
  instrument.quantityMax = command.quantity;
  instrument.priceMax = elsewhere ? 0 : command.extra;
  if (elsewhere) assign(instrument, command);
  if (counters().inForce !== 0) makeRuled(command.symbol);
  emitInstrument(command, instrument);
}

export function updateInstrument(command: Command): void {
  if ((command.flags & ~(Flag.closed | Flag.elsewhere)) !== 0) return reject(command, Reason.flags);
  if (!instrumentExists(command.symbol)) return reject(command, Reason.unknownSymbol);
  const meansElsewhere = (command.flags & Flag.elsewhere) !== 0;
  if (isElsewhere(command.symbol) !== meansElsewhere) {
    return meansElsewhere ? reject(command, Reason.tradesHere) : refuseElsewhere(command);
  }
  if (command.quantity > AMOUNT_MAX) return reject(command, Reason.quantity);
  if (!isPriceLimit(command.extra)) return reject(command, Reason.price);
  const instrument = instrumentAt(command.symbol);
  const others = instrument.flags & ~InstrumentFlag.closed;
  instrument.flags = others | ((command.flags & Flag.closed) === 0 ? 0 : InstrumentFlag.closed);
  instrument.quantityMax = command.quantity;
  instrument.priceMax = command.extra;
  emitInstrument(command, instrument);
}

export function assignInstrument(command: Command): void {
  if ((command.flags & ~Flag.elsewhere) !== 0) return reject(command, Reason.flags);
  if (command.flags === 0 && command.extra !== 0) return reject(command, Reason.reservedField);
  if (!isShard(command.extra)) return reject(command, Reason.shard);
  if (!instrumentExists(command.symbol)) return reject(command, Reason.unknownSymbol);
  const wasElsewhere = isElsewhere(command.symbol);
  const goes = command.flags !== 0;
  // What its orders hold is of accounts' balances here.
  if (goes && !wasElsewhere && isSettled(command.symbol)) return reject(command, Reason.notSupported);
  const instrument = instrumentAt(command.symbol);
  assign(instrument, command);
  emitInstrument(command, instrument);
  if (goes === wasElsewhere || !isRuled(command.symbol)) return;
  if (goes) stopTimers(command.symbol);
  else startTimers(command);
}

function assign(instrument: Instrument, command: Command): void {
  const wasElsewhere = (instrument.flags & InstrumentFlag.elsewhere) !== 0;
  const others = instrument.flags & ~InstrumentFlag.elsewhere;
  const goes = command.flags !== 0;
  instrument.flags = others | (goes ? InstrumentFlag.elsewhere : 0);
  instrument.shard = command.extra as u32;
  instrument.assignments++;
  if (wasElsewhere) counters().elsewhere--;
  if (goes) counters().elsewhere++;
}

/** Zero: no limit of its own. */
function isPriceLimit(value: u64): bool {
  return value === 0 || isPrice(value);
}

function isShard(value: u64): bool {
  return value >> 32 === 0;
}

function emitInstrument(command: Command, instrument: Instrument): void {
  const closed = (instrument.flags & InstrumentFlag.closed) === 0 ? 0 : EventFlag.closed;
  const elsewhere = (instrument.flags & InstrumentFlag.elsewhere) === 0 ? 0 : EventFlag.elsewhere;
  const event = claimEvent();
  event.head = EventType.instrument | ((closed | elsewhere) << 24);
  event.symbol = command.symbol;
  event.price = instrument.nameLow;
  event.quantity = instrument.nameHigh;
  event.id = instrument.quantityMax;
  event.account = command.account;
  event.slot = instrument.shard;
  event.generation = instrument.assignments;
  event.request = command.request;
  event.open = instrument.priceMax;
}
