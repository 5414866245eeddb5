import type { Command } from '../../../journal/commands.ts';
import type { VenueEvent } from '../../../journal/events.ts';
import type { Funds } from './ruled-market.ts';

/**
 * What accounts have, told from the commands and events alone and in the plainest way: every balance is a sum, every hold is
 * computed anew from the live orders each time that it is asked for.
 */
interface LiveOrder {
  readonly account: number;
  readonly symbol: number;
  readonly side: 'buy' | 'sell';
  /** A buy without a limit holds for itself alone only while it trades. */
  readonly isLimit: boolean;
  price: bigint;
  open: bigint;
}

type Settings = Map<string, bigint>;

export class NaiveLedger {
  readonly #settings = new Map<number, Settings>();
  readonly #orders = new Map<string, LiveOrder>();
  /** Available and held, by account and asset. */
  readonly #sums = new Map<string, bigint>();
  /** How often each answer about funds was given. */
  readonly counts = new Map<string, number>();

  /** What is wrong with the events of a command, if anything. */
  take(command: Command, events: readonly VenueEvent[]): string | undefined {
    const complaint = this.#checkFunding(command, events[0]) ?? this.#checkRates(command, events[0]);
    if (complaint !== undefined) return complaint;
    for (const [place, event] of events.entries()) {
      const wrong = this.#takeEvent(command, event, events[place + 1], events[place + 2], events[place + 3]);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  /** What differs between these balances and the ledger's. */
  compare(given: ReadonlyMap<string, Funds>): string | undefined {
    for (const key of new Set([...given.keys(), ...this.#sums.keys()])) {
      const [account = 0, asset = 0] = key.split('/').map(Number);
      const { available, held } = given.get(key) ?? { available: 0n, held: 0n };
      const expected = this.#fundsOf(account, asset);
      if (available !== expected.available || held !== expected.held)
        return `${key}: ${available} available, ${held} held; it should be ${expected.available} and ${expected.held}`;
    }
    return undefined;
  }

  /** Whether the command was refused for lack of funds, and only if funds were lacking. */
  #checkFunding(command: Command, first: VenueEvent | undefined): string | undefined {
    if (first === undefined) return undefined;
    const isShort = first.type === 'rejected' && first.reason === 'insufficientFunds';
    const isTaken = first.type === 'accepted' || (first.type === 'replaced' && (first.flags & 1) === 0);
    if ((!isShort && !isTaken) || (command.op !== 'new' && command.op !== 'replace')) return undefined;
    const { account = 0, symbol = 0 } = command;
    if (!this.#isSettled(symbol)) return isShort ? 'refused for funds where none are needed' : undefined;
    const before = this.#orders.get(keyOf(account, command.id));
    const order: LiveOrder =
      command.op === 'new'
        ? {
            account,
            symbol,
            side: command.side ?? 'buy',
            isLimit: isLimitType(command),
            price: BigInt(isTaken ? first.price : (command.price ?? 0)),
            open: BigInt(command.quantity ?? 0),
          }
        : {
            ...(before as LiveOrder),
            price: BigInt(isTaken ? first.price : (command.price ?? Number((before as LiveOrder).price))),
            open: openAfter(command, (before as LiveOrder).open),
          };
    if (!order.isLimit && order.side === 'buy') return undefined;
    const asset = this.#heldAsset(order);
    const room = this.#fundsOf(account, asset).available + (before === undefined ? 0n : this.#holdOf(before));
    this.#count(isShort ? 'short' : 'funded');
    if (isShort === this.#holdOf(order) > room) return undefined;
    return `${isShort ? 'refused' : 'taken'}: ${this.#holdOf(order)} of asset ${asset} are needed, there are ${room}`;
  }

  /** Whether a rebate is set only where a taker's fee pays for it and no maker's fee is beside it. */
  #checkRates({ setting, symbol = 0 }: Command, first: VenueEvent | undefined): string | undefined {
    if (first?.type !== 'setting' || setting === undefined) return undefined;
    const after = new Map([...this.#settingsOf(symbol), [setting, BigInt(first.price)]]);
    const [rebate, makerFee, takerFee] = [after.get('makerRebate'), after.get('makerFee'), after.get('takerFee')];
    if (!rebate || (rebate <= (takerFee ?? 0n) && !makerFee)) return undefined;
    return `a rebate of ${rebate} is taken beside a maker's fee of ${makerFee} and a taker's of ${takerFee}`;
  }

  #takeEvent(
    command: Command,
    event: VenueEvent,
    next: VenueEvent | undefined,
    third: VenueEvent | undefined,
    fourth: VenueEvent | undefined,
  ): string | undefined {
    const { account, symbol, type } = event;
    const key = keyOf(account, event.id);
    const order = this.#orders.get(key);
    switch (type) {
      case 'setting':
        this.#settingsOf(symbol).set(command.setting ?? '', BigInt(event.price));
        return undefined;
      case 'accepted':
        this.#orders.set(key, {
          account,
          symbol,
          side: event.side,
          isLimit: isLimitType(command),
          price: BigInt(event.price),
          open: BigInt(event.open),
        });
        return undefined;
      case 'replaced':
        (order as LiveOrder).price = BigInt(event.price);
        (order as LiveOrder).open = BigInt(event.open);
        return undefined;
      case 'tradeMaker':
        return this.#trade(event, next as VenueEvent, third, fourth);
      case 'canceled':
      case 'tradeTaker':
        if (order !== undefined) order.open = BigInt(event.open);
        if (event.open === 0) this.#orders.delete(key);
        return undefined;
      case 'balance':
        return this.#move(event);
      default:
        return undefined;
    }
  }

  #trade(
    made: VenueEvent,
    taken: VenueEvent,
    third: VenueEvent | undefined,
    fourth: VenueEvent | undefined,
  ): string | undefined {
    const maker = this.#orders.get(keyOf(made.account, made.id)) as LiveOrder;
    maker.open = BigInt(made.open);
    if (made.open === 0) this.#orders.delete(keyOf(made.account, made.id));
    const { symbol } = made;
    if (!this.#isSettled(symbol))
      return third?.type === 'settled' ? 'a trade is settled that should not be' : undefined;
    this.#count('settled');
    const cost = BigInt(made.price) * BigInt(made.quantity) * this.#units(symbol, 'tickValue');
    const base = BigInt(made.quantity) * this.#units(symbol, 'lotValue');
    const sides = [
      { event: made, told: third, rate: 'makerFee' },
      { event: taken, told: fourth, rate: 'takerFee' },
    ] as const;
    for (const { event, told, rate } of sides) {
      const isAuction = (event.flags & 64) !== 0;
      const part = (name: string): bigint => (cost * (this.#settingsOf(symbol).get(name) ?? 0n)) / 1_000_000n;
      const rebate = rate === 'makerFee' && !isAuction ? part('makerRebate') : 0n;
      const fee = rebate > 0n ? -rebate : part(isAuction ? 'makerFee' : rate);
      if (rebate > 0n) this.#count('rebates');
      const sign = event.side === 'buy' ? 1n : -1n;
      this.#add(event.account, this.#asset(symbol, 'baseAsset'), sign * base);
      this.#add(event.account, this.#asset(symbol, 'quoteAsset'), -sign * cost - fee);
      this.#add(Number(this.#settingsOf(symbol).get('feeAccount') ?? 0n), this.#asset(symbol, 'quoteAsset'), fee);
      const amounts = told?.type === 'settled' && told.account === event.account ? told.amounts?.map(BigInt) : [];
      if (amounts?.join() !== [cost, base, fee].join())
        return `a trade of ${cost} for ${base} with fee ${fee} is told as ${amounts}`;
    }
    return undefined;
  }

  #move({ account, symbol, flags, amounts = [] }: VenueEvent): string | undefined {
    const [amount = 0n, available, held] = amounts.map(BigInt);
    this.#add(account, symbol, (flags & 8) === 0 ? amount : -amount);
    const expected = this.#fundsOf(account, symbol);
    if (available === expected.available && held === expected.held) return undefined;
    return `balance of ${account} in ${symbol}: told ${available} and ${held}`;
  }

  #fundsOf(account: number, asset: number): Funds {
    let held = 0n;
    for (const order of this.#orders.values()) {
      if (order.account !== account || !this.#isSettled(order.symbol) || this.#heldAsset(order) !== asset) continue;
      held += this.#holdOf(order);
    }
    return { available: (this.#sums.get(`${account}/${asset}`) ?? 0n) - held, held };
  }

  #holdOf({ symbol, side, isLimit, price, open }: LiveOrder): bigint {
    if (side === 'sell') return open * this.#units(symbol, 'lotValue');
    // After a command, one without a limit is not live, or waits and holds nothing.
    if (!isLimit) return 0n;
    const cost = open * price * this.#units(symbol, 'tickValue');
    let rate = 0n;
    for (const name of ['makerFee', 'takerFee']) {
      const other = this.#settingsOf(symbol).get(name) ?? 0n;
      if (other > rate) rate = other;
    }
    return cost + (cost * rate) / 1_000_000n;
  }

  #heldAsset({ symbol, side }: LiveOrder): number {
    return this.#asset(symbol, side === 'buy' ? 'quoteAsset' : 'baseAsset');
  }

  #isSettled(symbol: number): boolean {
    return this.#asset(symbol, 'baseAsset') !== 0 && this.#asset(symbol, 'quoteAsset') !== 0;
  }

  #asset(symbol: number, name: string): number {
    return Number(this.#settingsOf(symbol).get(name) ?? 0n);
  }

  #units(symbol: number, name: string): bigint {
    return this.#settingsOf(symbol).get(name) || 1n;
  }

  #settingsOf(symbol: number): Settings {
    const settings = this.#settings.get(symbol) ?? new Map<string, bigint>();
    this.#settings.set(symbol, settings);
    return settings;
  }

  #add(account: number, asset: number, amount: bigint): void {
    const key = `${account}/${asset}`;
    this.#sums.set(key, (this.#sums.get(key) ?? 0n) + amount);
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

function isLimitType({ type }: Command): boolean {
  return type === undefined || type === 'limit' || type === 'stopLimit';
}

function keyOf(account: number, id: number | bigint | undefined): string {
  return `${account}/${id}`;
}

/** What a replace asks for, of which something may have traded already. */
function openAfter({ quantity, term, value = 0 }: Command, open: bigint): bigint {
  if (quantity === undefined) return open;
  return BigInt(quantity) - (term === 'open' ? BigInt(value) - open : 0n);
}
