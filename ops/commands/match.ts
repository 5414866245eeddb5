import { createReadStream } from 'node:fs';
import { addAbortSignal, type Readable } from 'node:stream';
import type { Command as CommanderCommand } from 'commander';
import { hashOf } from '../../journal/chain.ts';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { EVENT_WORD, EVENT_WORDS } from '../../journal/events.ts';
import type { VenueLimits } from '../../journal/genesis.ts';
import { recordsOf } from '../../journal/order-terms.ts';
import { encodeState } from '../../replicas/canonical-state.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { type BookLevel, createMatcher, type Matcher } from '../../replicas/matcher.ts';
import type { AsciiText } from '../ascii-text.ts';
import { grouped, rateOf, wholeNumber, withExamples } from '../cli/arguments.ts';
import { Interruption } from '../cli/interruption.ts';
import { Progress } from '../cli/progress.ts';
import { printResult, usageFields } from '../cli/result.ts';
import { TextOutput } from '../cli/text-output.ts';
import { UsageError } from '../exit-codes.ts';
import { OP_WORDS, parseCommand, type SymbolDirectory } from '../ndjson/ndjson-commands.ts';
import { EventCounts, EventLines } from '../ndjson/ndjson-events.ts';
import { readLines } from '../ndjson/ndjson-lines.ts';

/** Room for large files; the memory is taken only as it is used. */
const MATCH_LIMITS: VenueLimits = {
  ordersMax: 2 ** 22,
  levelPagesMax: 2 ** 16,
  instrumentsMax: 2 ** 12,
  sessionsMax: 1,
  answersPerSessionMax: 1,
  accountsMax: 2 ** 16,
  balancesMax: 2 ** 18,
};
const EVENT_SLOTS = 4_096;
const READ_BYTES = 1 << 20;
const DEPTH_DEFAULT = 10;
const DEPTH_MAX = 1_000_000;

export function registerMatch(program: CommanderCommand): void {
  const command = program
    .command('match')
    .description(
      'Matches commands, one JSON object a line, and prints the events, one a line; docs/ndjson.md has the fields of both. No ' +
        `disk, no network. Holds up to ${grouped(MATCH_LIMITS.ordersMax)} live orders and ` +
        `${grouped(MATCH_LIMITS.instrumentsMax)} instruments. Ops: ${OP_WORDS}.`,
    )
    .argument('[file]', 'commands (NDJSON); the standard input if there is none, or -')
    .option('--book', 'after each command, print the book of its instrument')
    .option('--depth <levels>', 'levels of a book that are printed', wholeNumber(1, DEPTH_MAX), DEPTH_DEFAULT)
    .option('--json', 'print one object that sums everything up, in place of the events')
    .action(match);
  withExamples(
    command,
    `echo '{"op":"new","symbol":"ACME","account":1,"id":1,"side":"buy","price":100,"qty":5}' | veritape match --book`,
    `echo '{"op":"new","symbol":"ACME","account":1,"id":2,"side":"sell","type":"stop","stopPrice":95,"qty":5}' | veritape match`,
    'veritape match commands.ndjson --json',
  );
}

interface MatchOptions {
  readonly book?: boolean;
  readonly depth: number;
  readonly json?: boolean;
}

async function match(file: string | undefined, options: MatchOptions): Promise<void> {
  using interruption = new Interruption();
  using progress = process.stdout.isTTY && !options.json ? undefined : await Progress.start('match');
  const source = openInput(file);
  addAbortSignal(interruption.signal, source);
  const output = new TextOutput(process.stdout);
  const matching = new Matching();
  const started = performance.now();
  let wrong: UsageError | undefined;
  try {
    let line = 0;
    for await (const lines of readLines(source)) {
      for (const text of lines) {
        line++;
        if (text.trim() === '') continue;
        matching.apply(parseCommand(text, line, matching));
        if (!options.json) {
          matching.print(options.book ? options.depth : 0);
          if (matching.text.full) await output.write(matching.text.take());
        }
        matching.done();
      }
      await output.write(matching.text.take());
      progress?.update(() => matching.told(performance.now() - started));
      if (output.gone || interruption.requested) break;
    }
  } catch (error) {
    if (error instanceof UsageError) wrong = error;
    else if (!interruption.requested) throw error;
  }
  const elapsedMs = performance.now() - started;
  progress?.stop();
  await output.write(matching.text.take());
  await output.end();
  const complete = wrong === undefined && !interruption.requested;
  if (options.json)
    await printResult({ complete, ...matching.summary(options.depth, elapsedMs, wrong) }, true, () => '');
  if (interruption.requested) throw interruption.error(`stopped after ${matching.told(elapsedMs)}`);
  if (wrong !== undefined) throw wrong;
}

function openInput(file: string | undefined): Readable {
  if (file !== undefined && file !== '-') return createReadStream(file, { highWaterMark: READ_BYTES });
  if (process.stdin.isTTY) process.stderr.write('reads commands, one JSON object a line; Ctrl-D ends\n');
  return process.stdin;
}

/** A matcher that creates the instruments that commands name, and numbers the commands as if it did not. */
class Matching implements SymbolDirectory {
  readonly counts = new EventCounts();
  readonly #events = new EventBuffer(EVENT_SLOTS);
  readonly #matcher: Matcher = createMatcher(MATCH_LIMITS, this.#events);
  readonly #lines = new EventLines();
  readonly #words = new Uint32Array(COMMAND_WORDS);
  readonly #ids = new Map<string, number>();
  #command: Command = { op: 'massCancel' };
  #seq = 0;

  /** What was printed and is not written yet. */
  get text(): AsciiText {
    return this.#lines.text;
  }

  idOf(name: string): number {
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    const symbol = this.#ids.size;
    if (symbol >= MATCH_LIMITS.instrumentsMax) {
      throw new UsageError('symbol', name, `at most ${MATCH_LIMITS.instrumentsMax} instruments are possible here`);
    }
    encodeCommand(this.#words, 0, { op: 'instrumentCreate', symbol, name });
    this.#matcher.apply(this.#words, 0);
    this.#events.clear();
    this.#lines.name(symbol, name);
    this.#ids.set(name, symbol);
    return symbol;
  }

  apply(command: Command): void {
    this.#command = command;
    this.#seq++;
    for (const record of recordsOf(command)) {
      encodeCommand(this.#words, 0, record);
      this.#matcher.apply(this.#words, 0);
    }
    this.counts.add(this.#events.words, this.#events.next);
  }

  /** The command's events and, with a depth, its instrument's book; of one for all instruments, those it changed. */
  print(depth: number): void {
    const { words, next } = this.#events;
    this.#lines.command(this.#seq, words, next);
    if (depth === 0) return;
    const symbols = new Set<number>();
    if (this.#command.symbol !== undefined) symbols.add(this.#command.symbol);
    else for (let slot = 0; slot < next; slot++) symbols.add(words[slot * EVENT_WORDS + EVENT_WORD.symbol] as number);
    for (const symbol of symbols) this.#lines.book(this.#seq, symbol, this.#matcher.book(symbol, depth));
  }

  /** Forgets the command's events. */
  done(): void {
    this.#events.clear();
  }

  told(elapsedMs: number): string {
    const rate = grouped(rateOf(this.#seq, elapsedMs));
    return `${grouped(this.#seq)} commands, ${grouped(this.counts.trades)} trades, ${rate} commands/s`;
  }

  summary(depth: number, elapsedMs: number, wrong: UsageError | undefined): object {
    const { accepted, rejected, trades, canceled, replaced } = this.counts;
    const book: Record<string, { bids: BookLevel[]; asks: BookLevel[] }> = {};
    for (const [name, symbol] of this.#ids) book[name] = this.#matcher.book(symbol, depth);
    return {
      commands: this.#seq,
      accepted,
      rejected,
      trades,
      canceled,
      replaced,
      resting: this.#matcher.state.orders.live(),
      instruments: this.#ids.size,
      stateHash: hashOf(encodeState(this.#matcher.state)).toString('hex'),
      elapsedMs: Math.round(elapsedMs),
      commandsPerSecond: rateOf(this.#seq, elapsedMs),
      book,
      ...(wrong === undefined ? {} : { error: usageFields(wrong) }),
    };
  }
}
