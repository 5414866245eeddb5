import type { ReasonName } from '../../../../journal/reasons.ts';
import type { MarketCommand } from '../../reference-command.ts';
import type { ModelEvents } from './model-events.ts';
import type { ModelInstrument, Side } from './model-order.ts';

const KIND = {
  roles: 1,
  group: 2,
  openOrdersMax: 3,
  rateMax: 4,
  quantityMax: 5,
  notionalMax: 6,
  increasingIds: 7,
  cancelAllAfter: 8,
} as const;
/** Settings of instruments that are about limits. */
const LIMIT = { bandOneSided: 19, minQuantity: 20, maxNotional: 21, priceBand: 22, bandReference: 23 } as const;
const SCOPE = { all: 0, account: 1, group: 2 } as const;
const FLAG_BY_ACCOUNT = 8;
const FLAG_BY_GROUP = 1024;
const FLAG_CLOSED_EVENT = 4;
const U32_MAX = 2n ** 32n - 1n;
const EXACT_MAX = 2n ** 53n - 1n;
const AMOUNT_MAX = 2n ** 48n - 1n;

const HIGHEST: ReadonlyMap<number, bigint> = new Map([
  [KIND.roles, 15n],
  [KIND.group, U32_MAX],
  [KIND.openOrdersMax, U32_MAX],
  [KIND.rateMax, U32_MAX],
  [KIND.quantityMax, AMOUNT_MAX],
  [KIND.notionalMax, EXACT_MAX],
  [KIND.increasingIds, 1n],
  [KIND.cancelAllAfter, 86_400n * 10n ** 9n],
]);
const HIGHEST_LIMIT: ReadonlyMap<number, bigint> = new Map([
  [LIMIT.bandOneSided, 1n],
  [LIMIT.minQuantity, AMOUNT_MAX],
  [LIMIT.maxNotional, EXACT_MAX],
  [LIMIT.priceBand, AMOUNT_MAX],
  [LIMIT.bandReference, AMOUNT_MAX - 2n],
]);

export const isLimitSetting = (kind: number, value: bigint): boolean => value <= (HIGHEST_LIMIT.get(kind) ?? -1n);

interface ModelAccount {
  readonly settings: Map<number, bigint>;
  highestId: bigint;
  second: bigint;
  counted: bigint;
}

/** What an order would have, for the limits; undefined: not given, or it has none. */
export interface Wanted {
  readonly account: number;
  readonly side: Side;
  readonly newPrice: number | undefined;
  readonly newQuantity: number | undefined;
  readonly price: number | undefined;
  readonly quantity: number;
}

const hasOrderFields = ({ sideCode, type, tif, symbol, price, quantity }: MarketCommand): boolean =>
  sideCode !== 0 || type !== 0 || tif !== 0 || symbol !== 0 || price !== 0n || quantity !== 0n;

/** Settings and limits of accounts, and the kill switch: docs/rules-accounts.md. */
export class ModelAccounts {
  readonly #max: number;
  readonly #accounts = new Map<number, ModelAccount>();
  /** When whose orders are canceled. */
  readonly cancelAt = new Map<number, bigint>();
  readonly #groups = new Set<bigint>();
  readonly #killedAccounts = new Set<number>();
  readonly #killedGroups = new Set<bigint>();
  #isAllKilled = false;
  /** From the first limit or kill on. */
  inForce = false;

  constructor(max: number) {
    this.#max = max;
  }

  groupOf(account: number): bigint {
    return this.#settingOf(account, KIND.group);
  }

  rolesOf(account: number): number {
    return Number(this.#settingOf(account, KIND.roles));
  }

  isSameOwner(one: number, other: number, byGroup: boolean): boolean {
    return one === other || (byGroup && this.groupOf(one) !== 0n && this.groupOf(one) === this.groupOf(other));
  }

  hasRoomFor(account: number): boolean {
    return this.#accounts.has(account) || this.#records < this.#max;
  }

  claim(account: number): ModelAccount {
    const record = this.#accounts.get(account) ?? { settings: new Map(), highestId: 0n, second: 0n, counted: 0n };
    this.#accounts.set(account, record);
    return record;
  }

  get #records(): number {
    return this.#accounts.size + this.#groups.size;
  }

  #settingOf(account: number, kind: number): bigint {
    return this.#accounts.get(account)?.settings.get(kind) ?? 0n;
  }

  set(command: MarketCommand, events: ModelEvents): ReasonName | undefined {
    const kind = command.flags >>> 24;
    const { account, extra, request } = command;
    if ((command.flags & 0xff_ffff) !== 0) return 'flags';
    if (hasOrderFields(command) || command.id !== 0n) return 'reservedField';
    if (extra > (HIGHEST.get(kind) ?? -1n)) return 'setting';
    if (!this.hasRoomFor(account)) return 'accountsFull';
    const record = this.claim(account);
    record.settings.set(kind, extra);
    if (kind !== KIND.roles && kind !== KIND.group && kind !== KIND.cancelAllAfter) this.inForce = true;
    if (kind === KIND.cancelAllAfter) {
      if (extra === 0n) this.cancelAt.delete(account);
      else this.cancelAt.set(account, command.time + extra);
    }
    if (kind === KIND.increasingIds) record.highestId = 0n;
    events.other({ type: 'account', account, request, slot: kind, price: Number(extra) });
    return undefined;
  }

  /** The orders of the account have been canceled. */
  tellCanceled(account: number, events: ModelEvents): void {
    this.cancelAt.delete(account);
    events.other({ type: 'account', account, slot: KIND.cancelAllAfter });
  }

  // The kill switch.

  /** Kills or reinstates; the caller takes the orders off of those that {@link isMeant}. */
  switch(command: MarketCommand, isKill: boolean, events: ModelEvents): ReasonName | undefined {
    const { flags, extra, account, request } = command;
    if (flags !== 0 && flags !== FLAG_BY_ACCOUNT && flags !== FLAG_BY_GROUP) return 'flags';
    if (hasOrderFields(command) || command.id !== 0n) return 'reservedField';
    if (flags !== FLAG_BY_GROUP && extra !== 0n) return 'reservedField';
    if (flags === FLAG_BY_GROUP && (extra === 0n || extra > U32_MAX)) return 'setting';
    const isKnown = flags === FLAG_BY_ACCOUNT ? this.#accounts.has(account) : this.#groups.has(extra);
    if (isKill && flags !== 0 && !isKnown && this.#records >= this.#max) return 'accountsFull';
    if (isKill) this.inForce = true;
    let slot: number = SCOPE.all;
    if (flags === FLAG_BY_ACCOUNT) {
      slot = SCOPE.account;
      if (isKill) this.claim(account);
      put(this.#killedAccounts, account, isKill);
    } else if (flags === FLAG_BY_GROUP) {
      slot = SCOPE.group;
      if (isKill) this.#groups.add(extra);
      put(this.#killedGroups, extra, isKill);
    } else this.#isAllKilled = isKill;
    events.other({ type: 'kill', flags: isKill ? FLAG_CLOSED_EVENT : 0, slot, price: Number(extra), account, request });
    return undefined;
  }

  isMeant({ flags, extra, account }: MarketCommand, owner: number): boolean {
    if (flags === FLAG_BY_ACCOUNT) return owner === account;
    return flags !== FLAG_BY_GROUP || this.groupOf(owner) === extra;
  }

  // What keeps orders out.

  /** Counts a new order or a replace. */
  whyStopped({ account, time }: MarketCommand): ReasonName | undefined {
    const isKilled =
      this.#isAllKilled || this.#killedAccounts.has(account) || this.#killedGroups.has(this.groupOf(account));
    if (isKilled) return 'accountKilled';
    const max = this.#settingOf(account, KIND.rateMax);
    if (max === 0n) return undefined;
    const record = this.claim(account);
    const second = time / 1_000_000_000n;
    if (second > record.second) {
      record.second = second;
      record.counted = 0n;
    }
    record.counted++;
    return record.counted > max ? 'rateMax' : undefined;
  }

  whyNotWithin({ settings, last }: ModelInstrument, wanted: Wanted): ReasonName | undefined {
    const { account, side, newPrice, newQuantity, price, quantity } = wanted;
    const band = settings.get(LIMIT.priceBand) ?? 0;
    const reference = settings.get(LIMIT.bandReference) || last;
    const maxNotional = BigInt(settings.get(LIMIT.maxNotional) ?? 0);
    const notional = price === undefined ? 0n : BigInt(price) * BigInt(quantity);
    const quantityMax = this.#settingOf(account, KIND.quantityMax);
    const notionalMax = this.#settingOf(account, KIND.notionalMax);
    if (newQuantity !== undefined && newQuantity < (settings.get(LIMIT.minQuantity) ?? 0)) return 'minQuantity';
    const ahead = (newPrice ?? 0) - reference;
    const lowest = side === 'buy' && settings.get(LIMIT.bandOneSided) === 1 ? Number.NEGATIVE_INFINITY : -band;
    const highest = side === 'sell' && settings.get(LIMIT.bandOneSided) === 1 ? Number.POSITIVE_INFINITY : band;
    if (newPrice !== undefined && band !== 0 && reference !== 0 && (ahead < lowest || ahead > highest))
      return 'priceBand';
    if (maxNotional !== 0n && notional > maxNotional) return 'maxNotional';
    if (newQuantity !== undefined && quantityMax !== 0n && newQuantity > quantityMax) return 'accountQuantityMax';
    return notionalMax !== 0n && notional > notionalMax ? 'accountNotionalMax' : undefined;
  }

  whyNotOneMore(account: number, id: bigint, stays: boolean, openOrders: number): ReasonName | undefined {
    if (this.#settingOf(account, KIND.increasingIds) === 1n && id <= this.claim(account).highestId)
      return 'idNotIncreasing';
    const max = this.#settingOf(account, KIND.openOrdersMax);
    return stays && max !== 0n && openOrders >= max ? 'openOrdersMax' : undefined;
  }

  noteAccepted(account: number, id: bigint): void {
    if (this.#settingOf(account, KIND.increasingIds) === 1n) this.claim(account).highestId = id;
  }
}

function put<T>(killed: Set<T>, one: T, isKill: boolean): void {
  if (isKill) killed.add(one);
  else killed.delete(one);
}
