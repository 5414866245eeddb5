import type { VenueLimits } from '../journal/genesis.ts';
import { COUNTER, type Transition } from './transition.ts';

/**
 * Accounts, and groups of them, as replicas/transition/accounts.ts keeps them: 128 bytes each, from place 1. Words that are not
 * told of here are zero.
 *
 * | byte | word | type | field |
 * |-----:|-----:|------|-------|
 * |  0 |  0 | u64 | account; a group is 2^32 + its number |
 * |  8 |  2 | u32 | 1 if stopped by the kill switch, plus 2 if ids must increase |
 * | 12 |  3 | u32 | roles |
 * | 16 |  4 | u32 | group |
 * | 20 |  5 | u32 | live orders at a time, 0 for no limit; as with the other limits |
 * | 24 |  6 | u32 | live orders, if there is a limit of them |
 * | 28 |  7 | u32 | new orders and replaces in a second |
 * | 32 |  8 | u32 | so many were there in the second below |
 * | 36 |  9 | u32 | zero |
 * | 40 | 10 | u64 | second since the Unix epoch |
 * | 48 | 12 | u64 | lots of one order |
 * | 56 | 14 | u64 | ticks times lots of one order |
 * | 64 | 16 | u64 | when its orders are to be canceled, nanoseconds since the Unix epoch, 0 for never |
 * | 72 | 18 | u64 | highest id of an accepted order, if ids must increase |
 *
 * and what an account has of an asset, as replicas/transition/balances.ts keeps it, in 32 bytes, from place 1:
 *
 * | byte | word | type | field |
 * |-----:|-----:|------|-------|
 * |  0 |  0 | u64 | account; 2^33 with all that the venue has of the asset |
 * |  8 |  2 | u32 | asset |
 * | 12 |  3 | u32 | zero |
 * | 16 |  4 | u64 | available |
 * | 24 |  6 | u64 | held by live orders |
 */
export const ACCOUNT_SHIFT = 5;
export const ACCOUNT = { owner: 0, fields: 2 } as const;
export const ACCOUNT_WORDS = 1 << ACCOUNT_SHIFT;
export const BALANCE_SHIFT = 3;
export const BALANCE = { owner: 0, asset: 2, available: 4, held: 6 } as const;
/** High word of the owner of an asset's total. */
export const TOTAL_HIGH = 2;

export interface AccountTable {
  /** {@link ACCOUNT} fields, {@link ACCOUNT_WORDS} a place. */
  readonly words: Uint32Array;
  /** {@link BALANCE} fields. */
  readonly balances: Uint32Array;
  count(): number;
  balanceCount(): number;
  /** Whether the rules of accounts apply to all orders. */
  isInForce(): boolean;
  areAllKilled(): boolean;
  /** Makes so many accounts and balances, whose fields are set, findable. */
  restore(accounts: number, balances: number, inForce: boolean, allKilled: boolean): void;
}

export function createAccountTable({ exports, words: memory }: Transition, limits: VenueLimits): AccountTable {
  const { accountsMax = 0, balancesMax = 0 } = limits;
  const first = exports.accountsAt.value >>> 2;
  const firstBalance = exports.balancesAt.value >>> 2;
  const counters = exports.countersAt.value >>> 2;
  const counter = (place: number): number => memory[counters + place] as number;
  return {
    words: memory.subarray(first, first + ((accountsMax + 1) << ACCOUNT_SHIFT)),
    balances: memory.subarray(firstBalance, firstBalance + ((balancesMax + 1) << BALANCE_SHIFT)),
    count: () => counter(COUNTER.accounts),
    balanceCount: () => counter(COUNTER.balances),
    isInForce: () => counter(COUNTER.inForce) !== 0,
    areAllKilled: () => counter(COUNTER.killed) !== 0,
    restore(accounts, balances, inForce, allKilled) {
      memory[counters + COUNTER.accounts] = accounts;
      memory[counters + COUNTER.balances] = balances;
      memory[counters + COUNTER.inForce] = inForce ? 1 : 0;
      memory[counters + COUNTER.killed] = allKilled ? 1 : 0;
      for (let place = 1; place <= accounts; place++) exports.restoreAccount(place);
      for (let place = 1; place <= balances; place++) exports.restoreBalance(place);
    },
  };
}
