/**
 * A command record as the reference model reads it: every field as it stands, nothing masked. Written from the table in
 * journal/commands.ts and not with its code, so that a slip there is seen.
 */
export interface MarketCommand {
  readonly op: number;
  readonly sideCode: number;
  /** What an event's side field shows of `sideCode`. */
  readonly side: 'buy' | 'sell';
  readonly type: number;
  readonly tif: number;
  /** The flags word with its upper half. */
  readonly flags: number;
  readonly account: number;
  readonly symbol: number;
  readonly id: bigint;
  readonly price: bigint;
  readonly quantity: bigint;
  readonly extra: bigint;
  readonly session: number;
  readonly request: number;
  readonly time: bigint;
  /** Bytes 16-31 of an instrument create as a name; undefined when they are not a valid one. */
  readonly name: string | undefined;
}

export const OP = {
  new: 1,
  cancel: 2,
  reduce: 3,
  replace: 4,
  massCancel: 5,
  massStatus: 7,
  moveIn: 8,
  moveOut: 9,
  instrumentCreate: 16,
  instrumentUpdate: 17,
  instrumentAssign: 22,
  sessionOpen: 24,
  sessionClose: 25,
} as const;

export const FLAG = {
  postOnly: 1,
  hasPrice: 2,
  hasQuantity: 4,
  byAccount: 8,
  bySymbol: 16,
  closed: 32,
  elsewhere: 64,
} as const;

export function readMarketCommand(words: Uint32Array, at: number): MarketCommand {
  const bytes = new DataView(words.buffer, words.byteOffset + at * 4, 64);
  const sideCode = bytes.getUint8(1);
  return {
    op: bytes.getUint8(0),
    sideCode,
    side: sideCode % 2 === 0 ? 'buy' : 'sell',
    type: bytes.getUint8(2),
    tif: bytes.getUint8(3),
    flags: bytes.getUint32(4, true),
    account: bytes.getUint32(8, true),
    symbol: bytes.getUint32(12, true),
    id: bytes.getBigUint64(16, true),
    price: bytes.getBigUint64(24, true),
    quantity: bytes.getBigUint64(32, true),
    extra: bytes.getBigUint64(40, true),
    session: bytes.getUint32(48, true),
    request: bytes.getUint32(52, true),
    time: bytes.getBigUint64(56, true),
    name: bytes.getUint8(0) === OP.instrumentCreate ? readName(bytes) : undefined,
  };
}

function readName(bytes: DataView): string | undefined {
  let name = '';
  for (let byte = 16; byte < 32; byte++) name += String.fromCharCode(bytes.getUint8(byte));
  return /^[!-~]{1,16}\0*$/.test(name) ? name.replaceAll('\0', '') : undefined;
}
