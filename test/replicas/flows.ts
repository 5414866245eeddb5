import { Flag, Op, TERM_SHIFT, Term } from '../../journal/commands.ts';
import type { VenueEvent } from '../../journal/events.ts';
import type { VenueLimits } from '../../journal/genesis.ts';
import { keepPlain } from './plain-words.ts';
import { Dice, GENESIS_TIMES, mask, putTime, type RawCommand, spoil, writeRaw } from './raw-commands.ts';

/**
 * Endless flows of command records, decided by their kind and seed alone. A flow is told the events of its commands, so
 * that it can name live orders and open sessions; what it writes is never checked, and a part of it is meant to be wrong. Nothing
 * of it is of the rules beyond the plain ones.
 */
export type FlowKind = 'deep' | 'tight' | 'bounds' | 'whales' | 'sessions' | 'garbage' | 'mixed';

interface Profile {
  readonly limits: VenueLimits;
  /** Weights of new, cancel, reduce, replace, mass cancel, instrument commands, open, close, kinds not supported. */
  readonly ops: readonly number[];
  readonly accounts: number;
  readonly ids: number;
  readonly prices: 'walk' | 'pages' | 'bounds' | 'narrow';
  /** Share of the commands that have one field spoiled, that are random words, and that come in a session. */
  readonly spoiled: number;
  readonly garbage: number;
  readonly inSession: number;
  readonly wideIds: boolean;
}

const limitsOf = (orders: number, pages: number, instruments: number, sessions: number, answers: number) => ({
  ordersMax: orders,
  levelPagesMax: pages,
  instrumentsMax: instruments,
  sessionsMax: sessions,
  answersPerSessionMax: answers,
});

const PROFILES: Readonly<Record<FlowKind, Profile>> = {
  deep: {
    limits: limitsOf(1024, 256, 3, 4, 16),
    ops: [600, 120, 40, 130, 0.3, 0.6, 0.2, 0.1, 0.3],
    accounts: 8,
    ids: 4000,
    prices: 'walk',
    spoiled: 0.01,
    garbage: 0,
    inSession: 0.05,
    wideIds: false,
  },
  tight: {
    limits: limitsOf(10, 5, 2, 2, 2),
    ops: [600, 90, 40, 160, 6, 20, 10, 5, 2],
    accounts: 3,
    ids: 12,
    prices: 'pages',
    spoiled: 0.04,
    garbage: 0.005,
    inSession: 0.2,
    wideIds: false,
  },
  bounds: {
    limits: limitsOf(160, 40, 4, 3, 4),
    ops: [620, 60, 60, 160, 1, 8, 2, 1, 1],
    accounts: 4,
    ids: 120,
    prices: 'bounds',
    spoiled: 0.05,
    garbage: 0,
    inSession: 0.05,
    wideIds: true,
  },
  whales: {
    limits: limitsOf(400, 8, 2, 2, 2),
    ops: [600, 60, 60, 120, 0.2, 1, 1, 1, 0.2],
    accounts: 3,
    ids: 2000,
    prices: 'narrow',
    spoiled: 0.01,
    garbage: 0,
    inSession: 0.05,
    wideIds: false,
  },
  sessions: {
    limits: limitsOf(64, 16, 2, 6, 5),
    ops: [500, 80, 40, 120, 8, 10, 60, 6, 5],
    accounts: 5,
    ids: 60,
    prices: 'pages',
    spoiled: 0.03,
    garbage: 0.005,
    inSession: 0.9,
    wideIds: true,
  },
  garbage: {
    limits: limitsOf(40, 10, 4, 3, 3),
    ops: [600, 80, 60, 120, 4, 10, 8, 4, 4],
    accounts: 3,
    ids: 30,
    prices: 'bounds',
    spoiled: 0.2,
    garbage: 0.4,
    inSession: 0.3,
    wideIds: true,
  },
  mixed: {
    limits: limitsOf(200, 36, 5, 4, 8),
    ops: [600, 90, 60, 150, 2, 6, 4, 2, 2],
    accounts: 6,
    ids: 300,
    prices: 'pages',
    spoiled: 0.05,
    garbage: 0.02,
    inSession: 0.3,
    wideIds: true,
  },
};

interface KnownOrder {
  readonly account: number;
  readonly id: bigint;
  readonly symbol: number;
  readonly side: number;
  readonly price: number;
  open: number;
}

interface KnownSession {
  readonly number: number;
  readonly account: number;
  last: number;
  usedAt: bigint;
}

const AMOUNTS = [
  1,
  2,
  127,
  128,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 32 + 1,
  2 ** 40,
  2 ** 47,
  2 ** 48 - 3,
  2 ** 48 - 1,
];
const PAGE_EDGES = [
  1,
  126,
  127,
  128,
  129,
  255,
  256,
  257,
  383,
  384,
  640,
  2 ** 40 - 1,
  2 ** 40,
  2 ** 48 - 129,
  2 ** 48 - 3,
];
const WIDE_IDS = [0n, 0n, 2n ** 32n, 2n ** 53n - 4n, 2n ** 63n, 2n ** 64n - 200n];
const UNKNOWN_OPS = [0, 6, 10, 13, 18, 19, 20, 21, 23, 26, 128, 255];
const NAMES = ['AB', 'ABCDEFGHIJKLMNOP', '!', '~~~~', 'B-PERP'];
const MINUTE_NS = 60_000_000_000n;
const REMEMBERED = 4096;

export class Flow {
  readonly limits: VenueLimits;
  readonly #profile: Profile;
  readonly #dice: Dice;
  readonly #orders: KnownOrder[] = [];
  readonly #places = new Map<string, number>();
  readonly #past: KnownOrder[] = [];
  readonly #sessions: KnownSession[] = [];
  readonly #closedSessions: number[] = [];
  /** Symbols of the instruments there are, and whether each is closed. */
  readonly #instruments = new Map<number, boolean>();
  /** Those that do not trade here. */
  readonly #elsewhere = new Set<number>();
  readonly #middles: number[] = [];
  #sessionUsed = 0;
  #time: bigint;

  constructor(kind: FlowKind, seed: number) {
    this.#profile = PROFILES[kind];
    this.limits = this.#profile.limits;
    this.#dice = new Dice(seed);
    this.#time = GENESIS_TIMES[seed % GENESIS_TIMES.length] ?? 1n;
    for (let symbol = 0; symbol <= this.limits.instrumentsMax; symbol++)
      this.#middles.push(this.#dice.from(500, 20_000));
  }

  /** Writes the next command at word `at`. */
  next(words: Uint32Array, at: number): void {
    const dice = this.#dice;
    this.#time += BigInt(dice.from(0, 8) * dice.from(1, 1000));
    if (dice.chance(this.#profile.garbage)) this.#writeGarbage(words, at);
    else {
      const command = this.#draw();
      this.#sessionUsed = 0;
      const carried = command.op !== Op.sessionOpen || dice.chance(0.02);
      if (carried && dice.chance(this.#profile.inSession)) this.#putInSession(command);
      writeRaw(words, at, command);
      if (dice.chance(this.#profile.spoiled)) spoil(dice, words, at);
    }
    keepPlain(words, at);
    putTime(words, at, this.#time);
  }

  /** Learns from one event of the command last written. */
  observe(event: VenueEvent): void {
    if (event.type === 'session') this.#observeSession(event);
    else if (event.type === 'instrument') {
      this.#instruments.set(event.symbol, (event.flags & 4) !== 0);
      if ((event.flags & 32) !== 0) this.#elsewhere.add(event.symbol);
      else this.#elsewhere.delete(event.symbol);
    } else if (event.reason === 'sessionUnknown') {
      const at = this.#sessions.findIndex((known) => known.number === this.#sessionUsed);
      if (at >= 0) this.#sessions.splice(at, 1);
    } else if (event.type === 'answer') {
      const session = this.#sessions.find((known) => known.number === event.symbol);
      if (session === undefined) return;
      session.last = Math.max(session.last, event.request);
      session.usedAt = this.#time;
    } else if (event.slot > 0) this.#observeOrder(event);
  }

  #observeOrder(event: VenueEvent): void {
    const gone = (event.flags & 8) !== 0;
    const key = `${event.account}/${event.id}`;
    const place = this.#places.get(key);
    const { account, symbol, price, open } = event;
    if (!gone && event.type !== 'accepted' && event.type !== 'replaced') {
      if (place !== undefined) (this.#orders[place] as KnownOrder).open = open;
      return;
    }
    const order = { account, id: BigInt(event.id), symbol, side: event.side === 'buy' ? 0 : 1, price, open };
    if (!gone) {
      if (place === undefined) this.#places.set(key, this.#orders.push(order) - 1);
      else this.#orders[place] = order;
    } else if (place !== undefined) {
      const last = this.#orders.pop();
      this.#places.delete(key);
      if (last !== undefined && place < this.#orders.length) {
        this.#orders[place] = last;
        this.#places.set(`${last.account}/${last.id}`, place);
      }
      if (this.#past.push(order) > REMEMBERED) this.#past.shift();
    }
  }

  #observeSession(event: VenueEvent): void {
    const at = this.#sessions.findIndex((known) => known.number === event.open);
    if ((event.flags & 4) !== 0) {
      if (at >= 0) this.#sessions.splice(at, 1);
      this.#closedSessions.push(event.open);
    } else if (at >= 0) (this.#sessions[at] as KnownSession).usedAt = this.#time;
    else {
      this.#sessions.push({ number: event.open, account: event.account, last: 0, usedAt: this.#time });
      if (this.#sessions.length > this.limits.sessionsMax + 1) {
        const oldest = this.#sessions.reduce((a, b) => (b.usedAt < a.usedAt ? b : a));
        this.#sessions.splice(this.#sessions.indexOf(oldest), 1);
      }
    }
  }

  #draw(): RawCommand {
    const dice = this.#dice;
    const lacking = this.#instruments.size < this.limits.instrumentsMax;
    if (dice.chance(0.1) && (lacking || [...this.#instruments.values()].includes(true))) {
      return this.#drawInstrument();
    }
    if (dice.chance(this.#elsewhere.size > 0 ? 0.25 : 0.002)) return this.#drawMoving();
    if (this.#sessions.length === 0 && dice.chance(0.05)) return this.#drawOpen();
    switch (dice.weighted(this.#profile.ops)) {
      case 0:
        return this.#drawNew();
      case 1:
        return this.#drawNamed(Op.cancel);
      case 2:
        return { ...this.#drawNamed(Op.reduce), quantity: this.#quantity() };
      case 3:
        return this.#drawReplace();
      case 4:
        return this.#drawMassCancel();
      case 5:
        return this.#drawInstrument();
      case 6:
        return this.#drawOpen();
      case 7:
        return { op: Op.sessionClose, account: this.#account() };
      default:
        return { ...this.#drawNew(), op: dice.pick(UNKNOWN_OPS) };
    }
  }

  #drawNew(): RawCommand {
    const dice = this.#dice;
    const side = dice.below(2);
    const symbol = this.#symbol();
    const market = dice.chance(0.06);
    const tif = dice.weighted([78, 14, 8]);
    const postOnly = !market && tif === 0 && dice.chance(0.12);
    const price = market ? 0 : this.#price(symbol, side, dice.chance(0.2));
    const flags = postOnly ? Flag.postOnly : 0;
    const quantity = tif === 2 || market ? this.#quantity() * dice.from(1, 3) : this.#quantity();
    const named = { account: this.#account(), id: this.#id(), symbol };
    return { op: Op.new, side, type: market ? 1 : 0, tif, flags, price, quantity: mask(quantity), ...named };
  }

  /** Mostly a live order, at times one that is gone, of another instrument or never was. */
  #drawNamed(op: number): RawCommand {
    const dice = this.#dice;
    const list = dice.chance(0.06) ? this.#past : this.#orders;
    const order = list.length === 0 ? undefined : dice.pick(list);
    if (order === undefined || dice.chance(0.03)) {
      return { op, account: this.#account(), id: this.#id(), symbol: this.#symbol() };
    }
    return { op, account: order.account, id: order.id, symbol: dice.chance(0.02) ? this.#symbol() : order.symbol };
  }

  #drawReplace(): RawCommand {
    const dice = this.#dice;
    const given = dice.pick([Flag.hasPrice, Flag.hasQuantity, Flag.hasPrice | Flag.hasQuantity]);
    const order = dice.pick(this.#orders.length === 0 ? [undefined] : this.#orders);
    const named = this.#drawNamed(Op.replace);
    if (order === undefined) return { ...named, flags: given, price: 1, quantity: 1 };
    const own = dice.chance(0.9) ? { account: order.account, id: order.id, symbol: order.symbol } : {};
    const price = dice.chance(0.35) ? order.price : this.#price(order.symbol, order.side, dice.chance(0.25));
    const flags = dice.chance(0.01) ? 0 : given;
    const replace = { ...named, ...own, flags, price, quantity: this.#quantity() };
    if ((flags & Flag.hasQuantity) === 0 || dice.chance(0.7)) return replace;
    // As it was some trades ago, or is; rarely less than that.
    const since = dice.chance(0.5) ? 0 : dice.chance(0.2) ? -1 : this.#quantity();
    return { ...replace, flags: flags | (Term.open << TERM_SHIFT), extra: mask(order.open + since) };
  }

  #drawMassCancel(): RawCommand {
    const dice = this.#dice;
    const flags = dice.pick([0, Flag.byAccount, Flag.byAccount, Flag.bySymbol, Flag.byAccount | Flag.bySymbol]);
    return { op: Op.massCancel, side: dice.below(3), flags, account: this.#account(), symbol: this.#symbol() };
  }

  #drawInstrument(): RawCommand {
    const dice = this.#dice;
    const walk = this.#profile.prices === 'walk';
    const symbol = dice.below(this.limits.instrumentsMax + (dice.chance(0.1) ? 2 : 0));
    const priceMax = dice.chance(0.85) ? 0 : walk ? (this.#middles[symbol] ?? 0) + 30 : this.#price(symbol, 1, false);
    const quantityMax = dice.chance(0.85) ? 0 : walk ? 90 : this.#quantity() * 3;
    const limits = { account: 0, symbol, quantity: mask(quantityMax), extra: priceMax };
    if (dice.chance(this.#instruments.has(symbol) ? 0.1 : 0.9)) {
      const flags = dice.chance(0.1) ? Flag.elsewhere : 0;
      return { op: Op.instrumentCreate, ...limits, flags, name: dice.pick(NAMES) };
    }
    const isElsewhere = this.#elsewhere.has(symbol) !== dice.chance(0.1);
    const flags = (dice.chance(0.2) ? Flag.closed : 0) | (isElsewhere ? Flag.elsewhere : 0);
    return { op: Op.instrumentUpdate, ...limits, flags, id: BigInt(dice.word()) };
  }

  /** Mostly about an instrument that does not trade here. */
  #drawMoving(): RawCommand {
    const dice = this.#dice;
    const away = [...this.#elsewhere];
    const symbol = away.length > 0 && dice.chance(0.95) ? dice.pick(away) : this.#symbol();
    const side = dice.below(2);
    const at = { account: 0, symbol, side };
    switch (dice.weighted(away.length === 0 ? [1, 1, 2, 20, 0] : [50, 6, 30, 2, 8])) {
      case 0: {
        const flags = dice.chance(0.2) ? Flag.postOnly : 0;
        const price = this.#price(symbol, side, dice.chance(0.1));
        return {
          ...at,
          op: Op.moveIn,
          account: this.#account(),
          id: this.#id(),
          price,
          quantity: this.#quantity(),
          flags,
        };
      }
      case 1:
        return { ...at, op: Op.moveOut };
      case 2: {
        // The slot of an order, or of none.
        const behind = dice.chance(0.4) ? 0 : dice.from(1, Math.min(this.#orders.length * 2, 40) + 1);
        return { ...at, op: Op.massStatus, id: BigInt(behind), quantity: dice.pick([1, 2, 7, 1024, 1025]) };
      }
      case 3:
        return {
          ...at,
          op: Op.instrumentAssign,
          flags: Flag.elsewhere,
          extra: dice.pick([0, 1, 7, 2 ** 32 - 1, 2 ** 32]),
        };
      default:
        return { ...at, op: Op.instrumentAssign, extra: dice.chance(0.1) ? 1 : 0 };
    }
  }

  #drawOpen(): RawCommand {
    const dice = this.#dice;
    if (this.#sessions.length > 0 && dice.chance(0.5)) {
      const oldest = this.#sessions.reduce((a, b) => (b.usedAt < a.usedAt ? b : a));
      const edge = oldest.usedAt + MINUTE_NS + BigInt(dice.from(-1, 1));
      if (edge > this.#time) this.#time = edge;
    }
    const account = dice.chance(0.4) ? 0 : this.#account();
    return { op: Op.sessionOpen, account, id: BigInt(dice.below(4)) + dice.pick(WIDE_IDS) };
  }

  #putInSession(command: RawCommand): void {
    const dice = this.#dice;
    // One session lives much longer than the others, so that its number meets far later ones in tables.
    const session = this.#sessions[dice.chance(0.4) ? 0 : dice.below(this.#sessions.length)];
    if (session === undefined || dice.chance(0.01)) {
      if (dice.chance(0.9)) return;
      command.session = this.#closedSessions.length > 0 ? dice.pick(this.#closedSessions) : dice.from(1, 9);
      command.request = dice.from(0, 3);
      return;
    }
    const { last } = session;
    command.session = session.number;
    this.#sessionUsed = session.number;
    if (session.account !== 0 && dice.chance(0.95)) {
      command.account = session.account;
      if (command.op === Op.massCancel && dice.chance(0.8)) command.flags = (command.flags ?? 0) | Flag.byAccount;
    }
    const answers = this.limits.answersPerSessionMax;
    const place = dice.weighted([88, 5, 2, 2, 1, 1]);
    if (place === 0) command.request = last + 1;
    else if (place === 1) command.request = Math.max(0, last - dice.below(answers));
    else if (place === 2) command.request = Math.max(0, last - answers + dice.from(-1, 1));
    else if (place === 3) command.request = last + dice.from(2, 4);
    else if (place === 4) command.request = 0;
    else command.request = dice.word();
  }

  #symbol(): number {
    const dice = this.#dice;
    if (dice.chance(0.005)) return dice.pick([this.limits.instrumentsMax, 0xffff_ffff, 0x8000_0000, 65_536]);
    const symbols = [...this.#instruments.keys()];
    return symbols.length > 0 && dice.chance(0.99) ? dice.pick(symbols) : dice.below(this.limits.instrumentsMax);
  }

  #account(): number {
    const account = this.#dice.below(this.#profile.accounts);
    return this.#profile.wideIds && account === 3 ? 0xffff_ffff : account;
  }

  #id(): bigint {
    const dice = this.#dice;
    if (this.#orders.length > 0 && dice.chance(0.01)) return dice.pick(this.#orders).id;
    const low = BigInt(dice.below(this.#profile.ids));
    return this.#profile.wideIds ? low + dice.pick(WIDE_IDS) : low;
  }

  #price(symbol: number, side: number, crossing: boolean): number {
    const dice = this.#dice;
    const upward = (side === 1) !== crossing;
    switch (this.#profile.prices) {
      case 'walk': {
        const middle = Math.max(100, (this.#middles[symbol] ?? 1000) + dice.from(-1, 1));
        this.#middles[symbol] = middle;
        const away = 1 + Math.floor(dice.unit() * dice.unit() * (dice.chance(0.02) ? 4000 : 40));
        return Math.max(1, middle + (upward ? away : -away));
      }
      case 'narrow':
        return upward ? dice.from(1000, 1002) : dice.from(997, 999);
      case 'pages': {
        const place = upward ? dice.below(8) + PAGE_EDGES.length - 8 : dice.below(8);
        return PAGE_EDGES[place] ?? 1;
      }
      default: {
        const edge = AMOUNTS[upward ? dice.from(5, 10) : dice.from(0, 6)] ?? 1;
        return Math.min(2 ** 48 - 3, Math.max(1, edge + dice.from(-2, 2)));
      }
    }
  }

  #quantity(): number {
    const dice = this.#dice;
    if (this.#profile.prices === 'bounds' && dice.chance(0.7)) {
      return Math.min(2 ** 48 - 1, Math.max(1, dice.pick(AMOUNTS) + dice.from(-2, 2)));
    }
    if (this.#profile.prices === 'narrow' && dice.chance(0.9)) return 2 ** 48 - 1 - dice.below(1000);
    return dice.from(1, dice.chance(0.5) ? 4 : 100);
  }

  #writeGarbage(words: Uint32Array, at: number): void {
    const dice = this.#dice;
    for (let word = 0; word < 14; word++) words[at + word] = dice.chance(0.3) ? 0 : dice.word();
    const op = dice.pick([dice.below(256), 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 22, 24, 25]);
    words[at] = (((words[at] as number) & ~255) | op) & (dice.chance(0.6) ? 0x0101_01ff : -1);
    if (dice.chance(0.7)) words[at + 1] = dice.below(64);
    words[at + 2] = dice.chance(0.5) ? this.#account() : (words[at + 2] as number);
    words[at + 3] = dice.chance(0.8) ? this.#symbol() : (words[at + 3] as number);
    for (const field of [7, 9]) if (dice.chance(0.7)) words[at + field] = dice.below(65_536);
    if (dice.chance(0.7)) words.fill(0, at + 10, at + 12);
    if (dice.chance(0.8)) words.fill(0, at + 12, at + 14);
  }
}
