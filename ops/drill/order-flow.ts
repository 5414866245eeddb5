import type { Command } from '../../journal/commands.ts';

const PRICE = 1_000;
/** Cancels and replaces name an order at most this many requests back. */
const BACK_MAX = 100;
/** All resting orders of the account are canceled after so many requests, so that books stay small. */
const MASS_CANCEL_EVERY = 5_000;

/**
 * The command that an account sends as its `request`: always the same one, so that what a journal holds can be told from
 * what was sent without keeping what was sent.
 */
export function commandOf(account: number, request: number): Command {
  const dice = (sides: number, which: number): number => mix(account, request, which) % sides;
  const common = { account, symbol: 0 };
  if (request % MASS_CANCEL_EVERY === 0) return { op: 'massCancel', ...common };
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

/** Bits of three numbers, mixed (the finalizer of MurmurHash3). */
function mix(a: number, b: number, c: number): number {
  let bits = Math.imul(a, 0x9e37_79b1) ^ Math.imul(b, 0x85eb_ca6b) ^ Math.imul(c, 0xc2b2_ae35);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85eb_ca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2_ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
