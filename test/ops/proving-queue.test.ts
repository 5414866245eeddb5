import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { JournalReader } from '../../journal/reader.ts';
import { endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { SpanQueue } from '../../ops/proving/span-queue.ts';
import type { Readings } from '../../ops/telemetry/figures.ts';
import { writeJournal } from './journal-fixture.ts';
import { childrenOf, isAlive, proverAtWork, until } from './prover-processes.ts';
import { linesOf, removeTemporaryFolders, temporaryFolder, veritape } from './run-veritape.ts';

const RUN_MS_MAX = 240_000;
/** Two spans. */
const COMMANDS = 120;
/** Longer than a busy machine lets a nats-server wait. */
const ANSWER_MS_MAX = 30_000;

let nats: OwnNatsServer;
let directory = '';
let queue: SpanQueue | undefined;

beforeAll(async () => {
  nats = await startNatsServer(undefined, temporaryFolder());
});
beforeEach(async () => {
  directory = temporaryFolder();
  await writeJournal(directory, { blocks: [1, COMMANDS - 1], seed: 1 + Math.floor(Math.random() * 1e9) });
});
afterEach(async () => {
  await queue?.close();
  queue = undefined;
  await endAllProcesses();
  const connection = await connect(natsConnectionOptions(nats.url));
  const manager = await jetstreamManager(connection, { timeout: ANSWER_MS_MAX });
  for await (const name of manager.streams.names()) await manager.streams.delete(name);
  await connection.close();
});
afterAll(async () => {
  await nats.stop();
  removeTemporaryFolders();
});

function coordinator(commands = 60): VeritapeProcess {
  const plan = ['--commands', String(commands), '--profile', 'fast', '--height', '16'];
  return VeritapeProcess.run('prove', directory, '--nats', nats.url, ...plan, '--json');
}

function worker(...more: readonly string[]): VeritapeProcess {
  return VeritapeProcess.run('prove', directory, '--nats', nats.url, '--work', '--threads', '1', '--json', ...more);
}

async function openQueue(): Promise<SpanQueue> {
  queue = await SpanQueue.open(nats.url, JournalReader.open(directory).genesisHash);
  return queue;
}

/** Messages that were ever put into the queue. */
async function publishedEver(): Promise<number> {
  const connection = await connect(natsConnectionOptions(nats.url));
  const manager = await jetstreamManager(connection, { timeout: ANSWER_MS_MAX });
  const [stream] = await manager.streams.list().next();
  await connection.close();
  return stream?.state.last_seq ?? 0;
}

/** The queue when it holds so many spans. */
async function holding(spans: number): Promise<void> {
  const watched = queue ?? (await openQueue());
  let seen = -1;
  await until(`${spans} spans are queued`, () => {
    void watched.state().then((state) => {
      seen = state.spans;
    });
    return seen === spans;
  });
}

test(
  'spans outlive their coordinator; a killed worker and a killed prover lose nothing, and nothing is proven twice',
  async () => {
    const first = coordinator();
    await holding(2);
    expect((await first.end('SIGINT')).code).toBe(130);
    await holding(2);

    const proving = coordinator();
    const doomed = worker();
    const orphan = await proverAtWork(doomed.pid);
    await doomed.end('SIGKILL');
    const survivor = worker('--telemetry', '0');
    process.kill(await proverAtWork(survivor.pid), 'SIGKILL');

    const { code, result } = await proving.end(undefined, RUN_MS_MAX);
    expect(code).toBe(0);
    const spans = [
      { firstSequence: 1, lastSequence: 60 },
      { firstSequence: 61, lastSequence: 120 },
    ];
    expect(result).toMatchObject({ complete: true, spans, notices: [] });
    await holding(0);
    // The second coordinator has waited for what was there, and put nothing there again.
    expect(await publishedEver()).toBe(2);
    const { dashboard } = await survivor.logged('telemetry');
    const { described, metrics } = (await (await fetch(`${dashboard}readings`)).json()) as Readings;
    expect(described).toMatchObject({ role: 'proving' });
    expect(metrics).toMatchObject({
      'veritape.ready': [{ value: 1 }],
      'veritape.nats.connected': [{ value: 1 }],
      'veritape.prover.spans': [{ value: 2 }],
      'veritape.prover.commands': [{ value: COMMANDS }],
      'veritape.prover.failures': [{ value: 1 }],
      'veritape.prover.queue': [{ attributes: { state: 'waiting' } }, { attributes: { state: 'taken' } }],
    });
    const work = await survivor.end('SIGTERM');
    expect(work.code).toBe(143);
    const done = work.result as { spans: { firstSequence: number }[]; notices: string[] };
    expect(done.spans.map(({ firstSequence }) => firstSequence).sort((a, b) => a - b)).toEqual([1, 61]);
    expect(done.notices).toEqual([expect.stringMatching(/a prover process has ended \(SIGKILL\); given back$/)]);
    expect(readdirSync(join(directory, 'proofs'))).toHaveLength(2);
    await until('the prover of the killed worker has noticed', () => !isAlive(orphan));
    expect(linesOf(veritape(['verify', directory, '--json']).stdout)[0]).toMatchObject({
      good: true,
      chain: { commands: COMMANDS, proofs: 2, breaks: [] },
    });
  },
  2 * RUN_MS_MAX,
);

test(
  'a span that kills its provers is given up, and what is no span is thrown away',
  async () => {
    await openQueue();
    const connection = await connect(natsConnectionOptions(nats.url));
    const manager = await jetstreamManager(connection, { timeout: ANSWER_MS_MAX });
    const [stream] = await manager.streams.list().next();
    await manager.jetstream().publish(stream?.config.subjects?.[0] ?? '', '{"from":0}');
    await connection.close();

    const working = worker();
    await holding(0);
    const proving = coordinator(COMMANDS);
    const killed: number[] = [];
    while (killed.length < 3) {
      const prover = await until('a prover has started', () =>
        childrenOf(working.pid).find((child) => !killed.includes(child)),
      );
      killed.push(prover);
      process.kill(prover, 'SIGKILL');
    }
    const { code, said } = await proving.end(undefined, RUN_MS_MAX);
    expect(code).toBe(3);
    expect(said).toContain('veritape prove: sequences 1 to 120: the workers have given the span up; they say why\n');
    const { result } = await working.end('SIGINT');
    expect(result).toMatchObject({ spans: [], notices: { length: 5 } });
    const { notices } = result as { notices: string[] };
    expect(notices[0]).toBe('given up: not a span');
    expect(notices[4]).toBe('given up: sequences 1 to 120: 3 workers did not prove it');
  },
  RUN_MS_MAX,
);

test('two coordinators cannot both put spans into the queue', async () => {
  const one = await openQueue();
  const other = await SpanQueue.open(nats.url, JournalReader.open(directory).genesisHash);
  try {
    const job = { from: 1, to: 2, profile: 'fast', hidden: false, heightLog: 16 } as const;
    const number = await one.put(job);
    await expect(other.put(job)).rejects.toThrow('another veritape prove');
    expect(await other.list()).toEqual(new Map([[number, job]]));
  } finally {
    await other.close();
  }
});

test('what cannot be done with a queue is refused, and a server without JetStream is named', async () => {
  expect(veritape(['prove', directory, '--work'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('work: true: needs --nats'),
  });
  for (const wish of [['--deadline', '5'], ['--explain'], ['--out', 'proof.vtp']]) {
    expect(veritape(['prove', directory, '--nats', nats.url, ...wish])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('not with --nats'),
    });
  }
  const plain = await startNatsServer();
  try {
    const { code, stderr } = veritape(['prove', directory, '--nats', plain.url, '--work']);
    expect(code).toBe(3);
    expect(stderr).toContain('a nats-server with --jetstream is needed');
  } finally {
    await plain.stop();
  }
});
