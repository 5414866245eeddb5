import { TWO_32 } from '../../journal/amounts.ts';

/**
 * The head of a Databento DBN file, little-endian, in versions 1 to 3. A "text" is ASCII, padded with zeros.
 *
 * | byte | type | field |
 * |-----:|------|-------|
 * | 0 | char[3] | "DBN" |
 * | 3 | u8 | version |
 * | 4 | u32 | length of what follows, up to the first record |
 * | 8 | text[16] | dataset |
 * | 24 | u16 | schema: 0 is market-by-order, 65,535 several |
 * | 26 | u64 | start of the request, nanoseconds since the Unix epoch |
 * | 34 | u64 | end |
 * | 42 | u64 | limit |
 * | 50 | u64 | record count, in version 1 only; what follows is 8 bytes earlier in versions 2 and 3 |
 * | 58 | u8 | kind of the symbols asked for; 0 is instrument id |
 * | 59 | u8 | kind of the symbols given |
 * | 60 | u8 | 1 if every record ends with its send time |
 * | 61 | u16 | length of a symbol text, in versions 2 and 3; 22 in version 1 |
 * |    |     | zeros, up to byte 108 |
 * | 108 | u32 | length of a schema definition, zero so far |
 * | 112 | u32, text[] | symbols asked for: how many, and each |
 * |    | u32, text[] | those found on some days only |
 * |    | u32, text[] | those not found |
 * |    | u32, mapping[] | mappings: text symbol, u32 intervals; each u32 first day, u32 day after the last (YYYYMMDD), text symbol |
 */
export const DBN_PRELUDE_BYTES = 8;
const DBN_VERSION_MAX = 3;
export const DBN_MAGIC = 'DBN';
/** Everything up to the five lengths and counts, and those. */
const METADATA_BYTES_MIN = 128;
/** A metadata block of a year of every US stock has a few MiB. */
const DBN_METADATA_BYTES_MAX = 67_108_864;
const SCHEMA_DEFINITION_AT = 108;
const SYMBOL_BYTES_V1 = 22;
const SYMBOL_BYTES_MAX = 1_024;
const SYMBOL_KIND_INSTRUMENT_ID = 0;
export const DBN_SCHEMA_AT = 24;
export const DbnSchema = { marketByOrder: 0, several: 65_535 } as const;

/** A name of an instrument on the days from `first` to before `after`, YYYYMMDD. */
interface NamedDays {
  readonly first: number;
  readonly after: number;
  readonly name: string;
}

export interface DbnMetadata {
  readonly version: number;
  readonly dataset: string;
  readonly schema: number;
  /** Records end with eight bytes of send time. */
  readonly sendTimes: boolean;
  /** The symbol of an instrument id on a day (YYYYMMDD), or on another day if there is none for it. */
  nameOf(instrument: number, day: number): string | undefined;
}

/** Says what is wrong: `at` is the byte in the metadata block, prelude included. */
export type DbnFault = (at: number, field: string, value: string | number, rule: string) => Error;

/** How long the metadata is, prelude included. `bytes` holds the prelude at least. */
export function dbnMetadataLength(bytes: Uint8Array, fault: DbnFault): number {
  const magic = text(bytes, 0, 3);
  if (magic !== DBN_MAGIC) throw fault(0, 'magic', JSON.stringify(magic), `"${DBN_MAGIC}"`);
  const version = bytes[3] as number;
  if (version < 1 || version > DBN_VERSION_MAX) throw fault(3, 'version', version, `from 1 to ${DBN_VERSION_MAX}`);
  const length = viewOf(bytes).getUint32(4, true);
  if (length < METADATA_BYTES_MIN - DBN_PRELUDE_BYTES || length > DBN_METADATA_BYTES_MAX) {
    const rule = `from ${METADATA_BYTES_MIN - DBN_PRELUDE_BYTES} to ${DBN_METADATA_BYTES_MAX}`;
    throw fault(4, 'metadata length', length, rule);
  }
  return DBN_PRELUDE_BYTES + length;
}

/** Reads the metadata; `bytes` is the whole block, prelude included. */
export function decodeDbnMetadata(bytes: Uint8Array, fault: DbnFault): DbnMetadata {
  const view = viewOf(bytes);
  const version = bytes[3] as number;
  const at = version === 1 ? 58 : 50;
  const symbolBytes = version === 1 ? SYMBOL_BYTES_V1 : view.getUint16(at + 3, true);
  if (symbolBytes < 1 || symbolBytes > SYMBOL_BYTES_MAX) {
    throw fault(at + 3, 'symbol length', symbolBytes, `from 1 to ${SYMBOL_BYTES_MAX}`);
  }
  const definition = view.getUint32(SCHEMA_DEFINITION_AT, true);
  if (definition !== 0) throw fault(SCHEMA_DEFINITION_AT, 'schema definition length', definition, '0');

  const names = new Map<number, NamedDays[]>();
  const cursor = new MetadataCursor(bytes, SCHEMA_DEFINITION_AT + 4, fault);
  for (const list of ['symbols', 'partial symbols', 'symbols not found']) {
    const count = cursor.count(list, symbolBytes);
    for (let i = 0; i < count; i++) cursor.text(symbolBytes);
  }
  const idsAskedFor = bytes[at] === SYMBOL_KIND_INSTRUMENT_ID;
  const mappings = cursor.count('mappings', symbolBytes + 4);
  for (let mapping = 0; mapping < mappings; mapping++) {
    const asked = cursor.text(symbolBytes);
    const intervals = cursor.count('mapping intervals', symbolBytes + 8);
    for (let interval = 0; interval < intervals; interval++) {
      const first = cursor.u32();
      const after = cursor.u32();
      const given = cursor.text(symbolBytes);
      const [id, name] = idsAskedFor ? [asked, given] : [given, asked];
      // A day without an instrument has an empty symbol.
      if (!/^\d{1,10}$/.test(id) || Number(id) >= TWO_32 || name === '') continue;
      const days = names.get(Number(id));
      if (days === undefined) names.set(Number(id), [{ first, after, name }]);
      else days.push({ first, after, name });
    }
  }
  return {
    version,
    dataset: text(bytes, DBN_PRELUDE_BYTES, 16),
    schema: view.getUint16(DBN_SCHEMA_AT, true),
    sendTimes: bytes[at + 2] === 1,
    nameOf(instrument, day) {
      const days = names.get(instrument);
      return (days?.find(({ first, after }) => day >= first && day < after) ?? days?.[0])?.name;
    },
  };
}

/** Reads counts and texts, and never past the block. */
class MetadataCursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fault: DbnFault;
  #at: number;

  constructor(bytes: Uint8Array, at: number, fault: DbnFault) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#at = at;
    this.#fault = fault;
  }

  /** How many entries of at least `entryBytes` follow. */
  count(field: string, entryBytes: number): number {
    this.#need(4, field);
    const count = this.u32();
    const room = Math.floor((this.#bytes.length - this.#at) / entryBytes);
    if (count > room)
      throw this.#fault(this.#at - 4, field, count, `at most the ${room} that the metadata has room for`);
    return count;
  }

  u32(): number {
    this.#need(4, 'metadata');
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  text(length: number): string {
    this.#need(length, 'symbol');
    this.#at += length;
    return text(this.#bytes, this.#at - length, length);
  }

  #need(length: number, field: string): void {
    const left = this.#bytes.length - this.#at;
    if (left < length) throw this.#fault(this.#at, field, `${left} bytes`, `${length} bytes`);
  }
}

function text(bytes: Uint8Array, at: number, length: number): string {
  const zero = bytes.subarray(at, at + length).indexOf(0);
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, zero < 0 ? length : zero).toString('latin1');
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
