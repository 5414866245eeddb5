import { COMMAND_WORD, COMMAND_WORDS, type Command, encodeCommand, type TimeInForceName } from '../journal/commands.ts';
import { EventBuffer } from './event-buffer.ts';
import { createMatcher } from './matcher.ts';

/**
 * Runs the state transition on a market of its own, over every kind of command, until it is compiled for speed: the first
 * orders of a venue would otherwise take ten times as long. It knows nothing of the venue's state and leaves nothing but
 * compiled code, which all threads of the process share.
 */

const LIMITS = { ordersMax: 4096, levelPagesMax: 64, instrumentsMax: 3, sessionsMax: 2, answersPerSessionMax: 64 };
/** Rounds of {@link ROUND}: some 160,000 commands. */
const ROUNDS = 2_000;
const EVENT_SLOTS = 4096;
const MIDDLE = 10_000;

/** One instrument follows the plain rules only, the other all. */
const CREATION: readonly Command[] = [
  { op: 'instrumentCreate', symbol: 0, name: 'WARM' },
  { op: 'instrumentCreate', symbol: 1, name: 'RULED' },
  { op: 'instrumentSet', symbol: 1, setting: 'tick', value: 1 },
];

/** Returns how many commands it took. */
export function warmUp(): number {
  const events = new EventBuffer(EVENT_SLOTS);
  const matcher = createMatcher(LIMITS, events);
  const words = new Uint32Array(COMMAND_WORDS * ROUND.length);
  for (const [index, command] of ROUND.entries()) encodeCommand(words, index * COMMAND_WORDS, command);
  for (const command of CREATION) {
    encodeCommand(words, 0, command);
    matcher.apply(words, 0);
  }
  encodeCommand(words, 0, ROUND[0] as Command);
  let request = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (let at = 0; at < words.length; at += COMMAND_WORDS) {
      if (words[at + COMMAND_WORD.session] !== 0) words[at + COMMAND_WORD.request] = ++request;
    }
    matcher.applyMany(words, 0, ROUND.length);
    matcher.apply(words, 0);
    events.clear();
  }
  return ROUNDS * (ROUND.length + 1) + CREATION.length;
}

/** An order at some distance from the middle of the market, on one of a few pages of prices. */
function order(
  id: number,
  side: 'buy' | 'sell',
  away: number,
  quantity: number,
  tif: TimeInForceName = 'gtc',
): Command {
  const price = side === 'buy' ? MIDDLE - away : MIDDLE + away;
  return { op: 'new', account: 1 + (id % 3), symbol: 0, id, side, price, quantity, tif };
}

function named(op: 'cancel' | 'reduce' | 'replace', id: number, rest: Partial<Command> = {}): Command {
  return { op, account: 1 + (id % 3), symbol: 0, id, ...rest };
}

const RESTING = [1, 3, 7, 150, 400].flatMap((away, index) => [
  order(10 + index * 4, 'buy', away, 10),
  order(11 + index * 4, 'buy', away, 20),
  order(12 + index * 4, 'sell', away, 10),
  order(13 + index * 4, 'sell', away, 20),
]);

/** Orders of every kind, and what is done with them. */
const TRADING: readonly Command[] = [
  ...RESTING,
  order(12, 'sell', 5, 1),
  order(40, 'buy', -3, 45),
  order(41, 'sell', -3, 5, 'ioc'),
  order(42, 'buy', -7, 5, 'fok'),
  order(43, 'buy', -1, 5_000, 'fok'),
  { op: 'new', account: 1, symbol: 0, id: 44, side: 'sell', type: 'market', tif: 'ioc', quantity: 15 },
  { op: 'new', account: 1, symbol: 0, id: 45, side: 'sell', price: MIDDLE + 2, quantity: 5, postOnly: true },
  { op: 'new', account: 1, symbol: 0, id: 46, side: 'buy', price: MIDDLE + 200, quantity: 5, postOnly: true },
  { op: 'new', account: 1, symbol: 2, id: 47, side: 'buy', price: MIDDLE, quantity: 5 },
  named('reduce', 26, { quantity: 5 }),
  named('replace', 27, { quantity: 4 }),
  named('replace', 26, { price: MIDDLE - 300 }),
  named('replace', 28, { price: MIDDLE + 9, quantity: 3 }),
  named('cancel', 29),
  named('cancel', 29),
];

/** What only a ruled instrument has. */
const RULED: readonly Command[] = [
  { ...order(60, 'sell', 0, 20), term: 'display', value: 5 },
  { ...order(61, 'sell', 0, 20), hidden: true },
  { ...order(62, 'sell', 0, 30), allOrNone: true },
  { ...order(63, 'buy', 0, 12), stp: 'cancelOldest' },
  { ...order(64, 'buy', 0, 60, 'ioc'), term: 'minQty', value: 10 },
];

const ofRuled = (command: Command): Command => (command.symbol === 0 ? { ...command, symbol: 1 } : command);

/** One of everything; it ends with empty books. */
const ROUND: readonly Command[] = [
  { op: 'sessionOpen', account: 0, id: 1 },
  ...TRADING,
  { ...order(50, 'sell', 2, 5), account: 0, session: 1, request: 1 },
  { op: 'cancel', account: 0, symbol: 0, id: 50, session: 1, request: 2 },
  { op: 'massCancel' },
  ...[...TRADING, ...RULED].map(ofRuled),
  { op: 'massCancel', account: 1 },
  { op: 'massCancel' },
];
