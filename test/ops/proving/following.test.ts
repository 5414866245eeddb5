import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { COMMAND_WORDS, encodeCommand } from '../../../journal/commands.ts';
import { endAllProcesses, type LogLine, VeritapeProcess } from '../../../ops/drill/veritape-process.ts';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../../ops/nats-server.ts';
import { VenueClient } from '../../../ops/sessions/venue-client.ts';
import { type Readings, valueIn } from '../../../ops/telemetry/figures.ts';
import type { NumberName } from '../../../ops/telemetry/points.ts';
import { childrenOf, isAlive, proverAtWork, until } from '../prover-processes.ts';
import { linesOf, removeTemporaryFolders, temporaryFolder, veritape } from '../run-veritape.ts';

const RUN_MS_MAX = 400_000;
/** Acknowledgements wait for so long, and are to take no more than half of it. */
const [WINDOW_MICROS, ACK_TARGET_MS] = [20_000, 10];
/**
 * In flight together, so that more than a percentile needs come in a second, or a step of load. All of them are to be proven, so
 * no more come while something is waited for.
 */
const [ORDERS_TOGETHER, STEP_TOGETHER] = [2, 25];
const PACE_MS = 10;
const SPAN_COMMANDS = 500;

let nats: OwnNatsServer;
let trader: Trader | undefined;
beforeEach(async () => {
  nats = await startNatsServer();
});
afterEach(async () => {
  await trader?.close();
  await endAllProcesses();
  await nats.stop();
});
afterAll(removeTemporaryFolders);

class Trader {
  readonly #client: VenueClient;
  #id = 0;

  static async open(): Promise<Trader> {
    return new Trader(
      await VenueClient.open({ connection: natsConnectionOptions(nats.url), shard: 0, account: 7, key: 1 }),
    );
  }

  private constructor(client: VenueClient) {
    this.#client = client;
  }

  /** Sends orders that trade with each other, one a message; the last sequence. */
  async trade(orders: number, together = STEP_TOGETHER): Promise<number> {
    let last = 0;
    for (let sent = 0; sent < orders; sent += together) {
      const answers = await Promise.all(Array.from({ length: Math.min(together, orders) }, () => this.#order()));
      last = Math.max(last, ...answers);
    }
    return last;
  }

  /** Trades until it is told to stop. */
  tradeOn(): () => Promise<void> {
    let isOver = false;
    const trading = (async () => {
      for (; !isOver; await pause(PACE_MS)) await this.trade(ORDERS_TOGETHER, ORDERS_TOGETHER);
    })();
    return async () => {
      isOver = true;
      await trading;
    };
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #order(): Promise<number> {
    const id = ++this.#id;
    const words = new Uint32Array(COMMAND_WORDS);
    const side = id % 2 === 0 ? 'buy' : 'sell';
    encodeCommand(words, 0, { op: 'new', account: 7, symbol: 0, id, side, price: 100, quantity: 1 });
    const [answer] = await this.#client.send(words, 1);
    return answer?.sequence ?? 0;
  }
}

function numbersIn(log: readonly LogLine[]): unknown[] {
  return log.filter(({ msg }) => msg === 'tuned').map(({ to }) => to);
}

/** What a wait in vain is told with. */
function lastOf(process: VeritapeProcess): () => unknown {
  return () => ({ log: process.log.slice(-8), provers: childrenOf(process.pid), said: process.said });
}

/** The letter of its state: T if it stands still. */
function stateOf(pid: number): string | undefined {
  return /^.*\) (.)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
}

/** Waits for two provers, and has acknowledgements be slow until one of them stands still. */
async function standsStill(
  proving: VeritapeProcess,
  slowly: Trader,
): Promise<{ readonly pid: number; readonly stop: () => Promise<void> }> {
  await until('two provers are at work', () => numbersIn(proving.log).at(-1) === 2, lastOf(proving));
  const pid = await proverAtWork(proving.pid);
  const stop = slowly.tradeOn();
  await until('it stands still', () => stateOf(pid) === 'T', lastOf(proving));
  await until('the log tells of it', () => Number(numbersIn(proving.log).at(-1)) < 2, lastOf(proving));
  return { pid, stop };
}

test(
  'provers follow what a venue journals up and down, stand still while its acknowledgements are slow, and end with their parent',
  async () => {
    const dir = temporaryFolder();
    const window = ['--commit-window-micros', String(WINDOW_MICROS)];
    const venue = VeritapeProcess.serve(dir, nats.url, '--telemetry', '0', ...window);
    const { port } = await venue.logged('telemetry');
    await venue.ready();
    trader = await Trader.open();
    const quick = ['--commands', String(SPAN_COMMANDS), '--profile', 'fast', '--height', '16', '--threads', '1'];
    const beside = ['--venue', String(port), '--ack-target-ms', String(ACK_TARGET_MS)];
    const following = ['--follow', '--behind', '4', '--processes-max', '2', ...beside, '--json'];
    const killed = VeritapeProcess.run('prove', dir, ...quick, ...following);
    await killed.logged('ready');
    expect(childrenOf(killed.pid)).toEqual([]);

    // A step of load. Whoever stands still can not notice that its parent was killed.
    await trader.trade(2.5 * SPAN_COMMANDS);
    const orphan = await standsStill(killed, trader);
    await killed.end('SIGKILL');
    await until('the kernel has ended it', () => !isAlive(orphan.pid));
    await orphan.stop();

    const proving = VeritapeProcess.run('prove', dir, ...quick, ...following, '--telemetry', '0');
    const { dashboard } = await proving.logged('telemetry');
    const readings = async (): Promise<Readings> => (await (await fetch(`${dashboard}readings`)).json()) as Readings;
    const told = async (name: NumberName): Promise<number | undefined> => valueIn(await readings(), name);
    const prover = await standsStill(proving, trader);
    const gaveWay = proving.log.findLast(({ msg }) => msg === 'tuned');
    expect(gaveWay).toMatchObject({ bound: 'provers', from: 2, to: 0 });
    // One that has no time for its readings is given way to as well.
    expect(gaveWay?.['why']).toMatch(
      /^the venue('s 99th percentile of acknowledgements is \d+ ms, its target 10 ms| does not answer): provers give way/,
    );
    expect(await told('veritape.prover.backlog')).toBeGreaterThan(0);
    expect(await told('veritape.prover.oldest')).toBeGreaterThan(0);
    await prover.stop();
    const end = await trader.trade(1);
    await until('it goes on', () => stateOf(prover.pid) !== 'T', lastOf(proving));
    await until(
      'all is proven',
      () => proving.log.findLast(({ msg }) => msg === 'proven')?.['lastSequence'] === end,
      lastOf(proving),
    );
    await until('telemetry tells it', async () => (await told('veritape.prover.backlog')) === 0, lastOf(proving));
    const { described, metrics } = await readings();
    expect(described).toMatchObject({ role: 'proving', sequence: end });
    const done = proving.log.filter(({ msg }) => msg === 'proven');
    expect(metrics).toMatchObject({
      'veritape.prover.oldest': [{ value: 0 }],
      'veritape.prover.target': [{ value: 4 }],
      'veritape.prover.spans': [{ value: done.length }],
      'veritape.prover.written': [{ value: done.reduce((sum, { bytes }) => sum + Number(bytes), 0) }],
      'veritape.prover.failures': [{ value: 0 }],
    });
    expect(metrics['veritape.snapshot.lag']).toBeUndefined();
    // By one, or by both: each time it waits ten seconds.
    await until('fewer do', () => Number(numbersIn(proving.log).at(-1)) < 2, lastOf(proving));
    await until('one has ended', () => childrenOf(proving.pid).length < 2, lastOf(proving));
    const { code, said, result } = await proving.end('SIGHUP');
    expect(code).toBe(129);
    expect(said).toMatch(/veritape prove: stopped: [\d,]+ commands in \d+ proofs; what is proven stays\n/);
    expect(result).toMatchObject({ bounds: { min: 0, max: 2 }, notices: 0 });
    expect(readdirSync(join(dir, 'proofs')).filter((name) => !name.endsWith('.vtp'))).toEqual([]);
    expect(linesOf(veritape(['verify', dir, '--journal', dir, '--json']).stdout)[0]).toMatchObject({
      good: true,
      chain: { firstSequence: 1, lastSequence: end },
    });
    expect((await venue.end('SIGTERM')).code).toBe(0);
  },
  RUN_MS_MAX,
);
