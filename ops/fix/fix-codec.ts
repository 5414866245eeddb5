import { RejectReason, SOH, Tag, tagName } from './fix-tags.ts';

/**
 * FIX in its tag=value form: fields end with SOH (1), and a message is
 *
 * | field | what |
 * |-------|------|
 * | 8=BeginString | first; FIX.4.4 or FIXT.1.1 |
 * | 9=BodyLength | second; bytes from behind its SOH to the SOH before 10= |
 * | 35=MsgType | third |
 * | ... | header and body |
 * | 10=CheckSum | last; three digits: the sum of all bytes before it, modulo 256 |
 *
 * Bytes are characters of Latin-1 here, so that none is lost or changed.
 */
const SOH_BYTE = 1;
/** `10=ddd` and its SOH. */
const TRAILER_BYTES = 7;
/** BeginString and BodyLength with their SOHs take no more. */
const HEAD_BYTES_MAX = 32;
/** Longest body that is read. The longest message that the gateway knows has some 400 bytes. */
const BODY_BYTES_MAX = 16_384;
/** Fields of a message, at most. */
const FIELDS_MAX = 512;
/** BeginString may be anything that begins so, here; the session looks at what it is. */
const HEAD = new RegExp(`^8=([^${SOH}]{1,16})${SOH}9=(\\d{1,6})${SOH}`);
/** What may become one. */
const HEAD_BEGUN = new RegExp(`^8=([^${SOH}]{0,16}|[^${SOH}]{1,16}${SOH}(9(=\\d{0,6})?)?)$`);
const TRAILER = new RegExp(`^10=\\d{3}${SOH}$`);
/** Fields of raw data by the field that tells their length: they may hold SOH. */
const DATA_TAGS: ReadonlyMap<number, number> = new Map([
  [90, 91],
  [93, 89],
  [95, 96],
  [212, 213],
  [348, 349],
  [350, 351],
  [352, 353],
  [354, 355],
  [356, 357],
  [358, 359],
  [360, 361],
  [362, 363],
  [364, 365],
  [445, 446],
  [618, 619],
  [621, 622],
]);

/**
 * Repeating groups that peers may send, by the field that tells how many entries there are: what each entry begins with, and what
 * else it may have. Hops of the header, message types of a Logon, parties of an order. Groups in groups are counted together.
 */
const GROUPS: ReadonlyMap<number, readonly number[]> = new Map([
  [627, [628, 629, 630]],
  [384, [372, 385, 1130, 1131, 1406, 1410]],
  [453, [448, 447, 452, 802, 2376]],
  [802, [523, 803]],
]);

export type FixField = readonly [tag: number, value: string];

/** What is wrong with a message whose frame is right: FIX 373 and 371. */
export interface FieldFault {
  readonly reason: number;
  readonly tag: number | undefined;
  readonly text: string;
}

/** The fields of a message but for BodyLength and CheckSum, in order. */
export class FixMessage {
  readonly fields: readonly FixField[];
  readonly fault: FieldFault | undefined;
  readonly #values = new Map<number, string>();

  constructor(fields: readonly FixField[], fault?: FieldFault) {
    this.fields = fields;
    let twice: FieldFault | undefined;
    /** What may come again, because the group that it is of has begun. */
    const repeatable = new Set<number>();
    for (const [tag, value] of fields) {
      for (const member of GROUPS.get(tag) ?? []) repeatable.add(member);
      if (!this.#values.has(tag)) this.#values.set(tag, value);
      else if (!repeatable.has(tag))
        twice ??= { reason: RejectReason.tagTwice, tag, text: `${tagName(tag)}: it is there twice` };
    }
    this.fault = fault ?? twice ?? wrongCount(fields, this.#values);
  }

  get type(): string {
    return this.#values.get(Tag.MsgType) ?? '';
  }

  get(tag: number): string | undefined {
    return this.#values.get(tag);
  }

  /** A number of digits only, as sequence numbers are; undefined if it is not there or is something else. */
  whole(tag: number): number | undefined {
    const text = this.#values.get(tag);
    return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  }

  has(tag: number): boolean {
    return this.#values.has(tag);
  }

  isYes(tag: number): boolean {
    return this.#values.get(tag) === 'Y';
  }
}

/** A group with another number of entries than the message says. */
function wrongCount(fields: readonly FixField[], values: ReadonlyMap<number, string>): FieldFault | undefined {
  for (const [tag, [first]] of GROUPS) {
    if (!values.has(tag)) continue;
    const counts = fields
      .filter(([one]) => one === tag)
      .map(([, value]) => (/^\d{1,3}$/.test(value) ? Number(value) : -1));
    if (counts.includes(-1))
      return { reason: RejectReason.dataFormat, tag, text: `${tagName(tag)}: it must be a number of entries` };
    const told = counts.reduce((sum, count) => sum + count, 0);
    const there = fields.filter(([one]) => one === first).length;
    if (told !== there) {
      const text = `${tagName(tag)}: ${told} must be the number of entries, each beginning with ${tagName(first as number)}: ${there}`;
      return { reason: RejectReason.groupCount, tag, text };
    }
  }
  return undefined;
}

/** What a stream of bytes holds next. Garbled bytes are nobody's message: FIX wants them passed over. */
export type Frame =
  | { readonly kind: 'message'; readonly message: FixMessage }
  | { readonly kind: 'garbled'; readonly why: string }
  /** Nothing more can be read from here. */
  | { readonly kind: 'tooLong'; readonly why: string };

/** Cuts a stream of bytes into messages. */
export class FixFramer {
  #bytes: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
  }

  /** The next message, or undefined until more bytes have come. */
  next(): Frame | undefined {
    const bytes = this.#bytes;
    if (bytes.length < 2)
      return bytes.length === 1 && bytes[0] !== 0x38 ? this.#resume('no 8= at the start') : undefined;
    if (bytes[0] !== 0x38 || bytes[1] !== 0x3d) return this.#resume('no 8= at the start');
    const head = HEAD.exec(bytes.toString('latin1', 0, HEAD_BYTES_MAX));
    if (head === null) {
      if (bytes.length < HEAD_BYTES_MAX && HEAD_BEGUN.test(bytes.toString('latin1'))) return undefined;
      return this.#resume('no BodyLength behind BeginString');
    }
    const bodyAt = head[0].length;
    const bodyBytes = Number(head[2]);
    if (bodyBytes > BODY_BYTES_MAX)
      return { kind: 'tooLong', why: `BodyLength: ${bodyBytes} must be at most ${BODY_BYTES_MAX}` };
    const trailerAt = bodyAt + bodyBytes;
    if (bytes.length < trailerAt + TRAILER_BYTES) return undefined;
    const trailer = bytes.toString('latin1', trailerAt, trailerAt + TRAILER_BYTES);
    // Without a trailer there the length is wrong, and messages behind this one may be within it.
    if (bytes[trailerAt - 1] !== SOH_BYTE || !TRAILER.test(trailer))
      return this.#resume(`no CheckSum where BodyLength ${bodyBytes} says`);
    const sum = checkSum(bytes.subarray(0, trailerAt));
    this.#bytes = bytes.subarray(trailerAt + TRAILER_BYTES);
    if (Number(trailer.slice(3, 6)) !== sum)
      return { kind: 'garbled', why: `CheckSum: ${trailer.slice(3, 6)} must be ${threeDigits(sum)}` };
    if (bytes.toString('latin1', bodyAt, bodyAt + 3) !== '35=')
      return { kind: 'garbled', why: 'MsgType is not the third field' };
    return { kind: 'message', message: parseBody(head[1] as string, bytes.toString('latin1', bodyAt, trailerAt)) };
  }

  /** Goes on with the next thing that may be a message. */
  #resume(why: string): Frame {
    const next = this.#bytes.indexOf(`${SOH}8=`, 0, 'latin1');
    if (next >= 0) this.#bytes = this.#bytes.subarray(next + 1);
    // The beginning of the next message may have come with the rest of this one.
    else this.#bytes = endsLikeStart(this.#bytes);
    return { kind: 'garbled', why };
  }
}

function endsLikeStart(bytes: Buffer): Buffer {
  const last = bytes.at(-1);
  if (last === 0x38 && bytes.at(-2) === SOH_BYTE) return bytes.subarray(-1);
  return Buffer.alloc(0);
}

function parseBody(beginString: string, body: string): FixMessage {
  const fields: FixField[] = [[Tag.BeginString, beginString]];
  let fault: FieldFault | undefined;
  let dataTag: number | undefined;
  let dataLength = 0;
  for (let at = 0; at < body.length; ) {
    const equals = body.indexOf('=', at);
    let end = body.indexOf(SOH, at);
    const name = equals < 0 || equals > end ? body.slice(at, end) : body.slice(at, equals);
    if (equals < 0 || equals > end || !/^[1-9]\d{0,8}$/.test(name)) {
      fault ??= {
        reason: RejectReason.invalidTag,
        tag: undefined,
        text: `tag: "${name.slice(0, 32)}" must be a number`,
      };
      at = end + 1;
      continue;
    }
    const tag = Number(name);
    if (tag === dataTag && body[equals + 1 + dataLength] === SOH) end = equals + 1 + dataLength;
    const value = body.slice(equals + 1, end);
    if (value === '') {
      fault ??= { reason: RejectReason.tagWithoutValue, tag, text: `${tagName(tag)}: it has no value` };
    }
    fields.push([tag, value]);
    dataTag = DATA_TAGS.get(tag);
    dataLength = dataTag !== undefined && /^\d{1,5}$/.test(value) ? Number(value) : 0;
    at = end + 1;
    if (fields.length > FIELDS_MAX) {
      fault = { reason: RejectReason.other, tag: undefined, text: `fields: a message has at most ${FIELDS_MAX}` };
      break;
    }
  }
  return new FixMessage(fields, fault);
}

/** A message in bytes; `fields` begin with MsgType. */
export function encodeMessage(beginString: string, fields: readonly FixField[]): Buffer {
  const body = fieldsText(fields);
  const start = `8=${beginString}${SOH}9=${body.length}${SOH}${body}`;
  const bytes = Buffer.alloc(start.length + TRAILER_BYTES);
  bytes.write(start, 'latin1');
  bytes.write(`10=${threeDigits(checkSum(bytes.subarray(0, start.length)))}${SOH}`, start.length, 'latin1');
  return bytes;
}

function fieldsText(fields: readonly FixField[]): string {
  let text = '';
  for (const [tag, value] of fields) text += `${tag}=${value}${SOH}`;
  return text;
}

function checkSum(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return sum & 255;
}

function threeDigits(sum: number): string {
  return String(sum).padStart(3, '0');
}

/** YYYYMMDD-HH:MM:SS.sss of a time in milliseconds since the Unix epoch. */
export function utcTimestamp(ms: number): string {
  return new Date(ms).toISOString().replaceAll('-', '').replace('T', '-').slice(0, -1);
}

/** Milliseconds since the Unix epoch, or undefined if it is no UTCTimestamp. */
export function parseUtcTimestamp(text: string): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)-(\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?$/.exec(text);
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = ''] = parts;
  // A leap second is the second after it.
  const leaps = second === '60';
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${leaps ? '59' : second}.${fraction.padEnd(3, '0').slice(0, 3)}Z`;
  const ms = Date.parse(iso);
  return Number.isNaN(ms) || utcTimestamp(ms).slice(0, 8) !== text.slice(0, 8) ? undefined : ms + (leaps ? 1000 : 0);
}
