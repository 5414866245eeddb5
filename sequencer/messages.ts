import { readWide } from '../journal/amounts.ts';
import { COMMAND_BYTES } from '../journal/commands.ts';

/**
 * What a client and a gateway say to each other, little-endian.
 *
 * A **request** is a header of 16 bytes and 1 to 256 command records (journal/commands.ts). The gateway fills in each
 * record's session, request number and time, so a client leaves them zero.
 *
 * | byte | type | field | meaning |
 * |-----:|------|-------|---------|
 * |  0 | u32 | magic        | "VTRQ" |
 * |  4 | u16 | version      | 1 |
 * |  6 | u16 | count        | commands that follow |
 * |  8 | u32 | session      | 0 only for session-open commands |
 * | 12 | u32 | firstRequest | request number of the first command; the rest follow; 0 without a session |
 *
 * A **reply** is a header of 16 bytes and as many answers of 32 bytes, in the order of the commands, or, when `status` is
 * not 0, a UTF-8 JSON object {error, field, value, rule} in place of answers.
 *
 * | byte | type | field | meaning |
 * |-----:|------|-------|---------|
 * |  0 | u32 | magic   | "VTRP" |
 * |  4 | u16 | version | 1 |
 * |  6 | u16 | count   | answers that follow, or bytes of JSON |
 * |  8 | u16 | status  | {@link ReplyStatus} |
 * | 10 | u16 |         | zero |
 * | 12 | u32 | epoch   | low 32 bits of the epoch of the server that replies; 0 where that has none |
 *
 * | byte of answer | type | field | meaning |
 * |-----:|------|-------|---------|
 * |  0 | u64 | sequence | where the command was handled; of a repeat: where it was handled first |
 * |  8 | u64 | open     | lots open after it; of a session open: the session's number |
 * | 16 | u64 | traded   | lots it traded as taker; of a session open: the last request that was handled |
 * | 24 | u8  | reason   | journal/reasons.ts; 0: not rejected |
 * | 25 | u8  | repeat   | 1: the request had been handled before |
 * | 26 |     |          | zero |
 */
export const MESSAGE_HEADER_BYTES = 16;
const MESSAGE_VERSION = 1;
export const MESSAGE_COMMANDS_MAX = 256;
export const REQUEST_BYTES_MAX = MESSAGE_HEADER_BYTES + MESSAGE_COMMANDS_MAX * COMMAND_BYTES;
export const ANSWER_BYTES = 32;
export const ANSWER_WORDS = 8;
/** Word offsets of an answer. `tail` is the reason in its lowest byte and the repeat in the next one. */
export const ANSWER_WORD = { sequence: 0, open: 2, traded: 4, tail: 6 } as const;
const REQUEST_MAGIC = 0x5152_5456;
const REPLY_MAGIC = 0x5052_5456;

/** Why a gateway did not pass a message on. Nothing of such a message was sequenced. */
export const ReplyStatus = {
  ok: 0,
  /** Not a well-formed request. */
  malformed: 1,
  /** The client may not do this. */
  unauthorized: 2,
  /** The venue is full of work; send it again later, with the same request numbers. */
  busy: 3,
  /** The journal can not be written; what became of commands in flight is known after the venue is open again. */
  unavailable: 4,
  /** An earlier request of the session is missing; nothing of this message was sequenced. */
  requestGap: 5,
} as const;
export type ReplyStatusName = keyof typeof ReplyStatus;

/** A refusal that names the field, its value and the rule that it broke. */
export interface Refusal {
  readonly error: Exclude<ReplyStatusName, 'ok'>;
  readonly field: string;
  readonly value: string | number;
  readonly rule: string;
}

export interface Answer {
  readonly sequence: number;
  readonly open: number;
  readonly traded: number;
  readonly reason: number;
  readonly repeat: boolean;
}

/** Where the answers of a batch go. */
export interface AnswerSink {
  /**
   * Every command is done, as the ack policy promises: `count` answers as a reply carries them, in the order of the
   * commands, from word `at`. They are valid during the call. Of a command that had nothing to say only the sequence is
   * not zero.
   */
  done(answers: Uint32Array, at: number, count: number): void;
  /** The venue can not go on; what became of the commands is known when it is open again. */
  fail(why: string): void;
}

export interface RequestHeader {
  readonly count: number;
  readonly session: number;
  readonly firstRequest: number;
}

/** Puts a header before `commands`, the bytes of 1 to 256 records. */
export function encodeRequest(session: number, firstRequest: number, commands: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(MESSAGE_HEADER_BYTES + commands.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, REQUEST_MAGIC, true);
  view.setUint16(4, MESSAGE_VERSION, true);
  view.setUint16(6, commands.length / COMMAND_BYTES, true);
  view.setUint32(8, session, true);
  view.setUint32(12, firstRequest, true);
  bytes.set(commands, MESSAGE_HEADER_BYTES);
  return bytes;
}

/** The header of a request, or what is wrong with the message. Looks at lengths before anything else. */
export function checkRequest(bytes: Uint8Array): RequestHeader | Refusal {
  const malformed = (field: string, value: number, rule: string): Refusal => ({
    error: 'malformed',
    field,
    value,
    rule,
  });
  if (bytes.length > REQUEST_BYTES_MAX) {
    return malformed(
      'length',
      bytes.length,
      `at most ${REQUEST_BYTES_MAX} bytes: a header and ${MESSAGE_COMMANDS_MAX} commands`,
    );
  }
  if (bytes.length < MESSAGE_HEADER_BYTES + COMMAND_BYTES) {
    return malformed(
      'length',
      bytes.length,
      `at least ${MESSAGE_HEADER_BYTES + COMMAND_BYTES} bytes: a header and one command`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== REQUEST_MAGIC)
    return malformed('magic', view.getUint32(0, true), 'a request begins with "VTRQ"');
  if (view.getUint16(4, true) !== MESSAGE_VERSION)
    return malformed('version', view.getUint16(4, true), `this gateway speaks version ${MESSAGE_VERSION}`);
  const count = view.getUint16(6, true);
  if (bytes.length !== MESSAGE_HEADER_BYTES + count * COMMAND_BYTES) {
    return malformed(
      'count',
      count,
      `${bytes.length} bytes hold ${(bytes.length - MESSAGE_HEADER_BYTES) / COMMAND_BYTES} commands`,
    );
  }
  const session = view.getUint32(8, true);
  const firstRequest = view.getUint32(12, true);
  if (session === 0 && firstRequest !== 0) return malformed('firstRequest', firstRequest, 'zero without a session');
  if (session !== 0 && (firstRequest === 0 || firstRequest + count - 1 > 0xffff_ffff)) {
    return malformed('firstRequest', firstRequest, 'in a session, request numbers are 1 to 2^32 - 1');
  }
  return { count, session, firstRequest };
}

export function isRefusal(value: RequestHeader | Refusal): value is Refusal {
  return 'error' in value;
}

export function replyBytes(count: number): number {
  return MESSAGE_HEADER_BYTES + count * ANSWER_BYTES;
}

/** Writes a reply of `count` answers, copied from word `at`, into {@link replyBytes} that begin at a multiple of 4. */
export function encodeReply(answers: Uint32Array, at: number, count: number, reply: Uint8Array, epoch = 0): void {
  putReplyHeader(reply, count, ReplyStatus.ok, epoch);
  const words = new Uint32Array(reply.buffer, reply.byteOffset + MESSAGE_HEADER_BYTES, count * ANSWER_WORDS);
  words.set(answers.subarray(at, at + count * ANSWER_WORDS));
}

export function encodeRefusal(refusal: Refusal, epoch = 0): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(refusal));
  const bytes = new Uint8Array(MESSAGE_HEADER_BYTES + text.length);
  putReplyHeader(bytes, text.length, ReplyStatus[refusal.error], epoch);
  bytes.set(text, MESSAGE_HEADER_BYTES);
  return bytes;
}

function putReplyHeader(bytes: Uint8Array, count: number, status: number, epoch: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, MESSAGE_HEADER_BYTES);
  view.setUint32(0, REPLY_MAGIC, true);
  view.setUint16(4, MESSAGE_VERSION, true);
  view.setUint16(6, count, true);
  view.setUint16(8, status, true);
  view.setUint16(10, 0, true);
  view.setUint32(12, epoch >>> 0, true);
}

/** The epoch of the server that made a reply; 0 if it named none. */
export function replyEpoch(reply: Uint8Array): number {
  return new DataView(reply.buffer, reply.byteOffset, reply.length).getUint32(12, true);
}

/** Whether bytes begin like a reply of this version. */
export function isReply(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return (
    bytes.length >= MESSAGE_HEADER_BYTES &&
    view.getUint32(0, true) === REPLY_MAGIC &&
    view.getUint16(4, true) === MESSAGE_VERSION
  );
}

/** A reply as a client reads it. Throws if the bytes are not a reply. */
export function decodeReply(bytes: Uint8Array): Answer[] | Refusal {
  const answers = readReply(bytes);
  return answers instanceof Uint32Array ? decodeAnswers(answers, 0, answers.length / ANSWER_WORDS) : answers;
}

/** The answers of a reply as words, {@link ANSWER_WORDS} each, in memory of their own. Throws like {@link decodeReply}. */
export function readReply(bytes: Uint8Array): Uint32Array | Refusal {
  if (!isReply(bytes)) throw new RangeError('reply: the bytes are not a reply that this version reads');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const count = view.getUint16(6, true);
  if (view.getUint16(8, true) !== ReplyStatus.ok) {
    return JSON.parse(
      new TextDecoder().decode(bytes.subarray(MESSAGE_HEADER_BYTES, MESSAGE_HEADER_BYTES + count)),
    ) as Refusal;
  }
  if (bytes.length !== MESSAGE_HEADER_BYTES + count * ANSWER_BYTES)
    throw new RangeError(`reply: ${bytes.length} bytes can not hold ${count} answers`);
  // A copy, because a message may begin anywhere in its buffer; and not by slice, which of a Buffer is no copy.
  return new Uint32Array(new Uint8Array(bytes.subarray(MESSAGE_HEADER_BYTES)).buffer);
}

/** `count` answers from word `at`, as objects. */
export function decodeAnswers(words: Uint32Array, at: number, count: number): Answer[] {
  return Array.from({ length: count }, (_, index) => {
    const from = at + index * ANSWER_WORDS;
    const tail = words[from + ANSWER_WORD.tail] as number;
    return {
      sequence: readWide(words, from + ANSWER_WORD.sequence),
      open: readWide(words, from + ANSWER_WORD.open),
      traded: readWide(words, from + ANSWER_WORD.traded),
      reason: tail & 255,
      repeat: ((tail >>> 8) & 1) === 1,
    };
  });
}
