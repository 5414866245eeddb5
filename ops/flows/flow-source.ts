import { createReadStream, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { encodeMessages } from '../../bench/challenge-run.ts';
import { decodeWorkload } from '../../bench/challenge-workload.ts';
import { COMMAND_WORD, COMMAND_WORDS, type Command, decodeName, encodeCommand, Op } from '../../journal/commands.ts';
import { recordsOf } from '../../journal/order-terms.ts';
import { UsageError } from '../exit-codes.ts';
import type { FlowSummary } from '../marketdata/flow-recorder.ts';
import { openFlow } from '../marketdata/open-flow.ts';
import { FLOW_FORMATS, type FlowBatch } from '../marketdata/order-flow.ts';
import { parseSentCommand, type SymbolDirectory } from '../ndjson/ndjson-commands.ts';
import { readLines } from '../ndjson/ndjson-lines.ts';

export const SOURCE_FORMATS = ['ndjson', 'challenge', ...FLOW_FORMATS] as const;
export type SourceFormat = (typeof SOURCE_FORMATS)[number];

/** What the venue knows of instruments, and what to do about those it does not know. */
export interface SourceInstruments {
  readonly known: ReadonlyMap<string, number>;
  /** Creates instruments before the first command that names them; without it such commands are rejected. */
  readonly create?: ((creations: readonly Command[]) => Promise<void>) | undefined;
}

export interface SourceOptions {
  /** Taken from the content and the name when not given. */
  readonly format?: SourceFormat | undefined;
  readonly instruments: SourceInstruments;
  /** Name of the one instrument of a challenge file, or of a LOBSTER file. */
  readonly symbol?: string | undefined;
  readonly tick?: string | undefined;
  /** Challenge: orders are spread over this many accounts, from 1. */
  readonly accounts: number;
}

export interface FlowSource {
  readonly format: SourceFormat;
  readonly batches: AsyncIterable<FlowBatch>;
  /** Market data: what the file held, and what of it could not be expressed; complete when the batches are. */
  readonly marketData: FlowSummary | undefined;
}

/** No instrument has this id: a command that names it is rejected with `unknownSymbol`. */
const NO_SYMBOL = 4_294_967_295;
/** "MEBW_001" read as text: the first bytes of a challenge file, reversed. */
const CHALLENGE_FIRST_BYTES = Buffer.from('4d4542575f303031', 'hex').reverse();
/** Commands in a batch of a source that has more at hand. */
export const SOURCE_BATCH_COMMANDS = 256;

/** Opens a file of commands, or the standard input for `-`. */
export async function openFlowSource(path: string, options: SourceOptions): Promise<FlowSource> {
  const format = options.format ?? (await guessFormat(path));
  if (format === 'ndjson') {
    const batches = ndjsonBatches(path, new Directory(options.instruments));
    return { format, batches, marketData: undefined };
  }
  if (format === 'challenge') {
    return { format, batches: challengeBatches(path, options), marketData: undefined };
  }
  const flow = await openFlow(path, {
    ...(format === undefined ? {} : { format }),
    ...(options.symbol === undefined ? {} : { name: options.symbol }),
    ...(options.tick === undefined ? {} : { tick: options.tick }),
  });
  const batches = marketDataBatches(flow.batches, new Directory(options.instruments));
  return { format: flow.format, batches, marketData: flow.summary };
}

/** Undefined when only the market-data readers can tell. */
async function guessFormat(path: string): Promise<SourceFormat | undefined> {
  if (path === '-' || /\.(ndjson|jsonl)$/.test(path)) return 'ndjson';
  const file = await open(path, 'r');
  try {
    if ((await file.stat()).isDirectory()) throw new UsageError('file', path, 'is a folder');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0);
    if (bytesRead === 8 && buffer.equals(CHALLENGE_FIRST_BYTES)) return 'challenge';
    return buffer[0] === 0x7b ? 'ndjson' : undefined;
  } finally {
    await file.close();
  }
}

/** Gives names their ids, and collects the creations that must come first. */
class Directory implements SymbolDirectory {
  readonly #ids: Map<string, number>;
  readonly #create: SourceInstruments['create'];
  #next: number;
  #creations: Command[] = [];

  constructor(instruments: SourceInstruments) {
    this.#ids = new Map(instruments.known);
    this.#create = instruments.create;
    this.#next = Math.max(-1, ...this.#ids.values()) + 1;
  }

  idOf(name: string): number {
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    if (this.#create === undefined) return NO_SYMBOL;
    const symbol = this.#next++;
    this.#ids.set(name, symbol);
    this.#creations.push({ op: 'instrumentCreate', account: 0, symbol, name });
    return symbol;
  }

  /** Has what was asked for since the last call created. */
  async settle(): Promise<void> {
    if (this.#creations.length > 0) await this.#create?.(this.#creations.splice(0));
  }
}

async function* ndjsonBatches(path: string, directory: Directory): AsyncGenerator<FlowBatch> {
  let words = new Uint32Array(SOURCE_BATCH_COMMANDS * COMMAND_WORDS);
  let count = 0;
  let line = 0;
  const source = path === '-' ? process.stdin : createReadStream(path);
  for await (const lines of readLines(source)) {
    for (const text of lines) {
      line++;
      if (text.trim() === '') continue;
      for (const record of recordsOf(parseSentCommand(text, line, directory))) {
        encodeCommand(words, count * COMMAND_WORDS, record);
        if (++count < SOURCE_BATCH_COMMANDS) continue;
        await directory.settle();
        yield { words, count };
        words = new Uint32Array(SOURCE_BATCH_COMMANDS * COMMAND_WORDS);
        count = 0;
      }
    }
    // What came together goes together: somebody typing wants an answer to each line.
    if (count === 0) continue;
    await directory.settle();
    yield { words, count };
    words = new Uint32Array(SOURCE_BATCH_COMMANDS * COMMAND_WORDS);
    count = 0;
  }
}

async function* challengeBatches(path: string, options: SourceOptions): AsyncGenerator<FlowBatch> {
  let commands: Uint32Array;
  try {
    commands = encodeMessages(decodeWorkload(readFileSync(path)));
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError('file', path, error.message);
    throw error;
  }
  const directory = new Directory(options.instruments);
  const symbol = directory.idOf(options.symbol ?? 'CHALLENGE');
  await directory.settle();
  for (let at = 0; at < commands.length; at += COMMAND_WORDS) {
    commands[at + COMMAND_WORD.symbol] = symbol;
    commands[at + COMMAND_WORD.account] = 1 + ((commands[at + COMMAND_WORD.id] as number) % options.accounts);
  }
  for (let at = 0; at < commands.length; at += SOURCE_BATCH_COMMANDS * COMMAND_WORDS) {
    const words = commands.subarray(at, at + SOURCE_BATCH_COMMANDS * COMMAND_WORDS);
    yield { words, count: words.length / COMMAND_WORDS };
  }
}

/** A market-data flow numbers its instruments itself and creates them in passing; here the venue's numbers take their place. */
async function* marketDataBatches(batches: AsyncIterable<FlowBatch>, directory: Directory): AsyncGenerator<FlowBatch> {
  const symbols = new Map<number, number>();
  for await (const { words, count } of batches) {
    let kept = 0;
    for (let index = 0; index < count; index++) {
      const at = index * COMMAND_WORDS;
      const own = words[at + COMMAND_WORD.symbol] as number;
      if (((words[at] as number) & 255) === Op.instrumentCreate) {
        symbols.set(own, directory.idOf(decodeName(words, at + COMMAND_WORD.id)));
        continue;
      }
      words[at + COMMAND_WORD.symbol] = symbols.get(own) ?? NO_SYMBOL;
      words.copyWithin(kept * COMMAND_WORDS, at, at + COMMAND_WORDS);
      kept++;
    }
    await directory.settle();
    if (kept > 0) yield { words, count: kept };
  }
}

/** Whether a record creates a new order: what people mean by "orders". */
export function isNewOrder(words: Uint32Array, at: number): boolean {
  return ((words[at] as number) & 255) === Op.new;
}
