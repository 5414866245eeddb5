import { accountsAt, accountsMax, accountTableAt, accountTableMask, counters, GOLDEN, hashSeed } from './memory.ts';
import { ACCOUNT_BYTES, Account } from './records.ts';

/**
 * What is known of accounts, and of groups of them: records at places from 1, found by a hash table with linear probing (Knuth,
 * vol. 3, 6.4). None is given up again, so the table needs no removal.
 */
export class AccountFlag {
  static readonly killed: u32 = 1;
  static readonly increasingIds: u32 = 2;
}

/** Groups are numbered above all accounts. */
const FIRST_GROUP: u64 = (1 as u64) << 32;

export function ownerOfGroup(group: u32): u64 {
  return FIRST_GROUP + (group as u64);
}

export function accountAt(place: u32): Account {
  return changetype<Account>(accountsAt + (place as usize) * ACCOUNT_BYTES);
}

function entryOf(owner: u64): u32 {
  return ((((owner ^ hashSeed) * GOLDEN) >> 32) as u32) & accountTableMask;
}

function inTable(entry: u32): u32 {
  return load<u32>(accountTableAt + ((entry as usize) << 2));
}

/** The place of an account's or group's record; 0, where a blank one is, if it has none. */
export function findAccount(owner: u64): u32 {
  if (counters().accounts === 0) return 0;
  let entry = entryOf(owner);
  let place = inTable(entry);
  while (place !== 0 && accountAt(place).owner !== owner) {
    entry = (entry + 1) & accountTableMask;
    place = inTable(entry);
  }
  return place;
}

/** To read only: a blank record if the account has none. */
export function recordOf(account: u32): Account {
  return accountAt(findAccount(account as u64));
}

/** The group that an account is of; 0 for none. */
export function groupOf(account: u32): u32 {
  return recordOf(account).group;
}

/** Whether two accounts are of the same group. */
export function areOfOneGroup(account: u32, other: u32): bool {
  const group = groupOf(account);
  return group !== 0 && group === groupOf(other);
}

export function hasRoomForAccount(owner: u64): bool {
  return findAccount(owner) !== 0 || counters().accounts < accountsMax;
}

/** The place of an account's or group's record, made if it has none. The caller has checked {@link hasRoomForAccount}. */
export function claimAccount(owner: u64): u32 {
  let place = findAccount(owner);
  if (place === 0) {
    place = ++counters().accounts;
    accountAt(place).owner = owner;
    indexAccount(place);
  }
  return place;
}

/** Makes a record, whose owner is set, findable. */
export function indexAccount(place: u32): void {
  let entry = entryOf(accountAt(place).owner);
  while (inTable(entry) !== 0) entry = (entry + 1) & accountTableMask;
  store<u32>(accountTableAt + ((entry as usize) << 2), place);
}
