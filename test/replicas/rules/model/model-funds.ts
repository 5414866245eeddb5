import type { ReasonName } from '../../../../journal/reasons.ts';
import type { MarketCommand } from '../../reference-command.ts';
import type { ModelAccounts } from './model-accounts.ts';
import { type ModelEvents, shownId } from './model-events.ts';
import type { ModelInstrument, ModelOrder, Side } from './model-order.ts';

const FUND = {
  baseAsset: 32,
  quoteAsset: 33,
  lotValue: 34,
  tickValue: 35,
  makerFee: 36,
  takerFee: 37,
  feeAccount: 38,
  makerRebate: 39,
} as const;
const RATE_ONE = 1_000_000n;
const U32_MAX = 2n ** 32n - 1n;
const EXACT_MAX = 2n ** 53n - 1n;
const TOTAL_MAX = 2n ** 63n - 1n;
const FLAG_DONE = 8;

const HIGHEST: ReadonlyMap<number, bigint> = new Map([
  [FUND.baseAsset, U32_MAX],
  [FUND.quoteAsset, U32_MAX],
  [FUND.lotValue, EXACT_MAX],
  [FUND.tickValue, EXACT_MAX],
  [FUND.makerFee, RATE_ONE],
  [FUND.takerFee, RATE_ONE],
  [FUND.feeAccount, U32_MAX],
  [FUND.makerRebate, RATE_ONE],
]);

export const isFundSetting = (kind: number, value: bigint): boolean => value <= (HIGHEST.get(kind) ?? -1n);

/** What is held for orders is looked up in all live ones each time that it is asked for. */
export interface LiveOrders {
  readonly live: ReadonlyMap<string, ModelOrder>;
  readonly instrumentOf: (order: ModelOrder) => ModelInstrument;
}

const settingOf = ({ settings }: ModelInstrument, kind: number): bigint => BigInt(settings.get(kind) ?? 0);
const unitsOf = (instrument: ModelInstrument, kind: number): bigint => settingOf(instrument, kind) || 1n;
const feeOf = (cost: bigint, rate: bigint): bigint => (cost * rate) / RATE_ONE;

const isMarketBuy = ({ side, type }: ModelOrder): boolean => side === 'buy' && (type === 1 || type === 2);

function isSettled(instrument: ModelInstrument): boolean {
  return settingOf(instrument, FUND.baseAsset) !== 0n && settingOf(instrument, FUND.quoteAsset) !== 0n;
}

function assetOf(instrument: ModelInstrument, side: Side): bigint {
  return settingOf(instrument, side === 'buy' ? FUND.quoteAsset : FUND.baseAsset);
}

/** What so many ticks times lots cost at most: nobody counts on a rebate. */
function withFee(instrument: ModelInstrument, ticks: bigint): bigint {
  const cost = ticks * unitsOf(instrument, FUND.tickValue);
  const rate = Math.max(Number(settingOf(instrument, FUND.makerFee)), Number(settingOf(instrument, FUND.takerFee)));
  return cost + feeOf(cost, BigInt(rate));
}

/** Balances, holds and settlement: docs/rules-accounts.md, "Funds". */
export class ModelFunds {
  readonly #max: number;
  readonly #accounts: ModelAccounts;
  readonly #orders: LiveOrders;
  /** What an account has of an asset, held or not, and what there is of it in all; each takes a place. */
  readonly #sums = new Map<string, bigint>();

  constructor(max: number, accounts: ModelAccounts, orders: LiveOrders) {
    this.#max = max;
    this.#accounts = accounts;
    this.#orders = orders;
  }

  // Deposits and withdrawals.

  deposit(command: MarketCommand, events: ModelEvents): ReasonName | undefined {
    const { account, extra, symbol } = command;
    const refusal = whyNotAmount(command);
    if (refusal !== undefined) return refusal;
    const [own, total] = [`${account}/${symbol}`, `total/${symbol}`];
    if (extra + this.#sumOf(total) > TOTAL_MAX) return 'amount';
    if (!this.#accounts.hasRoomFor(account)) return 'accountsFull';
    if (!this.#claim(own, total)) return 'balancesFull';
    this.#accounts.claim(account);
    this.#add(own, extra);
    this.#add(total, extra);
    this.#tellBalance(command, events, 0);
    return undefined;
  }

  withdraw(command: MarketCommand, events: ModelEvents): ReasonName | undefined {
    const { account, extra, symbol } = command;
    const refusal = whyNotAmount(command);
    if (refusal !== undefined) return refusal;
    if (this.available(account, BigInt(symbol)) < extra) return 'insufficientFunds';
    this.#add(`${account}/${symbol}`, -extra);
    this.#add(`total/${symbol}`, -extra);
    this.#tellBalance(command, events, FLAG_DONE);
    return undefined;
  }

  #tellBalance({ account, symbol, id, request, extra }: MarketCommand, events: ModelEvents, flags: number): void {
    const amounts = [extra, this.available(account, BigInt(symbol)), this.held(account, BigInt(symbol))];
    events.amounts({ type: 'balance', account, symbol, id: shownId(id), request, flags }, amounts);
  }

  // Instruments.

  /** The account that fees go to has a balance from here on. */
  whyNotFundable(instrument: ModelInstrument, kind: number, value: bigint): ReasonName | undefined {
    if (!HIGHEST.has(kind)) return undefined;
    const given = (other: number): bigint => (kind === other ? value : settingOf(instrument, other));
    const [base, quote] = [given(FUND.baseAsset), given(FUND.quoteAsset)];
    if (base !== 0n && base === quote) return 'setting';
    const rebate = given(FUND.makerRebate);
    if (rebate > 0n && (rebate > given(FUND.takerFee) || given(FUND.makerFee) > 0n)) return 'setting';
    const isInUse = [...this.#orders.live.values()].some(({ symbol }) => symbol === instrument.symbol);
    if (kind !== FUND.feeAccount && isInUse) return 'instrumentInUse';
    if (base === 0n || quote === 0n) return undefined;
    return this.#claim(`${given(FUND.feeAccount)}/${quote}`) ? undefined : 'balancesFull';
  }

  // Holds.

  held(account: number, asset: bigint): bigint {
    let held = 0n;
    for (const order of this.#orders.live.values()) {
      const instrument = this.#orders.instrumentOf(order);
      if (order.account !== account || !isSettled(instrument) || assetOf(instrument, order.side) !== asset) continue;
      held += this.#holdOf(instrument, order);
    }
    return held;
  }

  available(account: number, asset: bigint): bigint {
    return this.#sumOf(`${account}/${asset}`) - this.held(account, asset);
  }

  /** By account and asset, of all that have a balance. */
  all(): Map<string, { readonly available: bigint; readonly held: bigint }> {
    const owners = [...this.#sums.keys()].filter((key) => !key.startsWith('total'));
    return new Map(
      owners.map((key) => {
        const [account, asset] = key.split('/');
        const [owner, what] = [Number(account), BigInt(asset as string)];
        return [key, { available: this.available(owner, what), held: this.held(owner, what) }];
      }),
    );
  }

  /** Of an order that is not at work: a buy without a limit waits and holds nothing. */
  #holdOf(instrument: ModelInstrument, order: ModelOrder): bigint {
    if (order.side === 'sell') return BigInt(order.open) * unitsOf(instrument, FUND.lotValue);
    if (isMarketBuy(order)) return 0n;
    return withFee(instrument, BigInt(order.open) * BigInt(order.price));
  }

  /** `marketTicks`: ticks times lots that a buy without a limit would trade for; `before`: what is replaced. */
  whyNotHeld(
    instrument: ModelInstrument,
    order: ModelOrder,
    marketTicks: bigint,
    before: ModelOrder | undefined,
  ): ReasonName | undefined {
    if (!isSettled(instrument)) return undefined;
    const { account, side } = order;
    const asset = assetOf(instrument, side);
    const other = assetOf(instrument, side === 'buy' ? 'sell' : 'buy');
    if (!this.#hasRoom(`${account}/${asset}`, `${account}/${other}`)) return 'balancesFull';
    const needed = isMarketBuy(order) ? withFee(instrument, marketTicks) : this.#holdOf(instrument, order);
    const room = this.available(account, asset) + (before === undefined ? 0n : this.#holdOf(instrument, before));
    if (needed > room) return 'insufficientFunds';
    this.#claim(`${account}/${asset}`, `${account}/${other}`);
    order.hold = needed;
    return undefined;
  }

  // Settlement.

  payableLots(instrument: ModelInstrument, order: ModelOrder, price: number, lots: number): number {
    if (!isMarketBuy(order) || !isSettled(instrument)) return lots;
    for (let most = lots; most > 0; most--) {
      const cost = BigInt(price) * BigInt(most) * unitsOf(instrument, FUND.tickValue);
      if (cost + feeOf(cost, settingOf(instrument, FUND.takerFee)) <= order.hold) return most;
    }
    return 0;
  }

  /** Neither side of a trade in an auction is a taker. */
  settleAuction(
    instrument: ModelInstrument,
    buy: ModelOrder,
    sell: ModelOrder,
    price: number,
    quantity: number,
    events: ModelEvents,
  ): void {
    const parts = [buy, sell].map((order) => ({ order, rates: [FUND.makerFee], request: 0 }));
    this.#exchange(instrument, parts, price, quantity, events);
  }

  settle(
    instrument: ModelInstrument,
    maker: ModelOrder,
    taker: ModelOrder,
    quantity: number,
    events: ModelEvents,
  ): void {
    const parts = [
      { order: maker, rates: [FUND.makerFee, FUND.makerRebate], request: 0 },
      { order: taker, rates: [FUND.takerFee], request: taker.request },
    ];
    this.#exchange(instrument, parts, maker.price, quantity, events);
  }

  #exchange(
    instrument: ModelInstrument,
    parts: readonly { readonly order: ModelOrder; readonly rates: readonly number[]; readonly request: number }[],
    price: number,
    quantity: number,
    events: ModelEvents,
  ): void {
    if (!isSettled(instrument)) return;
    const cost = BigInt(price) * BigInt(quantity) * unitsOf(instrument, FUND.tickValue);
    const base = BigInt(quantity) * unitsOf(instrument, FUND.lotValue);
    const quoteAsset = settingOf(instrument, FUND.quoteAsset);
    for (const { order, rates, request } of parts) {
      const [paid = 0n, got = 0n] = rates.map((rate) => feeOf(cost, settingOf(instrument, rate)));
      const fee = paid - got;
      if (order.side === 'buy') order.hold -= cost + fee;
      const sign = order.side === 'buy' ? 1n : -1n;
      this.#add(`${order.account}/${settingOf(instrument, FUND.baseAsset)}`, sign * base);
      this.#add(`${order.account}/${quoteAsset}`, -sign * cost - fee);
      this.#add(`${settingOf(instrument, FUND.feeAccount)}/${quoteAsset}`, fee);
      const { side, symbol, account, slot, generation } = order;
      const about = { side, symbol, account, slot, generation, request, id: shownId(order.id) };
      events.amounts({ type: 'settled', ...about }, [cost, base, fee]);
    }
  }

  // Places.

  #sumOf(key: string): bigint {
    return this.#sums.get(key) ?? 0n;
  }

  #add(key: string, amount: bigint): void {
    this.#sums.set(key, this.#sumOf(key) + amount);
  }

  #hasRoom(...keys: readonly string[]): boolean {
    return this.#sums.size + keys.filter((key) => !this.#sums.has(key)).length <= this.#max;
  }

  #claim(...keys: readonly string[]): boolean {
    if (!this.#hasRoom(...keys)) return false;
    for (const key of keys) this.#add(key, 0n);
    return true;
  }
}

function whyNotAmount(command: MarketCommand): ReasonName | undefined {
  const { flags, sideCode, type, tif, price, quantity, symbol, extra } = command;
  if (flags !== 0) return 'flags';
  if (sideCode !== 0 || type !== 0 || tif !== 0 || price !== 0n || quantity !== 0n) return 'reservedField';
  return symbol === 0 || extra === 0n || extra > TOTAL_MAX ? 'amount' : undefined;
}
