import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { JournalReader } from '../../../journal/reader.ts';
import { TradingClient } from '../../../ops/client/trading-client.ts';
import { closingOf, endAllProcesses, VeritapeProcess } from '../../../ops/drill/veritape-process.ts';
import { type OwnNatsServer, startNatsServer } from '../../../ops/nats-server.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher } from '../../../replicas/matcher.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';
import { ROOT } from '../run-veritape.ts';
import { ordersOfJournal } from './journal-orders.ts';

const WAIT_MS_MAX = 40_000;

let nats: OwnNatsServer | undefined;
const running: Example[] = [];
afterEach(async () => {
  for (const example of running.splice(0)) example.child.kill('SIGKILL');
  await endAllProcesses();
  await nats?.stop();
});
afterAll(removeTemporaryFolders);

/** An example in a process of its own, and the lines that it has printed. */
class Example {
  readonly child: ChildProcess;
  readonly lines: string[] = [];
  #said = '';
  readonly #exit: Promise<unknown[]>;

  constructor(name: string, ...args: readonly string[]) {
    this.child = spawn(process.execPath, [join(ROOT, 'examples', `${name}.ts`), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#exit = once(this.child, 'exit');
    let unfinished = '';
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (unfinished + text).split('\n');
      unfinished = lines.pop() ?? '';
      this.lines.push(...lines);
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
    });
    running.push(this);
  }

  get objects(): Record<string, unknown>[] {
    return this.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  async has(enough: () => boolean): Promise<void> {
    const until = performance.now() + WAIT_MS_MAX;
    while (!enough()) {
      if (performance.now() > until || this.child.exitCode !== null)
        throw new Error(`${this.lines.length} lines, and no more: ${this.#said}`);
      await pause(10);
    }
  }

  async interrupt(): Promise<void> {
    this.child.kill('SIGINT');
    const [code] = await this.#exit;
    if (code !== 0) throw new Error(`it ended with ${code}: ${this.#said}`);
  }
}

test('a market maker, a taker and a book printer meet on a venue, trade, and know what the journal knows', async () => {
  const dir = temporaryFolder();
  nats = await startNatsServer();
  const venue = VeritapeProcess.serve(dir, nats.url, '--market-data');
  await venue.ready();
  const printer = new Example('book-printer', '--nats', nats.url, '--json');
  // The maker goes on trying while nobody may quote.
  const admin = await TradingClient.open({ nats: nats.url, account: 0 });
  await admin.command({ op: 'halt', symbol: 'ACME' });
  const maker = new Example('market-maker', '--nats', nats.url, '--qty', '5');
  await maker.has(() => maker.lines.length >= 2);
  await admin.command({ op: 'resume', symbol: 'ACME' });
  await admin.close();
  await printer.has(() => printer.objects.some(({ bids, asks }) => lengthOf(bids) === 1 && lengthOf(asks) === 1));
  const taker = new Example('taker', '--nats', nats.url, '--every-ms', '5');
  await taker.has(() => taker.lines.length >= 30);
  await taker.interrupt();
  await maker.interrupt();
  await printer.has(() => printer.objects.at(-1)?.['sequence'] === lastIn(printer, taker, maker));
  await printer.interrupt();
  closingOf(await venue.end('SIGTERM'));

  const journal = ordersOfJournal(dir);
  const told = [...maker.objects, ...taker.objects].filter(({ status }) => status !== 'rejected');
  expect(told.length).toBe(journal.size);
  expect(maker.lines.length).toBeGreaterThan(3);
  let traded = 0;
  for (const [account, example] of [['1', maker] as const, ['2', taker] as const]) {
    for (const order of example.objects) {
      if (order['status'] === 'rejected') continue;
      const { status, price, open, traded: lots, notional, entrySequence, reportSequence: sequence } = order;
      const expected = journal.get(`${account}/${order['id']}`);
      const known = { ...expected, notional: String(expected?.notional) };
      expect({ status, price, open, traded: lots, notional, entrySequence, sequence }).toEqual(known);
      traded += Number(lots);
    }
  }
  expect(traded).toBeGreaterThan(2 * 30);
  expectBooksOfJournal(dir, printer.objects);
});

function lengthOf(levels: unknown): number {
  return Array.isArray(levels) ? levels.length : 0;
}

/** The last sequence that the three know of: nobody does anything any more. */
function lastIn(printer: Example, ...others: readonly Example[]): unknown {
  const sequences = others.flatMap(({ objects }) => objects.map(({ reportSequence }) => Number(reportSequence)));
  return Math.max(...sequences, Number(printer.objects.at(-1)?.['sequence']));
}

/** What was printed of the book after a command is what a replay has after it. */
function expectBooksOfJournal(dir: string, printed: readonly Record<string, unknown>[]): void {
  const reader = JournalReader.open(dir);
  const events = new EventBuffer(1024);
  const matcher = createMatcher(reader.genesis.limits, events);
  const books = Map.groupBy(printed, ({ sequence }) => Number(sequence));
  let compared = 0;
  for (const block of reader.blocks()) {
    for (let index = 0; index < block.count; index++) {
      matcher.apply(block.words, block.wordOf(index));
      events.clear();
      const { bids, asks } = matcher.book(0, 5);
      const levels = (side: typeof bids): object[] =>
        side.map(([price, quantity, orders]) => ({ price, quantity, orders }));
      for (const book of books.get(block.firstSequence + index)?.slice(-1) ?? []) {
        expect(book).toMatchObject({ bids: levels(bids), asks: levels(asks) });
        compared++;
      }
    }
  }
  expect(compared).toBeGreaterThan(3);
}
