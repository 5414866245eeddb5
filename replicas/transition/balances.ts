import { claimAccount, hasRoomForAccount } from './accounts.ts';
import { EventFlag, EventType, Reason } from './codes.ts';
import { claimEvent } from './events.ts';
import { reject } from './market.ts';
import { balancesAt, balancesMax, balanceTableAt, balanceTableMask, counters } from './memory.ts';
import { hashOf } from './orders.ts';
import { BALANCE_BYTES, Balance, Command } from './records.ts';

/**
 * What accounts have of assets, and what there is of each in all: records at places from 1, found as accounts are. The sum over
 * all accounts of what is available and held of an asset is its total, so nothing below the total's bound can overflow.
 */

/** The most that there can be of an asset: sums of two amounts fit 64 bits. */
export const TOTAL_MAX: u64 = ((1 as u64) << 63) - 1;
/** The owner of an asset's total; above all accounts and groups. */
const TOTAL: u64 = (1 as u64) << 33;

export function balanceAt(place: u32): Balance {
  return changetype<Balance>(balancesAt + (place as usize) * BALANCE_BYTES);
}

function inTable(entry: u32): u32 {
  return load<u32>(balanceTableAt + ((entry as usize) << 2));
}

/** The place of a balance; 0, where a blank one is, if there is none. */
export function findBalance(owner: u64, asset: u32): u32 {
  let entry = hashOf(asset, owner) & balanceTableMask;
  let place = inTable(entry);
  while (place !== 0) {
    const balance = balanceAt(place);
    if (balance.owner === owner && balance.asset === asset) return place;
    entry = (entry + 1) & balanceTableMask;
    place = inTable(entry);
  }
  return 0;
}

/** Whether so many balances that are missing have room. */
export function hasRoomForBalances(missing: u32): bool {
  return missing <= balancesMax - counters().balances;
}

/** A balance, made if there is none. The caller has checked {@link hasRoomForBalances}. */
export function claimBalance(owner: u64, asset: u32): Balance {
  let place = findBalance(owner, asset);
  if (place === 0) {
    place = ++counters().balances;
    const balance = balanceAt(place);
    balance.owner = owner;
    balance.asset = asset;
    restoreBalance(place);
  }
  return balanceAt(place);
}

/** Makes a balance, whose fields are set, findable. */
export function restoreBalance(place: u32): void {
  const balance = balanceAt(place);
  let entry = hashOf(balance.asset, balance.owner) & balanceTableMask;
  while (inTable(entry) !== 0) entry = (entry + 1) & balanceTableMask;
  store<u32>(balanceTableAt + ((entry as usize) << 2), place);
}

export function deposit(command: Command): void {
  const owner = command.account as u64;
  let reason = whyNotAmount(command);
  const total = findBalance(TOTAL, command.symbol);
  const own = findBalance(owner, command.symbol);
  if (reason === Reason.none) {
    if (command.extra > TOTAL_MAX - balanceAt(total).available) reason = Reason.amount;
    else if (!hasRoomForAccount(owner)) reason = Reason.accountsFull;
    else if (!hasRoomForBalances((total === 0 ? 1 : 0) + (own === 0 ? 1 : 0))) reason = Reason.balancesFull;
  }
  if (reason !== Reason.none) return reject(command, reason);
  counters().ruled = 1;
  claimAccount(owner);
  claimBalance(TOTAL, command.symbol).available += command.extra;
  const balance = claimBalance(owner, command.symbol);
  balance.available += command.extra;
  emitBalance(command, balance, 0);
}

export function withdraw(command: Command): void {
  const own = findBalance(command.account as u64, command.symbol);
  const balance = balanceAt(own);
  let reason = whyNotAmount(command);
  if (reason === Reason.none && balance.available < command.extra) reason = Reason.insufficientFunds;
  if (reason !== Reason.none) return reject(command, reason);
  balance.available -= command.extra;
  claimBalance(TOTAL, command.symbol).available -= command.extra;
  emitBalance(command, balance, EventFlag.done);
}

function whyNotAmount(command: Command): u32 {
  if (command.flags !== 0) return Reason.flags;
  if (command.head >> 8 !== 0 || command.price !== 0 || command.quantity !== 0) return Reason.reservedField;
  return command.symbol !== 0 && command.extra - 1 < TOTAL_MAX ? Reason.none : Reason.amount;
}

function emitBalance(command: Command, balance: Balance, flags: u32): void {
  const event = claimEvent();
  event.head = EventType.balance | (flags << 24);
  event.symbol = command.symbol;
  event.price = command.extra;
  event.quantity = balance.available;
  event.id = command.id;
  event.account = command.account;
  event.slot = 0;
  event.generation = 0;
  event.request = command.request;
  event.open = balance.held;
}
