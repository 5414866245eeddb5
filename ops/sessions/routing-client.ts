import { COMMAND_WORD, COMMAND_WORDS, Flag, Op } from '../../journal/commands.ts';
import { Reason } from '../../journal/reasons.ts';
import { type Answer, decodeAnswers } from '../../sequencer/messages.ts';
import { ShardTable } from './shard-table.ts';
import { ClientError, VenueClient, type VenueClientOptions, type VenueInfo } from './venue-client.ts';

export interface RoutingClientOptions extends Omit<VenueClientOptions, 'shard'> {
  /** The shards of the venue; a session is opened on each. */
  readonly shards: readonly number[];
}

/** An answer, and the shard that gave it. */
export interface RoutedAnswer extends Answer {
  /** Undefined in the answer to a mass cancel that went to every shard; its sequence is then 0. */
  readonly shard: number | undefined;
}

/** Shards that one client speaks to. */
export const SHARDS_MAX = 64;
/** An instrument that is being moved is asked for again after so long, at first and at most. */
const BACK_OFF_MS_MIN = 2;
const BACK_OFF_MS_MAX = 100;
const GIVE_UP_MS = 60_000;
/** Kinds of command that have an instrument, and so a shard. */
const ROUTED: readonly number[] = [
  ...[Op.new, Op.terms, Op.cancel, Op.reduce, Op.replace, Op.massCancel, Op.instrumentUpdate, Op.instrumentSet],
  ...[Op.halt, Op.resume, Op.openAuction, Op.uncross, Op.schedule, Op.unschedule, Op.phase],
];

/** What one call of {@link RoutingClient.send} waits for. */
interface Call {
  readonly answers: RoutedAnswer[];
  left: number;
  readonly resolve: (answers: RoutedAnswer[]) => void;
  readonly reject: (error: Error) => void;
}

interface Entry {
  readonly words: Uint32Array;
  readonly call: Call;
  readonly place: number;
}

/** Commands of one instrument, in their order. */
interface Lane {
  readonly symbol: number;
  shard: number;
  queue: Entry[];
  /** Sent and not answered. No more go out before, or a refusal could be overtaken. */
  inFlight: boolean;
  backOffMs: number;
  /** When the first refusal in a row came, by performance.now(). */
  refusedAt: number | undefined;
  timer: NodeJS.Timeout | undefined;
}

/**
 * A client of a venue of several shards: a session on each, and every command goes to the shard on which its instrument
 * trades. Commands of one instrument are handled in the order in which they were given, also when the instrument is moved in
 * between: what is refused with `otherShard` was not carried out, and goes out again, before what is behind it, to the shard
 * that the refusal names. Commands of different instruments are handled in whatever order they arrive.
 *
 * A mass cancel without instrument waits for the answers to everything before it, goes to every shard until it was carried
 * out on each while nothing was being moved, and everything behind it waits.
 */
export class RoutingClient {
  /** Commands that were sent again, because their instrument traded elsewhere. */
  rerouted = 0;
  readonly #options: RoutingClientOptions;
  readonly #clients: ReadonlyMap<number, VenueClient>;
  readonly #lanes = new Map<number, Lane>();
  readonly #ready = new Set<Lane>();
  #table: ShardTable;
  #pending = 0;
  #batchMax: number;
  #pumping = false;
  /** What waits for a mass cancel of every shard, which is the first. */
  #behind: Entry[] = [];
  #everywhere = false;
  #failure: Error | undefined;
  #drained: (() => void)[] = [];
  readonly #calls = new Set<Call>();

  /** Rejects with {@link ClientError} if a shard can not be reached. */
  static async open(options: RoutingClientOptions): Promise<RoutingClient> {
    const shards = [...new Set(options.shards)];
    if (shards.length < 1 || shards.length > SHARDS_MAX)
      throw new RangeError(`shards: ${shards.length} of them, must be 1 to ${SHARDS_MAX}`);
    const opened = await Promise.allSettled(shards.map((shard) => VenueClient.open({ ...options, shard })));
    const clients = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    for (const [index, one] of opened.entries()) {
      if (one.status === 'fulfilled') continue;
      for (const client of clients) await client.close();
      throw new ClientError(`shard ${shards[index]}: ${messageOf(one.reason)}`);
    }
    return new RoutingClient(options, new Map(clients.map((client) => [client.info.shard, client])));
  }

  private constructor(options: RoutingClientOptions, clients: ReadonlyMap<number, VenueClient>) {
    this.#options = options;
    this.#clients = clients;
    this.#table = new ShardTable([...clients.values()].map(({ info }) => info));
    this.#batchMax = Math.min(...[...clients.values()].map(({ batchMax }) => batchMax));
  }

  /** The instruments of all shards, and where each was known to trade when this was last looked at. */
  get table(): ShardTable {
    return this.#table;
  }

  /** The client of each shard. What is sent by it directly goes there whatever trades where. */
  get clients(): ReadonlyMap<number, VenueClient> {
    return this.#clients;
  }

  /** Commands given and not answered. */
  get pending(): number {
    return this.#pending;
  }

  /** Messages that were sent more than once, because no answer came. */
  get retries(): number {
    let sum = 0;
    for (const client of this.#clients.values()) sum += client.retries;
    return sum;
  }

  /**
   * Sends the first `count` records of `words`; resolves with their answers in order, when all have one. The reason
   * `otherShard` is left in an answer when the instrument trades on a shard that this client was not given, or was not found
   * to trade anywhere for as long as the client is patient. Rejects with {@link ClientError}. Throws a RangeError for
   * commands that go to a shard by itself: sessions, and all but updates of what the administrator does about instruments.
   */
  send(words: Uint32Array, count: number): Promise<RoutedAnswer[]> {
    for (let at = 0; at < count * COMMAND_WORDS; at += COMMAND_WORDS) {
      const op = (words[at] as number) & 255;
      if (!ROUTED.includes(op)) throw new RangeError(`op: ${op} has no shard: send it to the shard that it is for`);
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (count === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const call: Call = { answers: [], left: count, resolve, reject };
      this.#calls.add(call);
      this.#pending += count;
      for (let place = 0; place < count; place++) {
        const from = place * COMMAND_WORDS;
        this.#give({ words: words.slice(from, from + COMMAND_WORDS), call, place });
      }
    });
  }

  /** Resolves when at most `most` commands have no answer. */
  async room(most: number): Promise<void> {
    while (this.#pending > most && this.#failure === undefined)
      await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  /** Asks every shard where instruments trade. */
  async refresh(): Promise<VenueInfo[]> {
    const infos = await Promise.all([...this.#clients.values()].map((client) => client.readInfo()));
    this.#table = new ShardTable(infos);
    return infos;
  }

  async close(): Promise<void> {
    this.#fail(new ClientError('the client was closed'));
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }

  #give(entry: Entry): void {
    if (this.#behind.length > 0 || goesEverywhere(entry.words)) {
      this.#behind.push(entry);
      this.#release();
      return;
    }
    const lane = this.#laneOf(entry.words[COMMAND_WORD.symbol] as number);
    lane.queue.push(entry);
    this.#makeReady(lane);
  }

  #laneOf(symbol: number): Lane {
    let lane = this.#lanes.get(symbol);
    if (lane === undefined) {
      // One that no shard knows goes to the first, which says so.
      const shard = this.#knownShard(this.#table.shardOf(symbol)) ?? ([...this.#clients.keys()][0] as number);
      lane = {
        symbol,
        shard,
        queue: [],
        inFlight: false,
        backOffMs: BACK_OFF_MS_MIN,
        refusedAt: undefined,
        timer: undefined,
      };
      this.#lanes.set(symbol, lane);
    }
    return lane;
  }

  #knownShard(shard: number | undefined): number | undefined {
    return shard !== undefined && this.#clients.has(shard) ? shard : undefined;
  }

  #makeReady(lane: Lane): void {
    if (lane.inFlight || lane.timer !== undefined || lane.queue.length === 0) return;
    this.#ready.add(lane);
    if (this.#pumping) return;
    this.#pumping = true;
    // What is given in one go goes out together.
    queueMicrotask(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#ready.size > 0 && this.#failure === undefined) {
      const [first] = this.#ready;
      const shard = (first as Lane).shard;
      const sent: { lane: Lane; entries: Entry[] }[] = [];
      let count = 0;
      for (const lane of this.#ready) {
        if (lane.shard !== shard || count === this.#batchMax) continue;
        const entries = lane.queue.splice(0, this.#batchMax - count);
        count += entries.length;
        lane.inFlight = true;
        this.#ready.delete(lane);
        sent.push({ lane, entries });
      }
      void this.#ask(shard, sent, count);
    }
  }

  async #ask(shard: number, sent: readonly { lane: Lane; entries: Entry[] }[], count: number): Promise<void> {
    const words = new Uint32Array(count * COMMAND_WORDS);
    let at = 0;
    for (const { entries } of sent) {
      for (const entry of entries) {
        words.set(entry.words, at);
        at += COMMAND_WORDS;
      }
    }
    try {
      const client = this.#clients.get(shard) as VenueClient;
      const answers = decodeAnswers(await client.sendRecords(words, count), 0, count);
      let place = 0;
      for (const { lane, entries } of sent) {
        this.#take(lane, shard, entries, answers.slice(place, place + entries.length));
        place += entries.length;
      }
    } catch (error) {
      this.#fail(error instanceof ClientError ? new ClientError(`shard ${shard}: ${error.message}`) : asError(error));
      return;
    }
    this.#release();
  }

  /** The answers to commands of one instrument. */
  #take(lane: Lane, shard: number, entries: readonly Entry[], answers: readonly Answer[]): void {
    lane.inFlight = false;
    const refused: Entry[] = [];
    let named = shard;
    for (const [index, entry] of entries.entries()) {
      const answer = answers[index] as Answer;
      if (answer.reason !== Reason.otherShard) {
        this.#settle(entry, { ...answer, shard });
        continue;
      }
      named = answer.open;
      if (this.#knownShard(named) === undefined) this.#settle(entry, { ...answer, shard });
      else refused.push(entry);
    }
    if (refused.length === 0) {
      lane.backOffMs = BACK_OFF_MS_MIN;
      lane.refusedAt = undefined;
      this.#makeReady(lane);
      if (answers.some(({ reason }) => reason === Reason.unknownSymbol)) this.#forget(lane);
      return;
    }
    const now = performance.now();
    lane.refusedAt ??= now;
    if (now - lane.refusedAt > (this.#options.giveUpMs ?? GIVE_UP_MS)) {
      for (const entry of refused) this.#settle(entry, { ...(answers.find(isRefused) as Answer), shard });
      lane.refusedAt = undefined;
      this.#makeReady(lane);
      return;
    }
    this.rerouted += refused.length;
    lane.queue = [...refused, ...lane.queue];
    // A shard that names itself waits for the orders, and the first refusal by another one is followed at once.
    const turns = named !== lane.shard && lane.backOffMs === BACK_OFF_MS_MIN;
    lane.shard = named;
    if (turns) {
      lane.backOffMs *= 2;
      this.#makeReady(lane);
    } else this.#makeReadyLater(lane);
  }

  /** The instrument may have been created on another shard since the table was read: whoever asks next looks there. */
  #forget(lane: Lane): void {
    if (lane.queue.length === 0) this.#lanes.delete(lane.symbol);
    this.refresh().catch(() => undefined);
  }

  #makeReadyLater(lane: Lane): void {
    lane.timer = setTimeout(() => {
      lane.timer = undefined;
      this.#makeReady(lane);
    }, lane.backOffMs);
    lane.backOffMs = Math.min(lane.backOffMs * 2, BACK_OFF_MS_MAX);
  }

  #settle(entry: Entry, answer: RoutedAnswer): void {
    const { call, place } = entry;
    call.answers[place] = answer;
    call.left--;
    this.#pending--;
    if (call.left === 0) {
      this.#calls.delete(call);
      call.resolve(call.answers);
    }
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  /** Lets on what waits for a mass cancel of every shard, and begins that when nothing is before it. */
  #release(): void {
    const [first] = this.#behind;
    if (first === undefined || this.#everywhere || this.#failure !== undefined) return;
    for (const { queue, inFlight } of this.#lanes.values()) if (inFlight || queue.length > 0) return;
    this.#everywhere = true;
    this.#cancelEverywhere(first.words)
      .then((answer) => {
        this.#everywhere = false;
        const waiting = this.#behind.slice(1);
        this.#behind = [];
        this.#settle(first, answer);
        for (const entry of waiting) this.#give(entry);
      })
      .catch((error: unknown) => this.#fail(asError(error)));
  }

  /**
   * Carries a mass cancel out on every shard, and again until it was carried out on each while no instrument was moved:
   * else an order on its way from one to the other could be met by neither.
   */
  async #cancelEverywhere(words: Uint32Array): Promise<RoutedAnswer> {
    const started = performance.now();
    let open = 0;
    for (let backOffMs = BACK_OFF_MS_MIN; ; backOffMs = Math.min(backOffMs * 2, BACK_OFF_MS_MAX)) {
      await this.refresh();
      const before = this.#table.print;
      const asked = [...this.#clients.values()].map((client) => client.send(words, 1));
      const answers = (await Promise.all(asked)).map(([answer]) => answer as Answer);
      for (const answer of answers) if (answer.reason === Reason.none) open += answer.open;
      const refusal = answers.find(({ reason }) => reason !== Reason.none);
      const combined = { sequence: 0, open, traded: 0, reason: Reason.none, repeat: false, shard: undefined };
      if (refusal !== undefined && !isRefused(refusal)) return { ...combined, reason: refusal.reason };
      await this.refresh();
      if (refusal === undefined && this.#table.print === before) return combined;
      if (performance.now() - started > (this.#options.giveUpMs ?? GIVE_UP_MS))
        return { ...combined, reason: Reason.otherShard };
      await new Promise((resolve) => setTimeout(resolve, backOffMs));
    }
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    for (const lane of this.#lanes.values()) clearTimeout(lane.timer);
    for (const call of this.#calls) call.reject(error);
    for (const resolve of this.#drained.splice(0)) resolve();
  }
}

function goesEverywhere(words: Uint32Array): boolean {
  const isMassCancel = ((words[0] as number) & 255) === Op.massCancel;
  return isMassCancel && ((words[COMMAND_WORD.flags] as number) & Flag.bySymbol) === 0;
}

function isRefused({ reason }: Answer): boolean {
  return reason === Reason.otherShard;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
