import { noteRules } from './bare-orders.ts';
import { AMOUNT_MAX, EventType, Reason, Setting, TERM_SHIFT } from './codes.ts';
import { claimEvent } from './events.ts';
import { isFundSetting, whyNotFundable } from './fund-settings.ts';
import { instrumentExists, isElsewhere, makeRuled, putSetting } from './instruments.ts';
import { refuseElsewhere, reject } from './market.ts';
import { afterSetting, isSessionSetting } from './phases.ts';
import { isProtection } from './protection.ts';
import { Command } from './records.ts';
import { isPrevention } from './self-trades.ts';

/** What is set of instruments, one setting a command. */

/** Orders that may wait in an instrument, at most. */
const WAITING_MAX: u64 = 1_048_576;

export function setInstrument(command: Command): void {
  const setting = command.flags >> TERM_SHIFT;
  if ((command.flags & 0xff_ffff) !== 0) return reject(command, Reason.flags);
  if (command.head >> 8 !== 0 || command.id !== 0 || command.price !== 0 || command.quantity !== 0)
    return reject(command, Reason.reservedField);
  if (!instrumentExists(command.symbol)) return reject(command, Reason.unknownSymbol);
  if (isElsewhere(command.symbol)) return refuseElsewhere(command);
  if (!isSetting(setting, command.extra)) return reject(command, Reason.setting);
  const reason = whyNotFundable(command.symbol, setting, command.extra);
  if (reason !== Reason.none) return reject(command, reason);
  makeRuled(command.symbol);
  putSetting(command.symbol, setting, command.extra);
  noteRules(command.symbol);
  emitSetting(command, setting, command.extra);
  afterSetting(command.symbol, setting);
}

/** Whether a setting is known, and its value in range; 0 takes it away. */
export function isSetting(setting: u32, value: u64): bool {
  if (setting === Setting.tick || setting === Setting.lot || setting === Setting.band) return value <= AMOUNT_MAX;
  if (setting === Setting.stp) return isPrevention(value);
  if (setting >= Setting.referencePrice && setting <= Setting.batchNs) return isSessionSetting(setting, value);
  if (setting === Setting.stopsMax) return value <= WAITING_MAX;
  if (setting === Setting.postOnlySlide || setting === Setting.stopEntry || setting === Setting.bandRests)
    return value <= 1;
  return isProtection(setting, value) || isFundSetting(setting, value);
}

function emitSetting(command: Command, setting: u32, value: u64): void {
  const event = claimEvent();
  event.head = EventType.setting;
  event.symbol = command.symbol;
  event.price = value;
  event.quantity = 0;
  event.id = 0;
  event.account = command.account;
  event.slot = setting;
  event.generation = 0;
  event.request = command.request;
  event.open = 0;
}
