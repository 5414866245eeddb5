/** An amount of 48 bits as limbs of 16, low first. */
export type Limbs<T> = readonly [T, T, T];
/** Limbs are below this. */
export const LIMB = 65_536;
export const LIMB_MAX = LIMB - 1;

/**
 * An order's account and client order id as four elements: id bits 0-27, id bits 28-55, id bits 56-63 with account bits
 * 0-15 above them, account bits 16-31. A key whose last element is {@link LIST_HEAD} is the head of a ladder's list, whose
 * number is the first element.
 */
export type Key<T> = readonly [T, T, T, T];

/** Of any element. */
const ELEMENT_BITS = 31;
/** Of small numbers. */
const FEW_BITS = 4;
/** Above every account's upper half. */
export const LIST_HEAD = 65_536;
/** Of a key's third element, what is the account's. */
export const ID_IN_KEY_2 = 256;

export const PLAIN_KINDS = ['new', 'cancel', 'reduce', 'replace', 'mass cancel', 'aside'] as const;
/**
 * Orders that wait for a stop price, the work on those that the command's trades triggered, which follows the command's own, and
 * replaces that name a stop price.
 */
const STOP_KINDS = ['stop', 'stop limit', 'triggered', 'replace stop', 'replace stop limit'] as const;
export const KINDS = [...PLAIN_KINDS, ...STOP_KINDS] as const;
export type Kind = (typeof KINDS)[number];

/**
 * Which rules a circuit has: the plain ones, self-trade prevention besides, or stops besides. Each circuit has all that the one
 * before it has. All commit to books in the same columns, so that spans of any chain with spans of the others.
 */
export const RULES = ['plain', 'ruled', 'stops'] as const;
export type Rules = (typeof RULES)[number];

/** What one row does. */
export const PLAIN_STEPS = [
  'fill',
  'rest',
  'expire',
  'peek',
  'fail',
  'would trade',
  'refuse',
  'remove',
  'shrink',
  'keep',
  'leave',
  'pass',
] as const;
/** Of self-trade prevention: the incoming order meets one of its own account. */
export const OWN_STEPS = ['newest ends', 'oldest ends', 'both end', 'decrement', 'skip own', 'fail at own'] as const;
/**
 * Of stops: they wait, leave or get smaller, are triggered by trades, until none is due any more, are replaced in their place, and are
 * or are not due as they come.
 */
const STOP_STEPS = ['wait', 'withdraw', 'lessen', 'trigger', 'quiet', 'alter', 'undue', 'due'] as const;
export const STEPS = [...PLAIN_STEPS, ...OWN_STEPS, ...STOP_STEPS] as const;
export type Step = (typeof STEPS)[number];

/** Of self-trade prevention, from 1: `SelfTradePrevention` of journal/commands.ts. */
export const PREVENTIONS = ['cancel newest', 'cancel oldest', 'cancel both', 'decrement both'] as const;
/** What a cell has of an order beside amounts: 1 if it is post-only, and this times its self-trade prevention. */
export const STP_IN_TERMS = 2;

/** The ladder of a stop that waits: this more than that of an order of its instrument and side. */
export const STOP_LADDER = 5 * 2 ** 27;
/** The same of a stop's second cell. */
export const SECOND_LADDER = 5 * 2 ** 28;
/** A stop's second cell is at its key, with so much more in the last element: above every order's key, every head and every filler. */
export const SECOND_KEY = 2 ** 22;

/** A cell of the books' memory, but for its address and time. */
export interface Cell<T> {
  /** 0: no such order. Else 1 + 2 * symbol + side. */
  readonly ladder: T;
  /** 1: post-only. In the ruled circuit, with {@link STP_IN_TERMS} times its self-trade prevention. */
  readonly terms: T;
  /** Price as its ladder orders it, best first: asks the price, bids 2^48 - 1 less the price. */
  readonly key: Limbs<T>;
  readonly open: Limbs<T>;
  readonly next: Key<T>;
  readonly nextKey: Limbs<T>;
}

/** A book's orders in one column each: the ladders by number, each its head and then its orders, best first. */
export interface BookTable<T> {
  readonly name: string;
  readonly address: Key<T>;
  readonly ladder: T;
  /** As of a {@link Cell}. */
  readonly terms: T;
  readonly key: Limbs<T>;
  readonly open: Limbs<T>;
  readonly used: T;
  readonly isOrder: T;
}

/** Who wants to know the columns: the circuit makes expressions of them, the witness arrays. */
export interface ColumnDeclarer<T> {
  /** Of the circuit. */
  readonly rules: Rules;
  group(name: string): void;
  /** What stands for a column that the circuit does not have: zero on every row. */
  absent(): T;
  /** `since`: the first circuit that has it. `bits` of what an honest prover writes: a few, 16, or those of any element. */
  column(name: string, meaning: string, bits: number, since: Rules): T;
}

export type MarketColumns<T> = ReturnType<typeof marketColumns<T>>;

/** All columns, in the order of their commitments: the tape, the book before and after, and what only the prover needs. */
export function marketColumns<T>(declarer: ColumnDeclarer<T>) {
  const isRuled = declarer.rules !== 'plain';
  const hasStops = declarer.rules === 'stops';
  const one = (name: string, meaning: string): T => declarer.column(name, meaning, ELEMENT_BITS, 'plain');
  const word = (name: string, meaning: string): T => declarer.column(name, meaning, 16, 'plain');
  const bit = (name: string, meaning: string): T => declarer.column(name, meaning, 1, 'plain');
  const few = (name: string, meaning: string): T => declarer.column(name, meaning, FEW_BITS, 'plain');
  const ruled = (name: string, meaning: string, bits = 1): T =>
    isRuled ? declarer.column(name, meaning, bits, 'ruled') : declarer.absent();
  const stops = (name: string, meaning: string, bits = 1): T =>
    hasStops ? declarer.column(name, meaning, bits, 'stops') : declarer.absent();
  const terms = (name: string, plainMeaning: string): T =>
    isRuled
      ? few(`${name} terms`, '1 if it is post-only, and twice its self-trade prevention')
      : bit(`${name} post only`, plainMeaning);
  const limbs = (name: string, meaning: string): Limbs<T> => [
    word(`${name} 0`, `${meaning}`),
    word(`${name} 1`, `its bits 16 to 31`),
    word(`${name} 2`, `its bits 32 to 47`),
  ];
  const key = (name: string, meaning: string): Key<T> => [
    one(`${name} 0`, `${meaning}: id, 28 bits`),
    one(`${name} 1`, 'id, the next 28 bits'),
    one(`${name} 2`, 'id, the last 8 bits, and 256 times the lower 16 bits of the account'),
    one(`${name} 3`, 'account, the upper 16 bits; of the head of a ladder 65536'),
  ];
  const bitsOf = <N extends string>(names: readonly N[], declare: (name: N) => T): Record<N, T> =>
    Object.fromEntries(names.map((name) => [name, declare(name)])) as Record<N, T>;
  const bits = <N extends string>(names: readonly N[], meaning: (name: N) => string): Record<N, T> =>
    bitsOf(names, (name) => bit(name, meaning(name)));

  declarer.group('tape');
  const command = {
    number: one('command', 'place of the command in the span, from 0; on rows after the last, their count'),
    kind: {
      ...bits(PLAIN_KINDS, (kind) => KIND_MEANINGS[kind]),
      ...bitsOf(STOP_KINDS, (kind) => stops(kind, KIND_MEANINGS[kind])),
    },
    market: bit('market', 'a market order'),
    rests: bit('rests', 'what is left of the order rests: limit good till cancel, and every replace'),
    fillOrKill: bit('fill or kill', 'the order trades in full or not at all'),
    postOnly: bit('post only', 'the new order must not trade on entry'),
    hasPrice: bit('has price', 'the replace names a price'),
    hasQuantity: bit('has quantity', 'the replace names a quantity'),
    late: bit('late', 'the replace is refused if its order is live, by the rules of its instrument'),
    oneSide: bit('one side', 'the mass cancel is for one side'),
    byAccount: bit('by account', 'the mass cancel is for one account'),
    bySymbol: bit('by symbol', 'the mass cancel is for one instrument'),
    symbol: one('symbol', 'instrument that the command names'),
    side: bit('side', 'side that the command names: 0 buy, 1 sell'),
    key: key('key', 'account and client order id of the command'),
    price: limbs('price', 'price that the command names'),
    quantity: limbs('quantity', 'quantity that the command names'),
    reason: word('reason', 'why the command is refused, if record and instrument alone say so'),
    prevention: ruled('prevention', "the new order's self-trade prevention; 0 for none of its own", FEW_BITS),
    usualPrevention: ruled('usual prevention', "the instrument's, for orders that have none of their own", FEW_BITS),
    lowAccount: ruled('low account', "lower 16 bits of the command's account", 16),
    stopPrice: limbsOf((limb) => stops(`stop price ${limb}`, STOP_PRICE_MEANINGS[limb] as string, 16)),
  };
  const step = {
    ...bits(PLAIN_STEPS, (name) => STEP_MEANINGS[name]),
    ...bitsOf(OWN_STEPS, (name) => ruled(name, STEP_MEANINGS[name])),
    ...bitsOf(STOP_STEPS, (name) => stops(name, STEP_MEANINGS[name])),
  };
  const report = {
    symbol: one('report symbol', 'instrument of the order'),
    side: bit('report side', 'side of the order: 0 buy, 1 sell'),
    reason: word('report reason', 'why it was refused'),
    order: key('order', 'the order that the row is about'),
    maker: key('maker', 'of a fill, the resting order'),
    price: limbs('report price', "of a fill the maker's price, else the order's"),
    quantity: limbs('report quantity', 'traded, taken off, or open after a replace'),
    open: limbs('report open', 'open after the step: of a fill the maker, else the order'),
    stopSide: stops('stop side', 'side of the stop that is triggered, or comes: 0 buy, 1 sell'),
  };

  const table = (name: string): BookTable<T> => {
    declarer.group(name);
    return {
      name,
      address: key(`${name} address`, `book ${name}: the order, or its ladder's head`),
      ladder: one(`${name} ladder`, '1 + 2 * symbol + side'),
      terms: terms(name, 'the order is post-only'),
      key: limbs(`${name} price key`, 'its price as its ladder orders it; of a head 2^48 - 1'),
      open: limbs(`${name} open`, 'open quantity; of a head 0'),
      used: bit(`${name} used`, 'the row holds an order or a head'),
      isOrder: bit(`${name} is order`, 'the row holds an order'),
    };
  };
  const before = table('before');
  const after = table('after');

  declarer.group('rows');
  const cell = (name: string, what: string): Cell<T> => ({
    ladder: one(`${name} ladder`, `${what}: 0 if there is none, else 1 + 2 * symbol + side`),
    terms: terms(name, 'whether it is post-only'),
    key: limbs(`${name} price key`, 'its price as its ladder orders it'),
    open: limbs(`${name} open`, 'its open quantity'),
    next: key(`${name} next`, "the order behind it, or the next ladder's head"),
    nextKey: limbs(`${name} next price key`, 'the price key there; behind the last order 2^48 - 1'),
  });
  return {
    command,
    step,
    report,
    before,
    after,
    clock: one('clock', 'number of the row, from 0'),
    first: bit('first', 'the command begins on this row'),
    last: bit('last', 'the command ends on this row'),
    postOnly: bit('order post only', 'whether the order at work is post-only'),
    limit: limbs('limit', 'worst price key of the other side at which the order trades'),
    left: limbs('left', 'quantity of the order when the row begins'),
    best: limbs('best', "price key of the other side's next order"),
    crosses: bit('crosses', 'whether best is at the limit or better'),
    crossGap: limbs('cross gap', 'how far best is from the limit'),
    crossBorrow: [
      bit('cross borrow 0', 'borrowed from the next limb'),
      bit('cross borrow 1', 'borrowed from the next limb'),
    ] as const,
    covers: bit('covers', 'whether what is left is at least the quantity that it is compared with'),
    gap: limbs('gap', 'the difference of what the row compares'),
    gapBorrow: [
      bit('gap borrow 0', 'borrowed from the next limb'),
      bit('gap borrow 1', 'borrowed from the next limb'),
    ] as const,
    gapIsZero: bit('gap is zero', 'borrowed from the next limb'),
    gapInverse: one('gap inverse', "inverse of the sum of the gap's limbs"),
    behindGap: limbs('behind gap', 'how far the order behind is from the price key that rests, less one'),
    behindBorrow: [
      bit('behind borrow 0', 'borrowed from the next limb'),
      bit('behind borrow 1', 'borrowed from the next limb'),
    ] as const,
    prevention: ruled(
      'order prevention',
      'self-trade prevention of the order at work; 0 for none of its own',
      FEW_BITS,
    ),
    prevents: bitsOf(PREVENTIONS, (name) => ruled(name, `self-trade prevention that applies to it: ${name}`)),
    sameAccount: ruled('same account', "the order that it meets is its own account's"),
    atHead: bit('at head', "the order rests directly behind its ladder's head"),
    samePrice: bit('same price', 'the replace leaves the price as it is'),
    priceWitness: limbsOf((limb) => one(`price witness ${limb}`, 'shows that the prices differ')),
    amends: bit('amends', 'a quantity is compared with that of the order named: a reduce, the first row of a replace'),
    inLadder: one('in ladder', 'zero if the order found is of the instrument named'),
    inStops: stops('in stops', 'zero if the order found waits in the instrument named', ELEMENT_BITS),
    isFree: bit('is free', 'of a new order: its key is free; of others: its order is found'),
    freeInverse: one('free inverse', 'shows that it is not'),
    line: {
      start: stops('line start', 'stops that were entered on rows before, of the span', ELEMENT_BITS),
      end: stops('line end', 'stops that were triggered on rows before, of the span', ELEMENT_BITS),
    },
    exhausts: bit('exhausts', 'the fill leaves nothing of the maker'),
    priceCheck: one('price check', 'zero if the price named is 0, 2^48 - 2 or 2^48 - 1'),
    priceInverse: one('price inverse', 'shows that it is none of these'),
    quantityInverse: one('quantity inverse', 'shows that the quantity named is not 0'),
    head: {
      next: key('head next', 'best order of the other side'),
      nextKey: limbs('head next price key', 'its price key'),
      time: one('head time', 'when the head was last seen'),
    },
    other: {
      address: key('other', 'the maker, or the order that the step puts or takes one behind'),
      cell: cell('other', 'the cell there'),
      time: one('other time', 'when it was last seen'),
    },
    own: {
      cell: cell('own', 'the cell of the order at work'),
      time: one('own time', 'when it was last seen'),
    },
    ages: ['head', 'other', 'own'].map(
      (port) =>
        [word(`${port} age 0`, 'time since it was last seen'), word(`${port} age 1`, 'its bits from 14 on')] as const,
    ),
    afterTime: one('after time', 'when the row of book after was last seen'),
    directory: {
      key: key('listed', 'every order of the span and of book before once, in order'),
      /** The most significant element first. */
      differs: [3, 2, 1, 0].map((element) =>
        bit(`listed differs ${element}`, 'the first element that the next row has larger'),
      ),
      growth: [
        word('listed growth 0', 'how much larger, less one'),
        word('listed growth 1', 'its bits from 12 on'),
      ] as const,
      value: [word('listed value 0', 'the larger element'), word('listed value 1', 'its bits from 12 on')] as const,
      gone: bit('gone', 'there is no such order at the end'),
      goneTime: one('gone time', 'since when'),
      /** Of the head of a ladder where no stop waits any more: what it knew of the last trade. */
      goneKnown: stops('gone known', 'what it was still said to know: whether it is the price of the last trade'),
      gonePrice: limbsOf((limb) => stops(`gone price ${limb}`, GONE_PRICE_MEANINGS[limb] as string, 16)),
    },
    range: {
      value: word('range', 'every number below 65536, in order'),
      times: one('range times', 'how often it is used'),
    },
  };
}

function limbsOf<T>(limb: (limb: number) => T): Limbs<T> {
  return [limb(0), limb(1), limb(2)];
}

const STOP_PRICE_MEANINGS = ['stop price of an order that waits', 'its bits 16 to 31', 'its bits 32 to 47'];

const GONE_PRICE_MEANINGS = ['that price', 'its bits 16 to 31', 'its bits 32 to 47'];

const KIND_MEANINGS: Readonly<Record<Kind, string>> = {
  new: 'a new order',
  cancel: 'a cancel',
  reduce: 'a reduce',
  replace: 'a replace',
  'mass cancel': 'a mass cancel',
  stop: 'a new order that waits for its stop price, and then is a market order',
  'stop limit': 'a new order that waits for its stop price, and then is a limit order',
  triggered: 'work on an order that the command has triggered: key, side, price and the like are those of that order',
  'replace stop': 'a replace of an order that waits, which names a stop price and no limit',
  'replace stop limit': 'a replace of an order that waits, which names a stop price and a limit',
  aside: 'a command that changes no book: refused by its record, its instrument or its session, or none of the books',
};

const STEP_MEANINGS: Readonly<Record<Step, string>> = {
  fill: 'trades with the best order of the other side',
  rest: 'what is left rests',
  expire: 'what is left is canceled: immediate or cancel, market',
  peek: 'a fill or kill counts an order that would not be enough',
  fail: 'a fill or kill is canceled',
  'would trade': 'a post-only order is refused because it would trade',
  refuse: 'refused: the key is taken, the order is unknown, or the instrument forbids it',
  remove: 'the order is taken off the book',
  shrink: 'a reduce leaves some of the order',
  keep: 'a replace keeps its place in the queue',
  leave: 'a replace leaves its place in the queue',
  pass: 'nothing: the command is set aside, or a mass cancel has ended',
  'newest ends': 'meets an order of its account, and what is left of it is canceled',
  'oldest ends': 'meets an order of its account, which is canceled',
  'both end': 'meets an order of its account, and both are canceled',
  decrement: 'meets an order of its account, and the smaller quantity is taken off both',
  'skip own': 'a fill or kill passes by an order of its account, which it would cancel',
  'fail at own': 'a fill or kill is canceled, for it would meet an order of its account first',
  wait: 'the order waits for its stop price',
  withdraw: 'the order, which waits, leaves, or leaves its place',
  lessen: 'a reduce leaves some of the order, which waits',
  trigger: 'the trade triggers a stop, which joins the line of those that will be entered',
  quiet: 'the trade triggers no other stop',
  alter: 'a replace leaves the order, which waits, in its place',
  undue: 'the order is not due by the last trade, whose price is reported: it will wait',
  due: 'the order is due by the last trade, whose price is reported, and joins the line of those that will be entered; or is refused',
};
