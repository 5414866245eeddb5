import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { COMMAND_WORDS, encodeCommand } from '../../journal/commands.ts';
import { MOVE_STEPS, type MoveReport } from '../move-instrument.ts';
import { natsConnectionOptions } from '../nats-server.ts';
import { RoutingClient } from '../sessions/routing-client.ts';
import { VenueClient } from '../sessions/venue-client.ts';
import type { DrillRound } from './drill-round.ts';
import { checkMoves, type MoveCheck } from './move-check.ts';
import { RoutedTrader } from './routed-trader.ts';
import { VeritapeProcess } from './veritape-process.ts';

/** The instrument that every drill has, on shard 0, and one that stays on shard 1. */
const ACME = 0;
const OTHER = { symbol: 1, name: 'OTHER' };
const TRADERS = 3;
/** Accounts of a round's traders begin here, and are so far from those of the next. */
const FIRST_ACCOUNT = 10_000;
const ACCOUNTS_PER_ROUND = 10;
const SEGMENT_BYTES = 4 * 2 ** 20;
const ORDERS_MAX = 65_536;
const GIVE_UP_MS = 60_000;
/** A mover is killed at most so long after it has begun a step. */
const KILL_MS_MAX = 4;
const STEP_MS_MAX = 30_000;

/** A second shard beside the venue of a drill, clients that trade on both, and movers. */
export class SecondShard {
  readonly #round: DrillRound;
  readonly #process: VeritapeProcess;
  readonly #directory: string;
  readonly #clients: RoutingClient[] = [];
  readonly #traders: RoutedTrader[] = [];

  /** `number` is that of the round, from 0. */
  static async start(round: DrillRound, number: number): Promise<SecondShard> {
    const directory = join(round.cluster.directories[0] as string, '..', 'shard-1');
    const limits = ['--orders-max', String(ORDERS_MAX), '--segment-bytes', String(SEGMENT_BYTES)];
    const serve = ['serve', '--dir', directory, '--shard', '1', '--nats', round.cluster.clientUrl, '--json', ...limits];
    const process = VeritapeProcess.start(serve, { logFile: `${directory}.log` });
    const shard = new SecondShard(round, process, directory);
    try {
      await process.ready();
      await shard.#createOther();
      for (let index = 0; index < TRADERS; index++)
        await shard.#open(FIRST_ACCOUNT + number * ACCOUNTS_PER_ROUND + index);
    } catch (error) {
      await shard.kill();
      throw error;
    }
    for (const trader of shard.#traders) trader.start();
    return shard;
  }

  private constructor(round: DrillRound, process: VeritapeProcess, directory: string) {
    this.#round = round;
    this.#process = process;
    this.#directory = directory;
  }

  /** Moves the instrument by a mover that is killed at a step, and by another one that ends the move. */
  async move(from: number, to: number): Promise<MoveReport> {
    const { chance, cluster } = this.#round;
    const args = ['move', 'ACME', '--from', String(from), '--to', String(to), '--nats', cluster.clientUrl, '--json'];
    const step = chance.pick(MOVE_STEPS);
    const killed = VeritapeProcess.run(...args);
    const until = performance.now() + STEP_MS_MAX;
    while (!killed.over && !killed.said.includes(`move: ${step}\n`)) {
      if (performance.now() > until) throw new Error(`the mover did not come to step ${step}: ${killed.said.trim()}`);
      await pause(1);
    }
    await pause(chance.between(0, KILL_MS_MAX));
    await this.#round.inject(`the mover from shard ${from} to ${to} is killed at ${step}`, () => killed.end('SIGKILL'));
    const { code, said, result } = await VeritapeProcess.run(...args).end();
    const report = result as MoveReport | undefined;
    if (code !== 0 || (report?.outcome !== 'moved' && report?.outcome !== 'already moved'))
      throw new Error(`the move from shard ${from} to ${to} ended with code ${code}: ${said.trim()}`);
    this.#round.note(`ACME trades on shard ${to}`);
    return report;
  }

  /** Stops the traders and compares what they were told with both journals. */
  async check(): Promise<MoveCheck> {
    for (const trader of this.#traders) await trader.stop();
    return checkMoves([this.#round.cluster.directories[0] as string, this.#directory], ACME, this.#traders);
  }

  /** Commands that clients sent on to another shard. */
  get rerouted(): number {
    return this.#traders.reduce((sum, { rerouted }) => sum + rerouted, 0);
  }

  /** Ends clients and the shard in good order; rejects if it does not end well. */
  async end(): Promise<void> {
    for (const client of this.#clients) await client.close();
    const { code, said } = await this.#process.end('SIGTERM');
    if (code !== 0) throw new Error(`shard 1 ended with code ${code}: ${said.trim()}`);
  }

  async kill(): Promise<void> {
    for (const client of this.#clients) await client.close();
    if (!this.#process.over) await this.#process.end('SIGKILL');
  }

  async #open(account: number): Promise<void> {
    const { cluster, chance } = this.#round;
    const connection = natsConnectionOptions(cluster.clientUrl);
    const client = await RoutingClient.open({
      ...{ connection, shards: [0, 1], account, key: account, giveUpMs: GIVE_UP_MS },
    });
    this.#clients.push(client);
    this.#traders.push(new RoutedTrader(client, account, [ACME, ACME, OTHER.symbol], chance.word()));
  }

  /** Unless a round before has. */
  async #createOther(): Promise<void> {
    const connection = natsConnectionOptions(this.#round.cluster.clientUrl);
    const admin = await VenueClient.open({ connection, shard: 1, account: 0, key: 1 });
    const words = new Uint32Array(COMMAND_WORDS);
    encodeCommand(words, 0, { op: 'instrumentCreate', account: 0, ...OTHER });
    await admin.send(words, 1);
    await admin.close();
  }
}
