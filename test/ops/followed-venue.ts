import type { Command } from '../../journal/commands.ts';
import type { Notice } from '../../ops/venue/venue.ts';
import { type FollowerEnd, VenueFollower, type VenueFollowerOptions } from '../../ops/venue/venue-follower.ts';
import { DIGEST_EVERY } from '../../replicas/event-digest.ts';
import { temporaryFolder } from '../journal/temporary-journal.ts';
import { type Market, order, SHARD } from '../sequencer/venue-on-nats.ts';
import { until } from '../until.ts';

/** Commands sent together, and so many times before an answer is waited for: mostly one or two blocks. */
const BATCH = 64;
const BATCHES_TOGETHER = 5;

/** A follower of a market, in this process. */
export class Following {
  readonly follower: VenueFollower;
  readonly directory: string;
  readonly notices: Notice[];
  readonly #abort: AbortController;
  readonly ended: Promise<FollowerEnd | Error>;

  static async of(
    market: Market,
    options: Partial<VenueFollowerOptions> = {},
    directory = temporaryFolder(),
  ): Promise<Following> {
    const { connection } = await market.client();
    const abort = new AbortController();
    const notices: Notice[] = [];
    const follower = await VenueFollower.open({
      connection,
      shard: SHARD,
      id: `follower-${Math.floor(Math.random() * 2 ** 40)}`,
      hashSeed: 0,
      signal: abort.signal,
      onNotice: (notice) => notices.push(notice),
      ...options,
      copy: { directory, segmentBytesMax: 2 ** 22, ...options.copy },
    });
    return new Following(follower, directory, notices, abort);
  }

  private constructor(follower: VenueFollower, directory: string, notices: Notice[], abort: AbortController) {
    this.follower = follower;
    this.directory = directory;
    this.notices = notices;
    this.#abort = abort;
    const end = (value: FollowerEnd | Error): Promise<FollowerEnd | Error> => follower.close().then(() => value);
    this.ended = follower.run().then(end, end);
  }

  /** Resolves when it has come to a sequence; rejects if it ends before. */
  async reached(sequence: number): Promise<void> {
    await this.until(`it comes to ${sequence}`, () => this.follower.copy.last.sequence >= sequence);
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    let end: FollowerEnd | Error | undefined;
    void this.ended.then((value) => {
      end = value;
    });
    const look = (): boolean => {
      if (condition()) return true;
      if (end !== undefined) throw new Error(`it ended: ${end instanceof Error ? end.message : JSON.stringify(end)}`);
      return false;
    };
    await until(what, look, { seen: () => ({ status: this.follower.status(), notices: this.notices.slice(-8) }) });
  }

  async stop(): Promise<FollowerEnd | Error> {
    this.#abort.abort();
    return this.ended;
  }
}

/** Orders on both sides of one price, some of which trade and some of which stay; always the same ones. */
function flow(first: number, count: number): Command[] {
  return Array.from({ length: count }, (_, index) => {
    const id = first + index;
    if (id % 11 === 0) return { op: 'cancel', account: 7, symbol: 0, id: id - 5 };
    return order(7 + (id % 3), id, id % 2 === 0 ? 'buy' : 'sell', 1_000 + ((id * 7) % 9), 1 + (id % 5));
  });
}

/** Trades enough for a digest and a bit; the last sequence. */
export async function tradeWindows(market: Market, windows = 1, key = 1): Promise<number> {
  const session = await market.venue.openSession(0, key);
  if (market.venue.instruments.byName('ACME') === undefined)
    await session.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
  let sequence = 0;
  for (let sent = 0; sent < windows * DIGEST_EVERY + BATCH; sent += BATCH * BATCHES_TOGETHER) {
    const sending = Array.from({ length: BATCHES_TOGETHER }, () => session.send(flow(session.nextRequest, BATCH)));
    for (const answers of await Promise.all(sending)) sequence = answers.at(-1)?.sequence ?? 0;
  }
  return sequence;
}
