import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { openVenue } from '../../ops/venue/venue.ts';
import { temporaryName } from '../../proofs/matching/proof-store.ts';
import { writeJournal } from './journal-fixture.ts';
import { childrenOf, isAlive, proverAtWork, until } from './prover-processes.ts';
import { linesOf, removeTemporaryFolders, temporaryFolder, veritape } from './run-veritape.ts';

const RUN_MS_MAX = 240_000;
const COMMANDS = 120;
/** Two spans. */
const QUICK = ['--commands', '60', '--profile', 'fast', '--height', '16', '--threads', '1', '--json'];

afterEach(endAllProcesses);
afterAll(removeTemporaryFolders);

async function journal(): Promise<string> {
  const directory = temporaryFolder();
  await writeJournal(directory, { blocks: [1, COMMANDS - 1], snapshotsAfter: [1] });
  return directory;
}

function files(directory: string): string[] {
  const folder = join(directory, 'proofs');
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

function names(...ranges: readonly (readonly [number, number])[]): string[] {
  const digits = (sequence: number): string => String(sequence).padStart(16, '0');
  return ranges.map(([from, to]) => `proof-${digits(from)}-${digits(to)}.vtp`);
}

const BOTH = names([1, 60], [61, 120]);

test(
  'two provers of which one is killed prove what one proves, to the byte; a gap is found again',
  async () => {
    const directory = await journal();
    const proving = VeritapeProcess.run('prove', directory, ...QUICK, '--processes', '2', '--explain');
    process.kill(await proverAtWork(proving.pid), 'SIGKILL');
    const { code, result } = await proving.end(undefined, RUN_MS_MAX);
    expect(code).toBe(0);
    expect(result).toMatchObject({
      complete: true,
      processes: 2,
      notices: [expect.stringMatching(/a prover process has ended \(SIGKILL\); another takes it$/)],
      spans: [
        { firstSequence: 1, lastSequence: 60 },
        { firstSequence: 61, lastSequence: 120 },
      ],
      // Estimate and actual, both in full.
      routing: {
        chosen: { spans: 2, timeMs: expect.any(Number), memoryBytes: expect.any(Number), bytes: expect.any(Number) },
      },
      actual: { timeMs: expect.any(Number), memoryBytes: expect.any(Number), bytes: expect.any(Number) },
    });
    const { notices } = result as { notices: string[] };
    expect(files(directory)).toEqual(BOTH);

    // The span whose prover was killed, by one that is alone.
    const doubted = join(directory, 'proofs', BOTH[notices[0]?.includes('from sequence 1:') === true ? 0 : 1] ?? '');
    const before = readFileSync(doubted);
    rmSync(doubted);
    const again = veritape(['prove', directory, '--explain', '--threads', '1']);
    expect(again.stdout).toContain(
      'because    the quickest way to fast proofs; profile and height are those of the proof',
    );
    expect(again.stdout).toMatch(/\nestimate {3}\d+\.\d s, [\d,]+ MiB a process, [\d,]+ bytes/);
    expect(again.stdout).toMatch(/\nactual {5}\d+\.\d s, [\d,]+ MiB a process, [\d,]+ bytes/);
    expect(again.stdout).toMatch(/\nplan {7}fast, 2\^16 rows, 1 × 1 threads/);
    expect(files(directory)).toEqual(BOTH);
    expect(readFileSync(doubted).equals(before)).toBe(true);
    expect(linesOf(veritape(['verify', directory, '--json']).stdout)[0]).toMatchObject({
      good: true,
      chain: { commands: COMMANDS },
    });
    expect(linesOf(veritape(['prove', directory, '--json']).stdout)[0]).toMatchObject({
      spans: [],
      ranges: [],
      plan: null,
    });
  },
  2 * RUN_MS_MAX,
);

test(
  'a span whose provers always die is given up',
  async () => {
    const directory = await journal();
    const proving = VeritapeProcess.run('prove', directory, ...QUICK, '--processes', '1');
    const killed: number[] = [];
    while (killed.length < 3) {
      const prover = await until('a prover has started', () =>
        childrenOf(proving.pid).find((child) => !killed.includes(child)),
      );
      killed.push(prover);
      process.kill(prover, 'SIGKILL');
    }
    const { code, said, result } = await proving.end(undefined, RUN_MS_MAX);
    expect(code).toBe(3);
    expect(said).toContain('veritape prove: the span from sequence 1: 3 prover processes have ended (SIGKILL)\n');
    expect(result).toMatchObject({ error: { exitCode: 3 } });
    expect(files(directory)).toEqual([]);
  },
  RUN_MS_MAX,
);

test(
  'Ctrl-C ends the provers and leaves whole proofs; the next run goes on and clears up',
  async () => {
    const directory = await journal();
    const proving = VeritapeProcess.run('prove', directory, ...QUICK, '--processes', '1');
    const prover = await proverAtWork(proving.pid);
    await until('a proof is stored', () => files(directory).includes(BOTH[0] ?? ''));
    const { code, said, result } = await proving.end('SIGINT', RUN_MS_MAX);
    expect(code).toBe(130);
    expect(said).toMatch(/veritape prove: stopped: \d+ of 120 commands in \d proofs; what is proven stays\n/);
    expect(result).toMatchObject({ complete: false });
    expect(isAlive(prover)).toBe(false);
    expect(files(directory)).toEqual(BOTH.slice(0, 1));
    expect(linesOf(veritape(['verify', directory, '--json']).stdout)[0]).toMatchObject({ good: true });

    // What this host's dead and another host's writers have left, and what somebody is writing.
    const left = (pid: number): string => temporaryName(join(directory, 'proofs', 'proof.vtp'), pid);
    const elsewhere = join(directory, 'proofs', 'proof.vtp.elsewhere.1.tmp');
    for (const file of [left(prover), left(process.pid), elsewhere]) writeFileSync(file, 'half');
    const next = VeritapeProcess.run('prove', directory, ...QUICK);
    await proverAtWork(next.pid);
    expect([left(prover), left(process.pid), elsewhere].map((file) => existsSync(file))).toEqual([false, true, true]);
    // Its provers must not outlive a coordinator that could not tell them.
    const [child = 0] = childrenOf(next.pid);
    await next.end('SIGKILL');
    await until('the prover has noticed', () => !isAlive(child));
    expect(files(directory).filter((name) => name.endsWith('.vtp'))).toEqual(BOTH.slice(0, 1));
  },
  RUN_MS_MAX,
);

test(
  'of a journal that grows, a run proves what is there when it begins, and the next one goes on',
  async () => {
    const directory = temporaryFolder();
    const limits = { ordersMax: 4096, levelPagesMax: 64, instrumentsMax: 4, sessionsMax: 4, answersPerSessionMax: 64 };
    const venue = await openVenue({ directory, limits, segmentBytesMax: 4 * 2 ** 20, snapshotEvery: 0 });
    try {
      const admin = await venue.openSession(0, 1);
      await admin.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
      const client = await venue.openSession(7, 1);
      let id = 0;
      const trade = async (orders: number): Promise<number> => {
        let sequence = 0;
        for (let i = 0; i < orders; i++) {
          const side = ++id % 2 === 0 ? 'buy' : 'sell';
          const [answer] = await client.send([
            { op: 'new', account: 7, symbol: 0, id, side, price: 95 + (id % 10), quantity: 1 + (id % 3) },
          ]);
          sequence = answer?.sequence ?? 0;
        }
        return sequence;
      };
      const before = await trade(40);
      const first = VeritapeProcess.run('prove', directory, '--profile', 'fast', '--threads', '1', '--json');
      await proverAtWork(first.pid);
      const meanwhile = await trade(40);
      const end = await first.end(undefined, RUN_MS_MAX);
      expect(end.result).toMatchObject({ ranges: [{ from: 1, to: before }], spans: [{ lastSequence: before }] });
      const second = await VeritapeProcess.run('prove', directory, '--threads', '1', '--json').end(
        undefined,
        RUN_MS_MAX,
      );
      expect(second.result).toMatchObject({ ranges: [{ from: before + 1, to: meanwhile }], plan: { profile: 'fast' } });
      expect(linesOf(veritape(['verify', directory, '--journal', directory, '--json']).stdout)[0]).toMatchObject({
        good: true,
        chain: { firstSequence: 1, lastSequence: meanwhile, proofs: 2 },
      });
    } finally {
      await venue.close();
    }
  },
  2 * RUN_MS_MAX,
);
