import { readU64, TWO_32 } from '../journal/amounts.ts';
import { type AccountTable, BALANCE, BALANCE_SHIFT, TOTAL_HIGH } from './account-table.ts';
import type { MarketState } from './matcher.ts';
import { DETAIL, DETAIL_SHIFT } from './order-details.ts';
import { ORDER, ORDER_FLAG, ORDER_SHIFT } from './order-table.ts';

/** Whether nothing of any asset came out of nowhere or was lost, and every hold is of an order. */

/** What there is of an asset. */
export interface AssetSums {
  readonly asset: number;
  /** What was deposited less what was withdrawn. */
  readonly total: bigint;
  /** Over all accounts. */
  readonly available: bigint;
  readonly held: bigint;
  readonly accounts: number;
}

/** The sums over all accounts, by asset. */
export function sumAssets({ balances, balanceCount }: AccountTable): AssetSums[] {
  const sums = new Map<number, { -readonly [Name in keyof AssetSums]: AssetSums[Name] }>();
  for (let place = 1; place <= balanceCount(); place++) {
    const at = place << BALANCE_SHIFT;
    const asset = balances[at + BALANCE.asset] as number;
    const sum = sums.get(asset) ?? { asset, total: 0n, available: 0n, held: 0n, accounts: 0 };
    sums.set(asset, sum);
    const available = readU64(balances, at + BALANCE.available);
    if (balances[at + BALANCE.owner + 1] === TOTAL_HIGH) {
      sum.total += available;
      continue;
    }
    sum.accounts++;
    sum.available += available;
    sum.held += readU64(balances, at + BALANCE.held);
  }
  return [...sums.values()].sort((a, b) => a.asset - b.asset);
}

/** What is wrong, or undefined if all is as it should be. */
export function whyNotConserved(state: MarketState): string | undefined {
  const { accounts } = state;
  if (accounts.balanceCount() === 0) return undefined;
  for (const { asset, total, available, held } of sumAssets(accounts)) {
    if (available + held !== total)
      return `asset ${asset}: accounts have ${available} available and ${held} held, but the total is ${total}`;
  }
  return whyNotHeldByOrders(state);
}

/** Sums of 64-bit amounts as two exact numbers: of the low and of the high words. */
type Halves = [low: number, high: number];

function whyNotHeldByOrders(state: MarketState): string | undefined {
  const { balances, balanceCount } = state.accounts;
  const byAsset = sumHolds(state);
  for (let place = 1; place <= balanceCount(); place++) {
    const at = place << BALANCE_SHIFT;
    if ((balances[at + BALANCE.owner + 1] as number) !== 0) continue;
    const asset = balances[at + BALANCE.asset] as number;
    const account = balances[at + BALANCE.owner] as number;
    const ofAsset = byAsset.get(asset);
    const orders = wide(ofAsset?.get(account));
    ofAsset?.delete(account);
    const held = readU64(balances, at + BALANCE.held);
    if (held !== orders) return `account ${account}: ${held} of asset ${asset} are held, but its orders hold ${orders}`;
  }
  for (const [asset, ofAsset] of byAsset)
    for (const [account, halves] of ofAsset)
      return `account ${account}: its orders hold ${wide(halves)} of asset ${asset}, of which it has no balance`;
  return undefined;
}

function wide([low, high]: Halves = [0, 0]): bigint {
  return BigInt(high) * BigInt(TWO_32) + BigInt(low);
}

/** What the orders of each account hold, by asset. */
function sumHolds({ orders, details }: MarketState): Map<number, Map<number, Halves>> {
  const byAsset = new Map<number, Map<number, Halves>>();
  const { words } = orders;
  for (let slot = 1; slot <= orders.highWater(); slot++) {
    const order = slot << ORDER_SHIFT;
    const terms = words[order + ORDER.terms] as number;
    if ((terms & (ORDER_FLAG.live | ORDER_FLAG.ruled)) !== (ORDER_FLAG.live | ORDER_FLAG.ruled)) continue;
    const detail = slot << DETAIL_SHIFT;
    const asset = details[detail + DETAIL.heldAsset] as number;
    if (asset === 0) continue;
    const ofAsset = byAsset.get(asset) ?? new Map<number, Halves>();
    byAsset.set(asset, ofAsset);
    const account = words[order + ORDER.account] as number;
    const halves = ofAsset.get(account) ?? [0, 0];
    ofAsset.set(account, halves);
    halves[0] += details[detail + DETAIL.held] as number;
    halves[1] += details[detail + DETAIL.held + 1] as number;
  }
  return byAsset;
}
