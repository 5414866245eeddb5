import type { RawCommand } from '../raw-commands.ts';

const AMOUNT_MAX = 2n ** 48n - 1n;
const EXACT_MAX = 2n ** 53n - 1n;
const TRANSFER_MAX = 2n ** 60n;
/** What flows have as prices and quantities is below these; what is above is meant to be out of range. */
const NEAR_PRICES = 6_000n;
const NEAR_LOTS = 1_100n;
const OP = {
  new: 1,
  reduce: 3,
  replace: 4,
  terms: 6,
  moveIn: 8,
  create: 16,
  update: 17,
  set: 23,
  accountSet: 26,
} as const;
const TRANSFERS: readonly number[] = [32, 33];
const ORDERS: readonly number[] = [OP.new, OP.replace, OP.moveIn];
const WITH_TERMS: readonly number[] = [OP.new, OP.replace, OP.terms];
const INSTRUMENTS: readonly number[] = [OP.create, OP.update];
const TERM = { stopPrice: 1, lots: [4, 5, 10] } as const;
const SETTING = { lots: [2, 20], prices: [10, 23], notional: 21, units: [34, 35] } as const;
const ACCOUNT = { quantityMax: 5, notionalMax: 6 } as const;

/** Prices go up by so much, lots are multiplied. */
export interface Distance {
  readonly ticks: bigint;
  readonly lots: bigint;
}

/** The highest prices, the most lots, both, and such that a product of the two is near the most that there may be of an asset. */
const DISTANCES: readonly Distance[] = [
  { ticks: AMOUNT_MAX - 142n, lots: 1n },
  { ticks: 0n, lots: 2n ** 42n },
  { ticks: AMOUNT_MAX - 142n, lots: 2n ** 42n },
  { ticks: 2n ** 30n, lots: 2n ** 24n },
  { ticks: 2n ** 20n, lots: 2n ** 36n },
];

/** Every fifth seed has its flow at the ends of the ranges, too. */
export function distanceOf(seed: number): Distance | undefined {
  return seed % 5 === 0 ? DISTANCES[(seed / 5) % DISTANCES.length] : undefined;
}

/** A command of a flow, with its amounts moved to where sums and products of them are large. */
export function farther(command: RawCommand, { ticks, lots }: Distance): RawCommand {
  const { op, flags = 0, price = 0, quantity = 0, extra = 0 } = command;
  const kind = flags >>> 24;
  const far = { ...command };
  const up = (value: number | bigint): bigint => {
    const near = BigInt(value);
    return near > 0n && near < NEAR_PRICES ? near + ticks : near;
  };
  const more = (value: number | bigint): bigint => {
    const near = BigInt(value);
    if (near === 0n || near > NEAR_LOTS) return near;
    return near * lots > AMOUNT_MAX ? AMOUNT_MAX : near * lots;
  };
  const isOneOf = (kinds: readonly number[]): boolean => kinds.includes(kind);
  if (ORDERS.includes(op)) far.price = up(price);
  if (ORDERS.includes(op) || op === OP.reduce || op === OP.update) far.quantity = more(quantity);
  if (INSTRUMENTS.includes(op) && kind === 0 && BigInt(extra) > 3n) far.extra = up(extra);
  if (WITH_TERMS.includes(op) && kind === TERM.stopPrice) far.extra = up(extra);
  if (WITH_TERMS.includes(op) && isOneOf(TERM.lots)) far.extra = more(extra);
  if (op === OP.set && isOneOf(SETTING.prices)) far.extra = up(extra);
  if (op === OP.set && isOneOf(SETTING.lots) && BigInt(extra) > 1n) far.extra = more(extra);
  if (op === OP.set && kind === SETTING.notional && BigInt(extra) > 0n) far.extra = EXACT_MAX;
  if (op === OP.set && isOneOf(SETTING.units)) far.extra = 1;
  if (op === OP.accountSet && kind === ACCOUNT.quantityMax) far.extra = more(extra);
  if (op === OP.accountSet && kind === ACCOUNT.notionalMax && BigInt(extra) > 0n) far.extra = EXACT_MAX;
  if (TRANSFERS.includes(op)) far.extra = transfer(BigInt(extra));
  return far;
}

function transfer(amount: bigint): bigint {
  if (amount === 0n || amount >= TRANSFER_MAX) return amount;
  const much = amount << 36n;
  return much > TRANSFER_MAX ? TRANSFER_MAX + amount : much;
}
