import { readU64, readWide, writeU64, writeWide } from './amounts.ts';

/**
 * A command record: what a client asks of the venue, 64 bytes, little-endian, sixteen u32 words. The same bytes travel
 * in NATS messages, rings and journal blocks.
 *
 * | byte | word | type | field | meaning |
 * |-----:|-----:|------|-------|---------|
 * |  0 |  0 | u8  | op       | {@link Op} |
 * |  1 |    | u8  | side     | {@link Side}; of a mass cancel: {@link SIDE_ANY} for both |
 * |  2 |    | u8  | type     | {@link OrderType} |
 * |  3 |    | u8  | tif      | {@link TimeInForce} (FIX 59) |
 * |  4 |  1 | u16 | flags    | {@link Flag} bits |
 * |  6 |    | u8  | stp      | {@link SelfTradePrevention} (FIX 2964) |
 * |  7 |    | u8  | term     | {@link Term}: what `extra` says of a new or replaced order, or of the one that these terms are for; of a setting {@link Setting} or {@link AccountSetting} |
 * |  8 |  2 | u32 | account  | owner of the order (FIX 1) |
 * | 12 |  3 | u32 | symbol   | instrument id; what an id stands for is set by an instrument-create command |
 * | 16 |  4 | u64 | id       | client order id, unique among the account's live orders (FIX 11) |
 * | 24 |  6 | u64 | price    | ticks, 48 bits; zero in market orders |
 * | 32 |  8 | u64 | quantity | lots, 48 bits; of a reduce: lots taken off; of a replace: the open quantity wanted, less what {@link Term.open} tells to have traded |
 * | 40 | 10 | u64 | extra    | the value of the term or setting. Of an instrument: below |
 * | 48 | 12 | u32 | session  | client session, 0 for none |
 * | 52 | 13 | u32 | request  | place of the command in its session, counting from 1; 0 when there is no session |
 * | 56 | 14 | u64 | time     | nanoseconds since the Unix epoch, stamped by the sequencer |
 *
 * Instrument create carries a name of up to 16 ASCII characters, zero-padded, in bytes 16-31, the largest order quantity
 * in `quantity` and the highest price in `extra` (0: no limit of its own). Instrument update carries the same two limits
 * and the {@link Flag.closed} bit. With {@link Flag.elsewhere}, instrument create and assign carry in `extra` the shard on
 * which the instrument trades. Session open carries a client-chosen number in `id`, which makes opening idempotent. Mass
 * status carries in `quantity` how many orders to tell of at most, and in `id` the slot of the order to go on behind, or 0.
 * A move status carries the same two. Deposit and withdraw carry the asset in `symbol`, the amount in `extra`, and in `id` whatever the client calls it. Kill and
 * reinstate carry the group in `extra`, with {@link Flag.byGroup}.
 */
export const COMMAND_BYTES = 64;
export const COMMAND_WORDS = 16;

/** Kinds of command. Those marked kept are refused with `notSupported` in this version. */
export const Op = {
  new: 1,
  cancel: 2,
  reduce: 3,
  replace: 4,
  massCancel: 5,
  /**
   * One more term of an order that is about to be entered: a new order's record has room for one. It waits under the order's
   * account and id until a new order with {@link Flag.hasTerms} comes for it.
   */
  terms: 6,
  /** Tells of the orders of one side of a book, in the order in which they would trade (FIX AF). */
  massStatus: 7,
  /** Enters an order that rests on another shard, into an instrument that does not trade here. */
  moveIn: 8,
  /** Takes every order off an instrument that does not trade here. */
  moveOut: 9,
  /** Tells all that is known of an instrument, wherever it trades: settings, calendar and orders, as `part` events. */
  moveStatus: 10,
  /** As `terms`, of an order that comes from another shard: also what it had become there ({@link MovedTerm}). */
  moveTerms: 11,
  /** Gives an instrument that does not trade here a {@link Setting} or {@link MovedSetting} that it has on another shard. */
  moveSet: 12,
  instrumentCreate: 16,
  instrumentUpdate: 17,
  /** Stops trading in an instrument. */
  halt: 18,
  /** Makes a halted instrument continuous. */
  resume: 19,
  /** Begins an opening auction. */
  openAuction: 20,
  /** Ends an auction: what can trade does, at one price. */
  uncross: 21,
  /** Says on which shard an instrument trades. */
  instrumentAssign: 22,
  /** Gives one {@link Setting} of an instrument the value in `extra`. */
  instrumentSet: 23,
  sessionOpen: 24,
  sessionClose: 25,
  /** Gives one {@link AccountSetting} of an account the value in `extra`. */
  accountSet: 26,
  /** Does nothing but bring the time: what is due by it happens. */
  tick: 27,
  /** At the time in `extra` the instrument goes to the {@link Phase} in `quantity`. */
  schedule: 28,
  /** Takes the scheduled change of the time in `extra` away, or all of them. */
  unschedule: 29,
  /** The instrument goes to the {@link Phase} in `quantity`. */
  phase: 30,
  /** Adds to what an account has of an asset. */
  deposit: 32,
  withdraw: 33,
  /** Stops an account, a group or all: cancels their orders and refuses new ones, until they are reinstated. */
  kill: 34,
  reinstate: 35,
} as const;
export type OpName = keyof typeof Op;

export const Side = { buy: 0, sell: 1 } as const;
export type SideName = keyof typeof Side;
/** Both sides, in a mass cancel. */
export const SIDE_ANY = 2;

/** FIX 40. */
export const OrderType = { limit: 0, market: 1, stop: 2, stopLimit: 3 } as const;
export type OrderTypeName = keyof typeof OrderType;

/** FIX 59. */
export const TimeInForce = { gtc: 0, ioc: 1, fok: 2, day: 3, gtd: 4, atTheOpen: 5, atTheClose: 6 } as const;
export type TimeInForceName = keyof typeof TimeInForce;

/** What becomes of an order that would trade with another of the same owner (FIX 2964). */
export const SelfTradePrevention = { none: 0, cancelNewest: 1, cancelOldest: 2, cancelBoth: 3, decrement: 4 } as const;
export type SelfTradePreventionName = keyof typeof SelfTradePrevention;

/** What `extra` says of an order; zero: nothing, and `extra` is zero. */
export const Term = {
  none: 0,
  /** Ticks: the last trade price at which a stop order becomes live (FIX 99). */
  stopPrice: 1,
  /** Ticks that a trailing stop's price keeps behind the best last trade price (FIX 211). */
  trail: 2,
  /** Nanoseconds since the Unix epoch, of a gtd order (FIX 126). */
  expires: 3,
  /** Lots that are shown at a time (FIX 1138). */
  display: 4,
  /** Lots that trade on entry, or the order is canceled (FIX 110). */
  minQty: 5,
  /** Client order id of a live order of the account: one cancels the other (FIX 1385 = 1). */
  cancels: 6,
  /** Client order id of a live order of the account: this one is entered when that one has traded in full (FIX 1385 = 2). */
  after: 7,
  /**
   * Of a replace with a quantity, and of nothing else: the open quantity that the order was taken to have. What is missing of it
   * by then has traded since, and comes off the quantity wanted (docs/market-rules.md). 8 and 9 are {@link MovedTerm}.
   */
  open: 10,
} as const;
export type TermName = keyof typeof Term;

/** What an order that rests or waits on another shard has beside its terms. */
export const MovedTerm = {
  /** Lots that it shows now. */
  shown: 8,
  /** 1: it stands in the call book, 2: in the closing book. */
  book: 9,
} as const;
export type MovedTermName = keyof typeof MovedTerm;

/** What can be set of an instrument. A value of 0 takes the setting away. */
export const Setting = {
  none: 0,
  /** Ticks that a price must be a multiple of. */
  tick: 1,
  /** Lots that a quantity must be a multiple of. */
  lot: 2,
  /** {@link SelfTradePrevention} of orders that have none; with 8 added, it regards groups. */
  stp: 3,
  /** 1: a post-only order that would trade gets a price at which it does not, instead of a refusal. */
  postOnlySlide: 4,
  /** Ticks from the best opposite price within which a market order trades. */
  band: 5,
  /** Orders that may wait: stops, and orders that wait for another. Not set: 16,384. */
  stopsMax: 7,
  /** 1: a stop that the last trade price would trigger at once is refused. */
  stopEntry: 8,
  /** 1: what the band leaves of a market order that may stay rests at its last price, as a limit order. */
  bandRests: 9,
  /** Ticks: decides between prices that are equally good for an auction, and is the middle of the volatility range. */
  referencePrice: 10,
  /** Ticks from the reference price within which a continuous instrument trades. */
  volatilityTicks: 11,
  /** Nanoseconds that a volatility auction lasts. */
  volatilityNs: 12,
  /** Nanoseconds between batch auctions. */
  batchNs: 13,
  /** 1: the price band keeps out only buys above it and sells below it. */
  bandOneSided: 19,
  /** The fewest lots of an order. */
  minQuantity: 20,
  /** The most ticks times lots of an order. */
  maxNotional: 21,
  /** Ticks that a price may be away from the reference. */
  priceBand: 22,
  /** The reference, in ticks, if it is not the last trade price. */
  bandReference: 23,
  /** What is bought and sold, if trades are settled. */
  baseAsset: 32,
  /** What it is paid with. */
  quoteAsset: 33,
  /** Units of the base asset in a lot. */
  lotValue: 34,
  /** Units of the quote asset in a tick times a lot. */
  tickValue: 35,
  /** Parts per million of what is paid. */
  makerFee: 36,
  takerFee: 37,
  /** The account that fees go to. */
  feeAccount: 38,
  /** Parts per million of what is paid that the resting order's account gets of the taker's fee. */
  makerRebate: 39,
} as const;
export type SettingName = keyof typeof Setting;

/** What an instrument on another shard has beside its settings. */
export const MovedSetting = {
  phase: 24,
  /** Nanoseconds since the Unix epoch, as in the next. */
  phaseEnds: 25,
  nextBatch: 26,
  /** Orders wait to be taken off: of a day that has ended (1), or all (2). */
  leaving: 27,
  /** Price of the last trade; from here on the instrument is ruled. */
  last: 64,
  /** A change of phase to come: its time; the phase is in the quantity. */
  scheduled: 65,
} as const;
export type MovedSettingName = keyof typeof MovedSetting;

/** What an instrument's orders can do now (FIX 340, 625); docs/rules-sessions.md has which phase follows which. */
export const Phase = {
  continuous: 0,
  preOpen: 1,
  openingAuction: 2,
  volatilityAuction: 3,
  closingAuction: 4,
  halted: 5,
  closed: 6,
  delisted: 7,
} as const;
export type PhaseName = keyof typeof Phase;

/** What can be set of an account. */
export const AccountSetting = {
  none: 0,
  /** {@link Role} bits. */
  roles: 1,
  group: 2,
  /** Live orders at a time. */
  openOrdersMax: 3,
  /** New orders and replaces in a second. */
  rateMax: 4,
  /** Lots of one order. */
  quantityMax: 5,
  /** Ticks times lots of one order. */
  notionalMax: 6,
  /** 1: a new order's id is above all before. */
  increasingIds: 7,
  /** Nanoseconds after which the account's orders are canceled, unless it is set again. */
  cancelAllAfter: 8,
} as const;
export type AccountSettingName = keyof typeof AccountSetting;

/** What a session of an account may do beyond its own orders. An administrator has the other roles, too. */
export const Role = { administrator: 1, marketOperations: 2, risk: 4, clearing: 8 } as const;

export const Flag = {
  /** New: rejected if it would trade on entry (FIX 18 = 6, participate don't initiate). */
  postOnly: 1,
  /** Replace: the price field is meant. */
  hasPrice: 2,
  /** Replace: the quantity field is meant. */
  hasQuantity: 4,
  /** Mass cancel: only this account's orders. Kill, reinstate: this account is meant. */
  byAccount: 8,
  /** Mass cancel: only this instrument's orders. */
  bySymbol: 16,
  /** Instrument update: new orders are refused with `instrumentClosed`; cancels still work. */
  closed: 32,
  /**
   * Instrument create, assign: it trades on another shard, or will trade here once its orders have come. Instrument update:
   * such an instrument is meant.
   */
  elsewhere: 64,
  /** New: terms were sent before it (FIX has them all in one message). */
  hasTerms: 128,
  /** New: nothing of it is shown (FIX 1138 = 0). */
  hidden: 256,
  /** New: it trades whole or not at all (FIX 18 = G). */
  allOrNone: 512,
  /** New: self-trade prevention regards the account's group, not the account alone. Kill, reinstate: a group is meant. */
  byGroup: 1024,
} as const;

const SYMBOL_NAME_BYTES = 16;
/** Of the flags word: self-trade prevention stands in the third byte, what `extra` says in the fourth. */
export const STP_SHIFT = 16;
export const TERM_SHIFT = 24;

/** Word offsets, for code that reads records in place. */
export const COMMAND_WORD = {
  head: 0,
  flags: 1,
  account: 2,
  symbol: 3,
  id: 4,
  price: 6,
  quantity: 8,
  extra: 10,
  session: 12,
  request: 13,
  time: 14,
} as const;

/** A command as an object, for edges that are not hot: parsing, printing, tests. */
export interface Command {
  readonly op: OpName;
  readonly side?: SideName | undefined;
  readonly type?: OrderTypeName | undefined;
  readonly tif?: TimeInForceName | undefined;
  readonly postOnly?: boolean | undefined;
  readonly hidden?: boolean | undefined;
  readonly allOrNone?: boolean | undefined;
  readonly stp?: SelfTradePreventionName | undefined;
  /** Self-trade prevention regards the account's group. Kill, reinstate: the group in `value` is meant. */
  readonly byGroup?: boolean | undefined;
  /** Of a new order, or of terms: what `value` says. */
  readonly term?: TermName | undefined;
  /** New: terms of it were sent before. */
  readonly hasTerms?: boolean | undefined;
  /** Instrument set: what `value` is given to. */
  readonly setting?: SettingName | undefined;
  /** Move terms, move set: what `value` says beyond {@link term} and {@link setting}. */
  readonly movedTerm?: MovedTermName | undefined;
  readonly movedSetting?: MovedSettingName | undefined;
  /** Account set: what `value` is given to. */
  readonly accountSetting?: AccountSettingName | undefined;
  /** Phase, schedule: which phase. */
  readonly phase?: PhaseName | undefined;
  /** Of a term or a setting, an amount, a group, or the time of a scheduled change; a bigint above 2^53. */
  readonly value?: number | bigint | undefined;
  /** Terms by name: of a new order as many as it has, of a replace one. recordsOf() puts them into records. */
  readonly stopPrice?: number | undefined;
  readonly trail?: number | undefined;
  readonly expires?: number | bigint | undefined;
  readonly display?: number | undefined;
  readonly minQty?: number | undefined;
  readonly cancels?: number | bigint | undefined;
  readonly after?: number | bigint | undefined;
  readonly open?: number | undefined;
  /** Instrument update: stop taking new orders. */
  readonly closed?: boolean | undefined;
  /** Undefined in a mass cancel, kill or reinstate means any account. */
  readonly account?: number | undefined;
  /** Instrument id; undefined in a mass cancel means any instrument. Of a deposit or withdrawal: the asset. */
  readonly symbol?: number | undefined;
  /** Client order id; a bigint above 2^53. */
  readonly id?: number | bigint | undefined;
  readonly price?: number | undefined;
  readonly quantity?: number | undefined;
  /** Instrument name, in instrument create. */
  readonly name?: string | undefined;
  /** Instrument create and update: highest price allowed, 0 for none. */
  readonly priceMax?: number | undefined;
  /** Instrument create and assign: the shard on which it trades; undefined means here. */
  readonly shard?: number | undefined;
  /** Instrument update: an instrument that does not trade here is meant. */
  readonly elsewhere?: boolean | undefined;
  readonly session?: number | undefined;
  readonly request?: number | undefined;
  /** Nanoseconds since the Unix epoch. */
  readonly time?: bigint | undefined;
}

/** Names of {@link Term}, in the order of their codes. */
export const TERM_NAMES = ['stopPrice', 'trail', 'expires', 'display', 'minQty', 'cancels', 'after', 'open'] as const;

/**
 * Writes `command` at word `at`. Every word of the record is written. Values are masked, not checked: check first. Throws a
 * RangeError if it has terms by name, which may need more records than one: order-terms.ts.
 */
export function encodeCommand(words: Uint32Array, at: number, command: Command): void {
  for (const term of TERM_NAMES) {
    if (command[term] === undefined) continue;
    throw new RangeError(`${term}: ${command[term]} is a term by name, for which there is no room in one record`);
  }
  words.fill(0, at, at + COMMAND_WORDS);
  const op = Op[command.op];
  const mass = command.op === 'massCancel';
  const kills = command.op === 'kill' || command.op === 'reinstate';
  const side = command.side === undefined ? (mass ? SIDE_ANY : 0) : Side[command.side];
  words[at] = op | (side << 8) | (OrderType[command.type ?? 'limit'] << 16) | (TimeInForce[command.tif ?? 'gtc'] << 24);
  let flags = 0;
  if (command.postOnly === true) flags |= Flag.postOnly;
  if (command.hidden === true) flags |= Flag.hidden;
  if (command.allOrNone === true) flags |= Flag.allOrNone;
  if (command.byGroup === true) flags |= Flag.byGroup;
  if (command.hasTerms === true) flags |= Flag.hasTerms;
  if (command.closed === true) flags |= Flag.closed;
  if (command.shard !== undefined || command.elsewhere === true) flags |= Flag.elsewhere;
  if (command.op === 'replace' && command.price !== undefined) flags |= Flag.hasPrice;
  if (command.op === 'replace' && command.quantity !== undefined) flags |= Flag.hasQuantity;
  if ((mass || (kills && command.byGroup !== true)) && command.account !== undefined) flags |= Flag.byAccount;
  if (mass && command.symbol !== undefined) flags |= Flag.bySymbol;
  words[at + COMMAND_WORD.flags] =
    flags | (SelfTradePrevention[command.stp ?? 'none'] << STP_SHIFT) | (detailOf(command) << TERM_SHIFT);
  words[at + COMMAND_WORD.account] = command.account ?? 0;
  words[at + COMMAND_WORD.symbol] = command.symbol ?? 0;
  if (command.name !== undefined) encodeName(words, at + COMMAND_WORD.id, command.name);
  else {
    writeU64(words, at + COMMAND_WORD.id, BigInt(command.id ?? 0));
    writeWide(words, at + COMMAND_WORD.price, command.price ?? 0);
  }
  const quantity = command.phase === undefined ? command.quantity : Phase[command.phase];
  writeWide(words, at + COMMAND_WORD.quantity, quantity ?? 0);
  const extra = command.value ?? command.shard ?? command.priceMax ?? 0;
  if (typeof extra === 'bigint') writeU64(words, at + COMMAND_WORD.extra, extra);
  else writeWide(words, at + COMMAND_WORD.extra, extra);
  words[at + COMMAND_WORD.session] = command.session ?? 0;
  words[at + COMMAND_WORD.request] = command.request ?? 0;
  writeU64(words, at + COMMAND_WORD.time, command.time ?? 0n);
}

function detailOf({ term, setting, accountSetting, movedTerm, movedSetting }: Command): number {
  if (movedTerm !== undefined) return MovedTerm[movedTerm];
  if (movedSetting !== undefined) return MovedSetting[movedSetting];
  if (setting !== undefined) return Setting[setting];
  return accountSetting === undefined ? Term[term ?? 'none'] : AccountSetting[accountSetting];
}

/** The command at word `at` as an object; codes that have no name are given as `undefined` names by the caller's check. */
export function decodeCommand(words: Uint32Array, at: number): Command {
  const head = words[at] as number;
  const flags = words[at + COMMAND_WORD.flags] as number;
  const op = nameOf(Op, head & 255);
  if (op === undefined) throw new RangeError(`op: ${head & 255} is not a kind of command`);
  const session = words[at + COMMAND_WORD.session] as number;
  const common = {
    op,
    account: words[at + COMMAND_WORD.account] as number,
    time: readU64(words, at + COMMAND_WORD.time),
    ...(session === 0 ? {} : { session, request: words[at + COMMAND_WORD.request] as number }),
  };
  const symbol = words[at + COMMAND_WORD.symbol] as number;
  const id = decodeId(words, at + COMMAND_WORD.id);
  const price = readWide(words, at + COMMAND_WORD.price);
  const quantity = readWide(words, at + COMMAND_WORD.quantity);
  const priceMax = readWide(words, at + COMMAND_WORD.extra);
  const elsewhere = (flags & Flag.elsewhere) !== 0;
  const detail = flags >>> TERM_SHIFT;
  const value = decodeId(words, at + COMMAND_WORD.extra);
  switch (op) {
    case 'terms':
      return { ...common, symbol, id, term: nameOf(Term, detail), value };
    case 'moveTerms':
      return { ...common, symbol, id, term: nameOf(Term, detail), movedTerm: nameOf(MovedTerm, detail), value };
    case 'moveSet':
      return {
        ...common,
        symbol,
        setting: nameOf(Setting, detail),
        movedSetting: nameOf(MovedSetting, detail),
        ...(detail === MovedSetting.scheduled ? { phase: nameOf(Phase, quantity) } : {}),
        value,
      };
    case 'moveStatus':
      return { ...common, symbol, id, quantity };
    case 'instrumentSet':
      return { ...common, symbol, setting: nameOf(Setting, detail), value };
    case 'accountSet':
      return { ...common, symbol, accountSetting: nameOf(AccountSetting, detail), value };
    case 'new':
    case 'moveIn':
      return {
        ...(detail === Term.none ? {} : { term: nameOf(Term, detail), value }),
        ...decodeNewFlags(flags),
        ...common,
        symbol,
        id,
        side: nameOf(Side, (head >>> 8) & 255),
        type: nameOf(OrderType, (head >>> 16) & 255),
        tif: nameOf(TimeInForce, head >>> 24),
        price,
        quantity,
      };
    case 'cancel':
      return { ...common, symbol, id };
    case 'reduce':
      return { ...common, symbol, id, quantity };
    case 'replace':
      return {
        ...common,
        symbol,
        id,
        ...((flags & Flag.hasPrice) === 0 ? {} : { price }),
        ...((flags & Flag.hasQuantity) === 0 ? {} : { quantity }),
        ...(detail === Term.none ? {} : { term: nameOf(Term, detail), value }),
      };
    case 'massCancel':
      return {
        op,
        time: common.time,
        ...(session === 0 ? {} : { session, request: common.request }),
        ...((flags & Flag.byAccount) === 0 ? {} : { account: common.account }),
        ...((flags & Flag.bySymbol) === 0 ? {} : { symbol }),
        side: nameOf(Side, (head >>> 8) & 255),
      };
    case 'deposit':
    case 'withdraw':
      return { ...common, symbol, id, value };
    case 'kill':
    case 'reinstate':
      return {
        op,
        time: common.time,
        ...(session === 0 ? {} : { session, request: common.request }),
        ...((flags & Flag.byGroup) === 0 ? {} : { byGroup: true, value }),
        ...((flags & Flag.byAccount) === 0 ? {} : { account: common.account }),
      };
    case 'instrumentCreate':
      return {
        ...common,
        symbol,
        name: decodeName(words, at + COMMAND_WORD.id),
        quantity,
        ...(elsewhere ? { shard: priceMax } : { priceMax }),
      };
    case 'instrumentUpdate':
      return {
        ...common,
        symbol,
        quantity,
        priceMax,
        closed: (flags & Flag.closed) !== 0,
        ...(elsewhere ? { elsewhere } : {}),
      };
    case 'instrumentAssign':
      return { ...common, symbol, ...(elsewhere ? { shard: priceMax } : {}) };
    case 'massStatus':
      return { ...common, symbol, id, side: nameOf(Side, (head >>> 8) & 255), quantity };
    case 'moveOut':
    case 'halt':
    case 'resume':
    case 'openAuction':
    case 'uncross':
      return { ...common, symbol };
    case 'phase':
      return { ...common, symbol, phase: nameOf(Phase, quantity) };
    case 'schedule':
      return { ...common, symbol, phase: nameOf(Phase, quantity), value };
    case 'unschedule':
      return { ...common, symbol, value };
    default:
      return { ...common, id };
  }
}

function decodeNewFlags(flags: number): Partial<Command> {
  const stp = (flags >>> STP_SHIFT) & 255;
  return {
    postOnly: (flags & Flag.postOnly) !== 0,
    ...((flags & Flag.hidden) === 0 ? {} : { hidden: true }),
    ...((flags & Flag.allOrNone) === 0 ? {} : { allOrNone: true }),
    ...((flags & Flag.byGroup) === 0 ? {} : { byGroup: true }),
    ...((flags & Flag.hasTerms) === 0 ? {} : { hasTerms: true }),
    ...(stp === 0 ? {} : { stp: nameOf(SelfTradePrevention, stp) }),
  };
}

/** The name behind a code, or undefined. */
export function nameOf<T extends Record<string, number>>(codes: T, code: number): (keyof T & string) | undefined {
  for (const name of Object.keys(codes)) if (codes[name] === code) return name as keyof T & string;
  return undefined;
}

/** A client order id: a number when exact, a bigint above 2^53. */
export function decodeId(words: Uint32Array, at: number): number | bigint {
  const high = words[at + 1] as number;
  return high < 0x20_0000 ? readWide(words, at) : readU64(words, at);
}

/** 1 to 16 printable ASCII characters without spaces. */
export function isInstrumentName(name: string): boolean {
  return /^[!-~]{1,16}$/.test(name);
}

/** Writes an instrument name, zero-padded to four words. Throws a RangeError if it is none. */
export function encodeName(words: Uint32Array, at: number, name: string): void {
  if (!isInstrumentName(name)) {
    throw new RangeError(`symbol: "${name}" must be 1 to 16 printable ASCII characters without spaces`);
  }
  for (let word = 0; word < 4; word++) {
    let packed = 0;
    for (let byte = 0; byte < 4; byte++) packed |= (name.charCodeAt(word * 4 + byte) || 0) << (byte * 8);
    words[at + word] = packed;
  }
}

export function decodeName(words: Uint32Array, at: number): string {
  let name = '';
  for (let byte = 0; byte < SYMBOL_NAME_BYTES; byte++) {
    const code = ((words[at + (byte >> 2)] as number) >>> ((byte & 3) * 8)) & 255;
    if (code === 0) break;
    name += String.fromCharCode(code);
  }
  return name;
}
