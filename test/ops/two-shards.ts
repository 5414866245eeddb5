import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import type { VenueLimits } from '../../journal/genesis.ts';
import { moveInstrument } from '../../ops/move-instrument.ts';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { type RoutedAnswer, RoutingClient } from '../../ops/sessions/routing-client.ts';
import { openVenue, type Venue, type VenueClosing, type VenueOptions } from '../../ops/venue/venue.ts';

/** A venue of two shards on one NATS server, in this process. */

const LIMITS: VenueLimits = {
  ordersMax: 4096,
  levelPagesMax: 256,
  instrumentsMax: 8,
  sessionsMax: 32,
  answersPerSessionMax: 16,
};
const SEGMENT_BYTES = 4 * 2 ** 20;

export class TwoShards {
  readonly nats: OwnNatsServer;
  readonly directories: readonly string[];
  readonly #venues: (Venue | undefined)[] = [];
  readonly #clients: RoutingClient[] = [];

  /** `limits` are those of shard 1. */
  static async open(limits: Partial<VenueLimits> = {}): Promise<TwoShards> {
    const shards = new TwoShards(await startNatsServer());
    await shards.openShard(0);
    await shards.openShard(1, { limits: { ...LIMITS, ...limits } });
    return shards;
  }

  private constructor(nats: OwnNatsServer) {
    this.nats = nats;
    this.directories = [0, 1].map((shard) => mkdtempSync(join(tmpdir(), `veritape-shard-${shard}-`)));
  }

  get connection(): ReturnType<typeof natsConnectionOptions> {
    return natsConnectionOptions(this.nats.url);
  }

  async openShard(shard: number, options: Partial<VenueOptions> = {}): Promise<Venue> {
    const venue = await openVenue({
      directory: this.directories[shard] as string,
      shard,
      limits: LIMITS,
      segmentBytesMax: SEGMENT_BYTES,
      snapshotEvery: 0,
      replicas: 1,
      nats: { connection: this.connection },
      ...options,
    });
    this.#venues[shard] = venue;
    return venue;
  }

  async closeShard(shard: number): Promise<VenueClosing> {
    const venue = this.venue(shard);
    this.#venues[shard] = undefined;
    return venue.close();
  }

  venue(shard: number): Venue {
    const venue = this.#venues[shard];
    if (venue === undefined) throw new Error(`shard ${shard} is closed`);
    return venue;
  }

  /** Carries out commands of the administrator's on one shard. */
  async administer(shard: number, commands: readonly Command[]): Promise<void> {
    const session = await this.venue(shard).openSession(0, BigInt(Date.now()) * 1000n + BigInt(this.#sessions++));
    const answers = await session.send([
      ...commands.map((command) => ({ account: 0, ...command })),
      { op: 'sessionClose' },
    ]);
    const refused = answers.findIndex(({ reason }) => reason !== 0);
    if (refused >= 0) throw new Error(`refused: ${JSON.stringify(commands[refused])}`);
  }
  #sessions = 0;

  async client(account: number, giveUpMs?: number): Promise<RoutingClient> {
    const key = BigInt(Date.now()) * 1000n + BigInt(this.#sessions++);
    const client = await RoutingClient.open({ connection: this.connection, shards: [0, 1], account, key, giveUpMs });
    this.#clients.push(client);
    return client;
  }

  /** Ends clients, cancels what rests of these accounts, and puts an instrument back where it was first. */
  async clear(accounts: readonly number[], symbol: string): Promise<void> {
    await this.#closeClients();
    const canceled = accounts.map((account): Command => ({ op: 'massCancel', account }));
    for (const shard of [0, 1]) await this.administer(shard, canceled);
    if (this.venue(0).instruments.byName(symbol)?.elsewhere !== undefined)
      await moveInstrument({ connection: this.connection, symbol, from: 1, to: 0 });
  }

  async #closeClients(): Promise<void> {
    for (const client of this.#clients.splice(0)) await client.close();
  }

  /** Ends clients and venues; the journals stay until {@link close}. */
  async end(): Promise<void> {
    await this.#closeClients();
    for (const venue of this.#venues.splice(0)) await venue?.close();
  }

  async close(): Promise<void> {
    try {
      await this.end();
    } finally {
      await this.nats.stop();
      for (const directory of this.directories) rmSync(directory, { recursive: true, force: true });
    }
  }
}

export function send(client: RoutingClient, ...commands: readonly Command[]): Promise<RoutedAnswer[]> {
  return client.send(recordsOf(commands), commands.length);
}

export function recordsOf(commands: readonly Command[]): Uint32Array {
  const words = new Uint32Array(commands.length * COMMAND_WORDS);
  for (const [index, command] of commands.entries()) encodeCommand(words, index * COMMAND_WORDS, command);
  return words;
}
