import type { Command } from '../journal/commands.ts';
import { Reason, reasonText } from '../journal/reasons.ts';
import type { Answer } from '../sequencer/messages.ts';
import { UsageError } from './exit-codes.ts';
import type { PlacedInstrument } from './instrument-directory.ts';
import {
  entryOf,
  firstDifference,
  firstOther,
  type InstrumentImage,
  isBlank,
  isSettled,
  preparationOf,
} from './instrument-image.ts';
import { MoverSession, type MoverSessionOptions } from './sessions/mover-session.ts';
import { readVenueInfo } from './sessions/venue-client.ts';

/**
 * Moves an instrument with its resting orders from one shard to another while both run. docs/sharding.md tells what happens
 * in each step, and what if the mover ends there.
 *
 * All that a mover needs to know is in the state of the two shards, so one that was killed is simply run again.
 */

/** In this order. Those from `enter` to `open` are the time in which the instrument does not trade. */
export const MOVE_STEPS = ['fence', 'prepare', 'freeze', 'enter', 'verify', 'release', 'open', 'finish'] as const;
/** `undo` takes the place of what is left when the target refuses an order, or when moving back is asked for. */
export type MoveStep = (typeof MOVE_STEPS)[number] | 'undo';

/** Messages of orders that are under way to the target at once. */
const BATCHES_TOGETHER = 4;

export interface MoveOptions extends MoverSessionOptions {
  /** Name of the instrument. */
  readonly symbol: string;
  readonly from: number;
  readonly to: number;
  /** Ends a move that is under way by undoing it. */
  readonly back?: boolean | undefined;
  /** Called before each step. While it is awaited, nothing happens. */
  readonly onStep?: ((step: MoveStep) => Promise<void> | void) | undefined;
  readonly onProgress?: ((text: string) => void) | undefined;
  /** Once aborted, a move that has not taken the instrument off its shard is given up; a later one goes on to its end. */
  readonly signal?: AbortSignal | undefined;
}

export interface MoveReport {
  /**
   * `moved`: it trades on the target now. `already moved`: it did before. `moved back`: it trades on its shard as before.
   * `stopped`: given up before anything was changed there.
   */
  readonly outcome: 'moved' | 'already moved' | 'moved back' | 'stopped';
  readonly symbol: string;
  readonly from: number;
  readonly to: number;
  /** Why the target refused, if it did. */
  readonly refusal?: string | undefined;
  /** Orders that rest on the shard where the instrument trades now because of this run. */
  readonly orders: number;
  /** The move was begun by an earlier run. */
  readonly resumed: boolean;
  /** Milliseconds in this run in which the instrument did not trade. */
  readonly pauseMs: number;
  /** Sequences on `from` of the freeze and the release, and on `to` of the opening; 0 if this run did not do that. */
  readonly frozenAt: number;
  readonly releasedAt: number;
  readonly openedAt: number;
}

/** Rejects with UsageError if there is nothing to move or it is elsewhere, ClientError if a shard can not be reached. */
export async function moveInstrument(options: MoveOptions): Promise<MoveReport> {
  const { from, to, symbol } = options;
  if (from === to) throw new UsageError('to', to, 'must be another shard than the one moved from');
  const number = await findSymbol(options, symbol);
  await options.onStep?.('fence');
  const source = await MoverSession.open(options, from, number);
  try {
    const target = await MoverSession.open(options, to, number);
    try {
      return await new Move(options, source, target, number).run();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** The number of the instrument, which must be the same, or free, on the target. */
async function findSymbol(options: MoveOptions, name: string): Promise<number> {
  const infos = [options.from, options.to].map((shard) => readVenueInfo({ ...options, shard }));
  const [here = [], there = []] = (await Promise.all(infos)).map(({ instruments }) => instruments);
  const instrument = here.find((one) => one.name === name);
  if (instrument === undefined) throw new UsageError('symbol', name, `shard ${options.from} has no such instrument`);
  const { symbol } = instrument;
  const namesake = there.find((one) => one.name === name);
  if (namesake !== undefined && namesake.symbol !== symbol) {
    const rule = `is number ${symbol} on shard ${options.from} and ${namesake.symbol} on shard ${options.to}; numbers are the venue's`;
    throw new UsageError('symbol', name, rule);
  }
  const other = there.find((one) => one.symbol === symbol);
  if (other !== undefined && other.name !== name) {
    const rule = `its number ${symbol} is ${other.name} on shard ${options.to}; numbers are the venue's`;
    throw new UsageError('symbol', name, rule);
  }
  return symbol;
}

class Move {
  readonly #options: MoveOptions;
  readonly #source: MoverSession;
  readonly #target: MoverSession;
  readonly #symbol: number;
  #stoppedAt = 0;
  #frozenAt = 0;
  #releasedAt = 0;
  #openedAt = 0;

  constructor(options: MoveOptions, source: MoverSession, target: MoverSession, symbol: number) {
    this.#options = options;
    this.#source = source;
    this.#target = target;
    this.#symbol = symbol;
  }

  async run(): Promise<MoveReport> {
    const { from, to, back, symbol } = this.#options;
    const here = await this.#source.instrument();
    const there = await this.#target.instrument();
    const begun = whereIs(this.#options, here, there);
    if (back === true) return this.#moveBack(begun);
    if (begun === 'over') return this.#report('already moved', 0, true);
    if (here === undefined) throw new Error(`shard ${from} does not know the instrument any more`);
    if (begun === 'not begun') {
      if (this.#isAborted()) return this.#report('stopped', 0, false);
      if (isSettled(await this.#source.settings())) {
        const rule = `its trades are settled between balances of accounts on shard ${from}, which a move does not carry`;
        throw new UsageError('symbol', symbol, rule);
      }
    }
    await this.#options.onStep?.('prepare');
    await this.#prepare(here, there, begun);
    if (begun === 'not begun') {
      if (this.#isAborted()) return this.#report('stopped', 0, false);
      await this.#options.onStep?.('freeze');
      this.#frozenAt = await this.#change(this.#source, { op: 'instrumentAssign', shard: to });
    }
    this.#stoppedAt = performance.now();

    await this.#options.onStep?.('enter');
    await this.#copyLimits();
    const image = await this.#read(this.#source);
    const entered = await this.#read(this.#target);
    const orders = image.orders.length;
    const isReleased = isBlank(image) && !isBlank(entered);
    if (!isReleased) {
      const refusal = await this.#enter(image, entered);
      if (refusal !== undefined) return this.#undo(orders, begun, refusal);
      await this.#options.onStep?.('verify');
      const other = firstDifference(image, await this.#read(this.#target));
      if (other !== undefined) return this.#undo(orders, begun, `it is not the same there: ${other}`);
      await this.#options.onStep?.('release');
      this.#releasedAt = await this.#change(this.#source, { op: 'moveOut' });
    }
    await this.#options.onStep?.('open');
    this.#openedAt = await this.#change(this.#target, { op: 'instrumentAssign' });
    return this.#report('moved', isReleased ? entered.orders.length : orders, begun === 'under way');
  }

  /** The target knows the instrument, waits for its orders, and has none that an earlier move left. */
  async #prepare(here: PlacedInstrument, there: PlacedInstrument | undefined, begun: Begun): Promise<void> {
    const { to } = this.#options;
    const { name } = here;
    if (there === undefined) await this.#change(this.#target, { op: 'instrumentCreate', name, shard: to });
    else if (there.elsewhere !== to) await this.#change(this.#target, { op: 'instrumentAssign', shard: to });
    if (begun === 'not begun') await this.#change(this.#target, { op: 'moveOut' });
  }

  async #copyLimits(): Promise<void> {
    const here = await this.#source.instrument();
    if (here === undefined) return;
    const limits = { quantity: here.quantityMax, priceMax: here.priceMax, closed: here.closed, elsewhere: true };
    await this.#change(this.#target, { op: 'instrumentUpdate', ...limits });
  }

  /** Enters what is not there yet; why the target did not take it all, if it did not. */
  async #enter(image: InstrumentImage, entered: InstrumentImage): Promise<string | undefined> {
    const isWhole = firstDifference(image, entered) === undefined;
    if (isWhole) return undefined;
    const { orders } = image;
    // Orders that are there stand before all that come, so they must be the first ones; with terms all of them come anew.
    const isBegun = !image.isRuled && firstOther(orders.slice(0, entered.orders.length), entered.orders) === undefined;
    if (!isBegun) await this.#change(this.#target, { op: 'moveOut' });
    const symbol = this.#symbol;
    const refused = await this.#sendAll(preparationOf(symbol, image), 'settings and terms');
    const missing = isBegun ? orders.slice(entered.orders.length) : orders;
    return (
      refused ??
      this.#sendAll(
        missing.map((order) => entryOf(symbol, order)),
        'orders',
      )
    );
  }

  /** Has the target carry out commands in their order; what it refuses first, and why. */
  async #sendAll(commands: readonly Command[], what: string): Promise<string | undefined> {
    for (let from = 0; from < commands.length; ) {
      const { batchMax } = this.#target;
      const group = commands.slice(from, from + batchMax * BATCHES_TOGETHER);
      const asked: Promise<Answer[]>[] = [];
      for (let first = 0; first < group.length; first += batchMax)
        asked.push(this.#target.send(group.slice(first, first + batchMax)));
      const answers = (await Promise.all(asked)).flat();
      const refused = answers.findIndex(({ reason }) => reason !== Reason.none);
      if (refused >= 0) {
        const { account, id, setting, movedSetting } = group[refused] as Command;
        const which = id === undefined ? (setting ?? movedSetting) : `order ${id} of account ${account}`;
        return `${which}: ${reasonText(answers[refused]?.reason ?? Reason.none)}`;
      }
      from += group.length;
      this.#options.onProgress?.(`${from} of ${commands.length} ${what} entered`);
    }
    return undefined;
  }

  async #undo(orders: number, begun: Begun, refusal?: string): Promise<MoveReport> {
    const { from } = this.#options;
    await this.#options.onStep?.('undo');
    // The copies go before the orders trade again, and the target waits for them until they do.
    await this.#change(this.#target, { op: 'moveOut' });
    if (begun === 'under way' || this.#frozenAt > 0) await this.#change(this.#source, { op: 'instrumentAssign' });
    await this.#change(this.#target, { op: 'instrumentAssign', shard: from });
    return { ...(await this.#report('moved back', orders, begun === 'under way')), refusal };
  }

  async #moveBack(begun: Begun): Promise<MoveReport> {
    const { from, to, symbol } = this.#options;
    if (begun === 'over') {
      throw new UsageError('back', symbol, `the move has ended: to move it back, move it from shard ${to} to ${from}`);
    }
    const there = await this.#target.instrument();
    if (begun === 'not begun' && (there === undefined || there.elsewhere !== to))
      return this.#report('moved back', 0, false);
    this.#stoppedAt = performance.now();
    const image = begun === 'under way' ? await this.#read(this.#source) : undefined;
    if (image !== undefined && isBlank(image) && !isBlank(await this.#read(this.#target))) {
      const rule = `the orders are on shard ${to} already: end the move without --back, then move it from shard ${to} to ${from}`;
      throw new UsageError('back', symbol, rule);
    }
    return this.#undo(image?.orders.length ?? 0, begun);
  }

  async #read(of: MoverSession): Promise<InstrumentImage> {
    return of.image((pages) => this.#options.onProgress?.(`${pages} pages read from shard ${of.shard}`));
  }

  /** Carries out a command about the instrument that nothing may refuse; its sequence. */
  async #change(of: MoverSession, command: Omit<Command, 'symbol' | 'account'>): Promise<number> {
    const [answer] = await of.send([{ ...command, account: 0, symbol: this.#symbol }]);
    if (answer?.reason === Reason.none) return answer.sequence;
    throw new UsageError(
      'symbol',
      this.#options.symbol,
      `shard ${of.shard} refuses ${command.op}: ${reasonText(answer?.reason ?? 0)}`,
    );
  }

  #isAborted(): boolean {
    return this.#options.signal?.aborted === true;
  }

  async #report(outcome: MoveReport['outcome'], orders: number, resumed: boolean): Promise<MoveReport> {
    const pauseMs = this.#stoppedAt === 0 ? 0 : Math.round((performance.now() - this.#stoppedAt) * 10) / 10;
    await this.#options.onStep?.('finish');
    await this.#source.finish();
    await this.#target.finish();
    const { symbol, from, to } = this.#options;
    const sequences = { frozenAt: this.#frozenAt, releasedAt: this.#releasedAt, openedAt: this.#openedAt };
    return { outcome, symbol, from, to, orders, resumed, pauseMs, ...sequences };
  }
}

/** How far a move is. */
type Begun = 'not begun' | 'under way' | 'over';

/** Throws a UsageError if the instrument is not where it should be moved from. */
function whereIs(
  { symbol, from, to }: MoveOptions,
  here: PlacedInstrument | undefined,
  there: PlacedInstrument | undefined,
): Begun {
  const isThere = there?.here === true;
  if (here === undefined) throw new UsageError('symbol', symbol, `shard ${from} has no such instrument`);
  if (here.here) {
    if (!isThere) return 'not begun';
    throw new UsageError('symbol', symbol, `it trades on shard ${from} and on shard ${to}: assign it to one of them`);
  }
  if (here.shard === from)
    throw new UsageError('from', from, 'the instrument is on its way there: end that move first');
  if (here.shard !== to) throw new UsageError('from', from, `the instrument trades on shard ${here.shard}`);
  if (isThere) return 'over';
  if (there === undefined || there.shard === to) return 'under way';
  throw new UsageError('from', from, `the instrument has gone on from shard ${to} to ${there.shard}`);
}
