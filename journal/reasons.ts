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
  // More refusals of the state transition.
  display: 37,
  allOrNoneFull: 38,
  // Orders that wait.
  stopsFull: 42,
  stopWouldTrigger: 43,
  listFull: 44,
  phase: 45,
  phaseChange: 46,
  expires: 47,
  calendarFull: 48,
  schedule: 49,
  // Why quantity was taken off.
  requested: 64,
  reduced: 65,
  ioc: 66,
  fok: 67,
  massCancel: 68,
  moved: 69,
  selfTrade: 70,
  minQty: 71,
  band: 72,
  allOrNone: 73,
  linked: 74,
  orphaned: 75,
  expired: 77,
  auctionOver: 78,
  delisted: 79,
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
  sessionAccount: 'the session belongs to another account',
  requestGap: 'request numbers must be consecutive',
  requestTooOld: 'the request was handled, but its answer is no longer kept',
  display: 'the lots shown at a time must be at least a hundredth of the quantity',
  allOrNoneFull: 'this side of the instrument holds as many all-or-none orders as it may',
  stopsFull: 'as many orders wait in the instrument as may: stops, and orders that wait for another',
  stopWouldTrigger: 'the last trade price would trigger the stop at once',
  listFull: 'as many orders are in the group, or wait for the order, as can be',
  phase: "the instrument's phase does not take this order or replace",
  phaseChange: 'the instrument can not go from its phase to this one, or orders of a day that ended still leave',
  expires: 'the order would expire before it could trade',
  calendarFull: 'as many changes of phase are scheduled for the instrument as may be',
  schedule: 'a change is scheduled for a time to come, and only one that is scheduled can be taken away',
  requested: 'canceled by its owner',
  reduced: 'reduced by its owner',
  ioc: 'immediate-or-cancel or market: the remainder was canceled',
  fok: 'fill-or-kill: it could not be filled at once',
  massCancel: 'canceled by a mass cancel',
  moved: 'the order rests on another shard now',
  selfTrade: 'self-trade prevention: it would have traded with an order of the same owner',
  minQty: 'the quantity that must trade at once could not',
  band: "market: the remainder was beyond the instrument's protection band",
  allOrNone: 'all-or-none: it could not trade whole at once, and may not rest',
  linked: 'another order of its group traded, or left',
  orphaned: 'the order that it waited for left without trading in full',
  expired: 'the day or the time for which the order was good is over',
  auctionOver: 'the auction for which the order was entered is over',
  delisted: 'the instrument does not trade any more',
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
