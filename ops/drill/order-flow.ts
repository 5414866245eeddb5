import type { Command } from '../../journal/commands.ts';

const PRICE = 1_000;
/** Cancels and replaces name an order at most this many requests back. */
const BACK_MAX = 100;
/** All resting orders of the account are canceled after so many requests, so that books stay small. */
const MASS_CANCEL_EVERY = 5_000;

/** Accounts from here on also send what only ruled instruments have, those below what the plain rules know. */
export const RULED_ACCOUNTS_FROM = 1_000;
/** Nanoseconds; an eighth of the longest time after which orders are canceled unless that is put off. */
const CANCEL_AFTER_NS_MIN = 20_000_000;
/** Later than any drill, because a command does not depend on when it is sent: it waits for its time, and is canceled before. */
const EXPIRES_NS = 2n ** 62n;

/**
 * The command that an account sends as its `request`: always the same one, so that what a journal holds can be told from
 * what was sent without keeping what was sent.
 */
export function commandOf(account: number, request: number): Command {
  const dice = (sides: number, which: number): number => mix(account, request, which) % sides;
  const common = { account, symbol: 0 };
  if (request % MASS_CANCEL_EVERY === 0) return { op: 'massCancel', ...common };
  const beyond = account < RULED_ACCOUNTS_FROM ? undefined : ruledCommandOf(account, request);
  if (beyond !== undefined) return beyond;
  const earlier = Math.max(1, request - 1 - dice(BACK_MAX, 1));
  const price = PRICE - 10 + dice(21, 2);
  const quantity = 1 + dice(50, 3);
  const kind = dice(100, 4);
  if (kind < 20) return { op: 'cancel', ...common, id: earlier };
  if (kind < 25) return { op: 'reduce', ...common, id: earlier, quantity };
  if (kind < 32) return { op: 'replace', ...common, id: earlier, price, quantity };
  const side = dice(2, 5) === 0 ? 'buy' : 'sell';
  const order = { op: 'new', ...common, id: request, side, quantity } as const;
  if (kind < 37) return { ...order, type: 'market', tif: 'ioc' };
  if (kind < 42) return { ...order, price, tif: 'fok' };
  if (kind < 47) return { ...order, price, tif: 'ioc' };
  if (kind < 52) return { ...order, price, postOnly: true };
  // Refusals are acknowledged, too.
  if (kind < 54) return { ...order, price, id: earlier };
  return { ...order, price };
}

/** What only a ruled instrument has, for some of the requests. Each is one record, so it has one term. */
function ruledCommandOf(account: number, request: number): Command | undefined {
  const dice = (sides: number, which: number): number => mix(account, request, which) % sides;
  const kind = dice(100, 6);
  // Due by a tick, unless the next one puts it off.
  if (kind < 2) {
    const value = CANCEL_AFTER_NS_MIN * (1 + dice(8, 7));
    return { op: 'accountSet', account, accountSetting: 'cancelAllAfter', value };
  }
  const side = dice(2, 5) === 0 ? 'buy' : 'sell';
  const price = PRICE - 10 + dice(21, 2);
  const order = { op: 'new', account, symbol: 0, id: request, side, quantity: 1 + dice(50, 3) } as const;
  if (kind < 10) return { ...order, type: 'stop', term: 'stopPrice', value: price };
  if (kind < 14) return { ...order, price, tif: 'day' };
  if (kind < 18) return { ...order, price, tif: 'gtd', term: 'expires', value: EXPIRES_NS };
  return kind < 26 ? { ...order, price, stp: 'cancelOldest' } : undefined;
}

/** Bits of three numbers, mixed (the finalizer of MurmurHash3). */
function mix(a: number, b: number, c: number): number {
  let bits = Math.imul(a, 0x9e37_79b1) ^ Math.imul(b, 0x85eb_ca6b) ^ Math.imul(c, 0xc2b2_ae35);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85eb_ca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2_ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
