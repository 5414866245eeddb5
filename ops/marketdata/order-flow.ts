import { FlowRecorder, type FlowSummary } from './flow-recorder.ts';

export type FlowFormat = 'lobster' | 'itch' | 'dbn';
export const FLOW_FORMATS: readonly FlowFormat[] = ['lobster', 'itch', 'dbn'];

export interface FlowOptions {
  /** Taken from the content and the file name when not given. */
  readonly format?: FlowFormat | undefined;
  /** Instruments to keep, by name; all of them when not given. */
  readonly instruments?: readonly string[] | undefined;
  /** LOBSTER: name of the file's one instrument; taken from the file name when not given. */
  readonly name?: string | undefined;
  /** Price of one tick, a decimal number: '0.01' when not given. Finer prices of the file can not be expressed. */
  readonly tick?: string | undefined;
  /** Owner of the orders that rest, 1 when not given. */
  readonly account?: number | undefined;
  /** Owner of the orders that execute them, 2 when not given. */
  readonly takerAccount?: number | undefined;
  /** Instrument id of the first instrument, 0 when not given; the others follow in order of their first order. */
  readonly firstSymbol?: number | undefined;
  /** Whether each instrument's first order is preceded by its creation, as account 0; true when not given. */
  readonly createInstruments?: boolean | undefined;
  /** Databento: the publisher to keep; the first one of the file when not given. */
  readonly publisher?: number | undefined;
  /** Orders that may be live in the file at once; a bound on memory, at most and when not given {@link KNOWN_ORDERS_MAX}. */
  readonly ordersMax?: number | undefined;
}

/** Command records, sixteen words each, back to back; `words` may be longer. It is the reader's to keep. */
export interface FlowBatch {
  readonly words: Uint32Array;
  readonly count: number;
}

/**
 * The orders that a market-data file tells of, as commands: account, symbol, id, price and quantity are set, `time` is the
 * message's own (nanoseconds since midnight, Databento: since the Unix epoch), session and request are zero.
 *
 * An execution of a resting order becomes an immediate-or-cancel limit order of the opposite side, at the resting order's
 * price and for the executed quantity. Who trades with it is decided by the matcher's price-time priority, not by the
 * file: if the file executed an order that was not first in line, the matcher trades with the one that is.
 */
export interface OrderFlow {
  readonly format: FlowFormat;
  /** Counts so far; complete when the batches are. */
  readonly summary: FlowSummary;
  /** Names of the instruments so far; the first has the id {@link FlowOptions.firstSymbol}, and so on. */
  readonly names: readonly string[];
  /** To be read once. Nothing is read ahead of what is asked for but one piece of the file. */
  readonly batches: AsyncIterable<FlowBatch>;
}

/** The bytes of a file; once they are read, what is missing at its end, if it is known to end too early. */
export type FlowSource = AsyncIterable<Uint8Array> & { readonly cutOff?: string | undefined };

/** Turns bytes of one format into commands on its recorder. */
export interface FlowDecoder {
  /** Decodes the whole messages at the start of `bytes` and says how many bytes they took. */
  decode(bytes: Uint8Array): number;
  /** The file is over; `rest` is what decode left. Says what is missing if that is not a whole message. */
  finish(rest: Uint8Array): string | undefined;
}

const NO_BYTES = new Uint8Array(0);

/** The flow of `source`, whose bytes are decoded as they are asked for. `decoderOf` gets the flow's recorder. */
export function decodeFlow(
  format: FlowFormat,
  file: string,
  source: FlowSource,
  options: FlowOptions,
  decoderOf: (recorder: FlowRecorder) => FlowDecoder,
): OrderFlow {
  const recorder = new FlowRecorder(format, file, options);
  const decoder = decoderOf(recorder);

  async function* batches(): AsyncGenerator<FlowBatch> {
    let rest: Uint8Array = NO_BYTES;
    try {
      for await (const piece of source) {
        const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
        recorder.summary.bytes += piece.length;
        rest = bytes.subarray(decoder.decode(bytes));
        yield* recorder.fullBatches();
      }
      const missing = [decoder.finish(rest), source.cutOff].filter((part) => part !== undefined);
      if (missing.length > 0) recorder.summary.truncated = missing.join('; ');
    } catch (error) {
      // What came before the fault is good.
      yield* recorder.allBatches();
      throw error;
    }
    yield* recorder.allBatches();
  }

  return { format, summary: recorder.summary, names: recorder.names, batches: batches() };
}
