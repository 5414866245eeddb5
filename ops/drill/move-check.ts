import { setImmediate as nextTurn } from 'node:timers/promises';
import { BLOCK_HEADER_WORDS } from '../../journal/block.ts';
import { COMMAND_WORD, COMMAND_WORDS, encodeCommand, Flag, Op } from '../../journal/commands.ts';
import { decodeEvent, EventFlag, type VenueEvent } from '../../journal/events.ts';
import { JournalReader } from '../../journal/reader.ts';
import { Reason, reasonName } from '../../journal/reasons.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../replicas/matcher.ts';
import { listOrders } from '../../replicas/order-table.ts';
import type { ToldCommand } from './routed-trader.ts';

/** A command of a shard's journal, and what of its events is looked at: there may be a million. */
interface Played {
  readonly shard: number;
  readonly sequence: number;
  /** Of the sequencer, nanoseconds. */
  readonly time: bigint;
  readonly words: Uint32Array;
  readonly last: VenueEvent | undefined;
  /** Each as maker, taker, quantity and price. */
  readonly trades: readonly string[];
  /** What changed an instrument. */
  readonly instrument: VenueEvent | undefined;
}

/** What a client of several shards knows. */
export interface Told {
  readonly account: number;
  readonly told: readonly ToldCommand[];
}

export interface MoveCheck {
  /** What is wrong, in words; empty if nothing is. */
  readonly findings: readonly string[];
  /** Commands of clients that were compared, and trades of the instrument. */
  readonly commands: number;
  readonly trades: number;
  /** Orders of the instrument that rest at the end. */
  readonly resting: number;
}

const FINDINGS_MAX = 20;
/** Clients of a drill are at work while their journals are read. */
const COMMANDS_PER_TURN = 256;

/**
 * Compares what clients were told with the journals of all shards, by index of their folder, and the instrument's trades and
 * queues with those of a market on which the same commands were carried out in the same order and nothing was moved. The
 * journals must be of one host: which shard an instrument was on first is told by the times in them.
 */
export async function checkMoves(
  directories: readonly string[],
  symbol: number,
  clients: readonly Told[],
): Promise<MoveCheck> {
  const findings: string[] = [];
  const find = (text: string): void => {
    if (findings.length < FINDINGS_MAX) findings.push(text);
  };
  const journals = await Promise.all(directories.map((directory, shard) => playJournal(directory, shard)));
  let commands = 0;
  for (const client of clients) commands += compareTold(journals, client, find);

  const turns = turnsOf(journals, symbol);
  const turnOf = new Map(turns.map(({ shard, sequence }, turn) => [`${shard} ${sequence}`, turn]));
  for (const { account, told } of clients) {
    const own = told.filter(({ words, answer }) => words[COMMAND_WORD.symbol] === symbol && answer.shard !== undefined);
    let before = 0;
    for (const { place, answer } of own.toSorted((a, b) => a.place - b.place)) {
      const turn = turnOf.get(`${answer.shard} ${answer.sequence}`) ?? -1;
      if (turn < before)
        find(`reordered: command ${place} of account ${account} was carried out before an earlier one`);
      before = turn;
    }
  }

  const unmoved = createMatcher(JournalReader.open(directories[0] as string).genesis.limits, EVENTS);
  applyAlone(unmoved, createCommand(symbol));
  const expected: string[] = [];
  for (const [turn, { words }] of turns.entries()) {
    expected.push(...tradesOf(applyAlone(unmoved, words)));
    if (turn % COMMANDS_PER_TURN === 0) await nextTurn();
  }
  const traded = turns.flatMap(({ trades }) => trades);
  const other = traded.findIndex((trade, place) => trade !== expected[place]);
  if (other >= 0 || traded.length !== expected.length)
    find(`trade ${other}: ${traded[other]}, and ${expected[other]} on a market on which nothing was moved`);
  const queues = journals.map(({ matcher }) => queueOf(matcher, symbol));
  const holding = queues.filter((queue) => queue.length > 0);
  if (holding.length > 1) find(`${holding.length} shards hold orders of the instrument`);
  const [queue = []] = holding;
  const wanted = queueOf(unmoved, symbol);
  const place = wanted.findIndex((order, index) => order !== queue[index]);
  if (place >= 0 || wanted.length !== queue.length)
    find(`order ${place} in the queue is ${queue[place]}, and ${wanted[place]} where nothing was moved`);
  return { findings, commands, trades: traded.length, resting: queue.length };
}

/** The orders of an instrument, as text: bids and then asks, the next to trade first. */
export function queueOf(matcher: Matcher, symbol: number): string[] {
  const worse = (order: { side: string; price: number }): number => (order.side === 'buy' ? -order.price : order.price);
  return listOrders(matcher.state.orders)
    .filter((order) => order.symbol === symbol)
    .sort((a, b) => a.side.localeCompare(b.side) || worse(a) - worse(b) || a.sequence - b.sequence)
    .map(({ side, account, id, price, open, postOnly }) => `${side} ${account}/${id} ${open}@${price} ${postOnly}`);
}

/** Plays a journal from its begin, and lets others have their turn. */
export async function playJournal(directory: string, shard = 0): Promise<{ played: Played[]; matcher: Matcher }> {
  const reader = JournalReader.open(directory);
  const matcher = createMatcher(reader.genesis.limits, EVENTS);
  const played: Played[] = [];
  for (const block of reader.blocksFromSequence(1)) {
    for (let index = 0; index < block.count; index++) {
      const at = BLOCK_HEADER_WORDS + index * COMMAND_WORDS;
      const words = block.words.slice(at, at + COMMAND_WORDS);
      const [low, high] = [words[COMMAND_WORD.time] as number, words[COMMAND_WORD.time + 1] as number];
      const time = (BigInt(high) << 32n) | BigInt(low);
      const events = apply(matcher, words);
      const [last, instrument] = [events.at(-1), events.find(({ type }) => type === 'instrument')];
      const sequence = block.firstSequence + index;
      played.push({ shard, sequence, time, words, last, trades: tradesOf(events), instrument });
      if (played.length % COMMANDS_PER_TURN === 0) await nextTurn();
    }
  }
  return { played, matcher };
}

/** Of every matcher here: each takes out what it has put in. */
const EVENTS = new EventBuffer(1 << 12);

function apply(matcher: Matcher, words: Uint32Array): VenueEvent[] {
  const told: VenueEvent[] = [];
  matcher.apply(words, 0);
  EVENTS.drain((from, at) => told.push(decodeEvent(from, at)));
  return told;
}

/** Applies a command as one without a session. */
function applyAlone(matcher: Matcher, words: Uint32Array): VenueEvent[] {
  const alone = words.slice();
  alone.fill(0, COMMAND_WORD.session, COMMAND_WORD.request + 1);
  return apply(matcher, alone);
}

function createCommand(symbol: number): Uint32Array {
  const words = new Uint32Array(COMMAND_WORDS);
  encodeCommand(words, 0, { op: 'instrumentCreate', symbol, name: 'UNMOVED' });
  return words;
}

/** Each command that was told of is in the journal, as it was sent and answered, and nothing of the client is besides. */
function compareTold(
  journals: readonly { readonly played: readonly Played[] }[],
  { account, told }: Told,
  find: (text: string) => void,
): number {
  const placed = told.filter(({ answer }) => answer.shard !== undefined);
  for (const { words, answer } of placed) {
    const { shard = 0, sequence, reason, open } = answer;
    const found = journals[shard]?.played[sequence - 1];
    const isSame = found?.words.subarray(0, COMMAND_WORD.session).every((word, index) => word === words[index]);
    if (isSame !== true) {
      find(`lost: account ${account} was told of sequence ${sequence} on shard ${shard}, which is another command`);
      continue;
    }
    const outcome = found?.last;
    const wanted = `answer ${reasonName(reason)} ${open}`;
    if (`${outcome?.type} ${outcome?.reason} ${outcome?.open}` !== wanted)
      find(`contradicted: account ${account} was told ${wanted} of sequence ${sequence} on shard ${shard}`);
    if (reason === Reason.otherShard) find(`account ${account} was left with otherShard at sequence ${sequence}`);
  }
  const own = journals.flatMap(({ played }) => played.filter((one) => isCarriedOut(one) && accountOf(one) === account));
  const counted = own.filter(({ words }) => !goesEverywhere(words)).length;
  if (counted !== placed.length)
    find(`duplicated: ${counted} commands of account ${account} were carried out, and ${placed.length} told of`);
  return placed.length;
}

/** The clients' commands that may concern an instrument, from all shards, in the order in which they were carried out. */
function turnsOf(journals: readonly { readonly played: readonly Played[] }[], symbol: number): Played[] {
  const stays: { readonly begin: bigint; readonly played: Played[] }[] = [];
  for (const { played } of journals) {
    let stay: Played[] | undefined;
    for (const one of played) {
      const changed = one.instrument;
      if (changed?.symbol === symbol) {
        const isHere = (changed.flags & EventFlag.elsewhere) === 0;
        if (!isHere) stay = undefined;
        else if (stay === undefined) {
          stay = [];
          stays.push({ begin: one.time, played: stay });
        }
      }
      const concerns = one.words[COMMAND_WORD.symbol] === symbol || goesEverywhere(one.words);
      if (concerns && isCarriedOut(one)) stay?.push(one);
    }
  }
  return stays.sort((a, b) => Number(a.begin - b.begin)).flatMap(({ played }) => played);
}

/** Whether a command is a client's, and its session admitted it, and its instrument was there. */
function isCarriedOut({ words, last }: Played): boolean {
  const op = (words[0] as number) & 255;
  if (op < Op.new || op > Op.massCancel) return false;
  return last?.type === 'answer' && (last.flags & EventFlag.repeat) === 0 && last.reason !== 'otherShard';
}

function accountOf({ words }: Played): number {
  return words[COMMAND_WORD.account] as number;
}

/** A mass cancel without instrument: a client sends it to every shard, and perhaps more than once. */
function goesEverywhere(words: Uint32Array): boolean {
  return (
    ((words[0] as number) & 255) === Op.massCancel && ((words[COMMAND_WORD.flags] as number) & Flag.bySymbol) === 0
  );
}

function tradesOf(events: readonly VenueEvent[]): string[] {
  return events.flatMap((event, place) => {
    if (event.type !== 'tradeMaker') return [];
    const taker = events[place + 1];
    return [`${event.account}/${event.id} ${taker?.account}/${taker?.id} ${event.quantity}@${event.price}`];
  });
}
