import { readWide, writeWide } from '../journal/amounts.ts';
import { EVENT_BYTES } from '../journal/events.ts';

/**
 * Execution reports told again. A client asks with JSON, {@link ReportsAsked}; the reply is a header of 32 bytes and event
 * records (journal/events.ts), oldest first, or a refusal as messages.ts has it. Little-endian.
 *
 * | byte | type | field | meaning |
 * |-----:|------|-------|---------|
 * |  0 | u32 | magic    | "VTRE" |
 * |  4 | u16 | version  | 1 |
 * |  6 | u16 | count    | records that follow |
 * |  8 | u64 | through  | the last sequence that the venue had let out |
 * | 16 | u8  | complete | 1: no more came after the sequence asked for, up to that one; 0: ask again, and pass these over |
 * | 17 |     |          | zero |
 */
const HEADER_BYTES = 32;
const MAGIC = 0x4552_5456;
const VERSION = 1;
/** A reply stays well below the 1 MiB that a NATS server lets through unless told otherwise. */
export const REPORTS_PER_REPLY_MAX = 8_192;

/**
 * What a client asks for: the reports of an account that came after a sequence, or, with `live`, its orders that are in the book
 * after the sequence `through`, as events of type `status`.
 */
export interface ReportsAsked {
  readonly account: number;
  readonly live?: boolean | undefined;
  readonly after: number;
  /** So many of those are known already, from the reply before. */
  readonly passed: number;
}

export interface ReportsTold {
  /** Event records. */
  readonly words: Uint32Array;
  readonly through: number;
  readonly isComplete: boolean;
}

export function encodeReports({ words, through, isComplete }: ReportsTold): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + words.length * 4);
  const header = new Uint32Array(bytes.buffer, 0, HEADER_BYTES / 4);
  header[0] = MAGIC;
  header[1] = VERSION | (((words.length * 4) / EVENT_BYTES) << 16);
  writeWide(header, 2, through);
  header[4] = isComplete ? 1 : 0;
  new Uint32Array(bytes.buffer, HEADER_BYTES).set(words);
  return bytes;
}

/** Undefined if the bytes are something else, as a refusal is. Throws a RangeError if they are half a reply. */
export function decodeReports(bytes: Uint8Array): ReportsTold | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  // A copy, because a message may begin anywhere in its buffer.
  const words = new Uint32Array(new Uint8Array(bytes.subarray(0, bytes.length & ~3)).buffer);
  if (words[0] !== MAGIC) return undefined;
  const [version, count] = [(words[1] as number) & 0xffff, (words[1] as number) >>> 16];
  if (version !== VERSION) throw new RangeError(`version: ${version}, and this client reads version ${VERSION}`);
  if (bytes.length !== HEADER_BYTES + count * EVENT_BYTES)
    throw new RangeError(`count: ${count} reports do not fit ${bytes.length} bytes`);
  return { words: words.subarray(HEADER_BYTES / 4), through: readWide(words, 2), isComplete: words[4] === 1 };
}

/** What was asked for, or undefined if it was nothing that can be. */
export function readReportsAsked(bytes: Uint8Array): ReportsAsked | undefined {
  try {
    const { account, after, passed, live } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    if (![account, after, passed].every((value) => Number.isSafeInteger(value) && Number(value) >= 0)) return undefined;
    return Number(account) > 0xffff_ffff
      ? undefined
      : { account: Number(account), after: Number(after), passed: Number(passed), live: live === true };
  } catch {
    return undefined;
  }
}
