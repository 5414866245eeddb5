/**
 * Why a command was refused, or why quantity was taken off an order. The words are part of the command-line format; the
 * codes are part of the event record. Codes are never reused.
 */
export const Reason = {
  none: 0,
  // Refusals of the state transition.
  unknownSymbol: 1,
  unknownOrder: 2,
  duplicateOrder: 3,
  price: 4,
  quantity: 5,
  side: 6,
  orderType: 7,
  timeInForce: 8,
  flags: 9,
  reservedField: 10,
  notSupported: 11,
  postOnlyWouldTrade: 12,
  ordersFull: 13,
  levelsFull: 14,
  instrumentClosed: 15,
  priceMax: 16,
  quantityMax: 17,
  nothingToReplace: 18,
  instrumentsFull: 19,
  symbolExists: 20,
  nameExists: 21,
  name: 22,
  otherShard: 23,
  tradesHere: 24,
  shard: 25,
  terms: 26,
  termsMissing: 27,
  tick: 28,
  lot: 29,
  setting: 30,
  stp: 31,
  // Sessions.
  sessionUnknown: 32,
  sessionsFull: 33,
  sessionAccount: 34,
  requestGap: 35,
  requestTooOld: 36,
  // Accounts.
  accountKilled: 50,
  rateMax: 51,
  minQuantity: 52,
  priceBand: 53,
  maxNotional: 54,
  accountQuantityMax: 55,
  accountNotionalMax: 56,
  idNotIncreasing: 57,
  openOrdersMax: 58,
  accountsFull: 59,
  balancesFull: 60,
  insufficientFunds: 61,
  amount: 62,
  instrumentInUse: 63,
  // Why quantity was taken off.
  requested: 64,
  reduced: 65,
  ioc: 66,
  fok: 67,
  massCancel: 68,
  moved: 69,
  killSwitch: 81,
  cancelAllAfter: 82,
} as const;
export type ReasonName = keyof typeof Reason;

const TEXTS: Readonly<Record<ReasonName, string>> = {
  none: '',
  unknownSymbol: 'no instrument has this symbol',
  unknownOrder: 'the account has no live order with this id',
  duplicateOrder: 'the account already has a live order with this id',
  price: 'a limit price must be 1 to 2^48 - 3 ticks, and a market order has none',
  quantity: 'a quantity must be 1 to 2^48 - 1 lots',
  side: 'the side must be buy or sell',
  orderType: 'the order type is not known',
  timeInForce: 'the time in force is not known',
  flags: 'a flag is not known, or does not go with this command',
  reservedField: 'a field that this version keeps for later is not zero',
  notSupported: 'this version does not support the command, order type or time in force',
  postOnlyWouldTrade: 'a post-only order would have traded',
  ordersFull: 'the venue holds as many orders as it was configured for',
  levelsFull: 'the venue holds as many price pages as it was configured for',
  instrumentClosed: 'the instrument takes no new orders',
  priceMax: "the price is above the instrument's highest",
  quantityMax: "the quantity is above the instrument's largest",
  nothingToReplace: 'a replace must give a price, a quantity or both',
  instrumentsFull: 'the symbol id is not below the number of instruments the venue was configured for',
  symbolExists: 'the symbol id is taken',
  nameExists: 'another instrument has this name',
  name: 'a name must be 1 to 16 printable ASCII characters without spaces',
  otherShard: 'the instrument trades on another shard, or is being moved',
  tradesHere: 'the instrument trades on this shard, so no orders are moved in or out',
  shard: 'a shard must be a number below 2^32',
  terms: 'a term is not known, is given twice, has a value out of range, or does not go with this order',
  termsMissing: 'no terms of this order are waiting for it',
  tick: "the price is not a multiple of the instrument's tick",
  lot: "the quantity is not a multiple of the instrument's lot",
  setting: 'the setting is not known, or its value is out of range',
  stp: 'the self-trade prevention is not known',
  sessionUnknown: 'the session was never opened, was closed, or gave way to newer sessions',
  sessionsFull: 'every session is in use and none is idle enough to give way',
  sessionAccount: 'the session belongs to another account, or to one without the role for this',
  requestGap: 'request numbers must be consecutive',
  requestTooOld: 'the request was handled, but its answer is no longer kept',
  accountKilled: 'the account, its group or the whole venue was stopped by the kill switch',
  rateMax: 'the account has sent as many new orders and replaces in this second as it may',
  minQuantity: "the quantity is below the instrument's smallest",
  priceBand: "the price is too far from the instrument's reference price",
  maxNotional: "price times quantity is above the instrument's largest",
  accountQuantityMax: "the quantity is above the account's largest",
  accountNotionalMax: "price times quantity is above the account's largest",
  idNotIncreasing: "the order's id is not above all ids of the account before it",
  openOrdersMax: 'the account has as many live orders as it may',
  accountsFull: 'the venue knows as many accounts as it was configured for',
  balancesFull: 'the venue keeps as many balances as it was configured for',
  insufficientFunds: 'the account has less available than this takes',
  amount: 'an amount must be 1 to 2^63 - 1 of an asset that is not 0, also with what the venue has of it',
  instrumentInUse: 'the setting can not change while orders of the instrument are live',
  requested: 'canceled by its owner',
  reduced: 'reduced by its owner',
  ioc: 'immediate-or-cancel or market: the remainder was canceled',
  fok: 'fill-or-kill: it could not be filled at once',
  massCancel: 'canceled by a mass cancel',
  moved: 'the order rests on another shard now',
  killSwitch: 'canceled by the kill switch',
  cancelAllAfter: 'canceled at the time that its account had asked for',
};

const NAMES: readonly (ReasonName | undefined)[] = (() => {
  const names: (ReasonName | undefined)[] = [];
  for (const name of Object.keys(Reason) as ReasonName[]) names[Reason[name]] = name;
  return names;
})();

/** The word for a reason code; `reason<code>` for one of a newer version. */
export function reasonName(code: number): string {
  return NAMES[code] ?? `reason${code}`;
}

export function reasonText(code: number): string {
  const name = NAMES[code];
  return name === undefined ? '' : TEXTS[name];
}
