import { COMMAND_BYTES, COMMAND_WORDS, type Command, decodeCommand, encodeCommand } from '../../journal/commands.ts';

/** A command record as a plain object, with the names of the NDJSON fields; `symbol` is the number in the record. */
export function describeRecord(seq: number, words: Uint32Array, at: number): object {
  const { command, whole } = decode(words, at);
  const bytes = Buffer.from(words.buffer, words.byteOffset + at * 4, COMMAND_BYTES);
  const record = whole ? {} : { record: bytes.toString('hex') };
  if (command === undefined) return { seq, op: bytes[0], ...record };
  const { op, account, symbol, name, id, side, type, tif, postOnly, price, quantity, priceMax, closed, shard } =
    command;
  const limits = op === 'instrumentCreate' || op === 'instrumentUpdate';
  return {
    seq,
    op,
    ...(symbol === undefined ? {} : op === 'deposit' || op === 'withdraw' ? { asset: symbol } : { symbol }),
    ...(name === undefined ? {} : { name }),
    ...(account === undefined ? {} : { account }),
    ...(id === undefined ? {} : { id: digits(id) }),
    ...(side === undefined ? {} : { side }),
    ...(type === undefined ? {} : { type }),
    ...(tif === undefined ? {} : { tif }),
    ...(price === undefined ? {} : { price }),
    ...(quantity === undefined ? {} : limits ? { maxQty: quantity } : { qty: quantity }),
    ...(limits && priceMax !== undefined ? { maxPrice: priceMax } : {}),
    ...(shard === undefined ? {} : { shard }),
    ...(command.elsewhere === undefined ? {} : { elsewhere: command.elsewhere }),
    ...(postOnly === true ? { postOnly } : {}),
    ...orderDetails(command),
    ...(closed === undefined ? {} : { closed }),
    ...(command.session === undefined ? {} : { session: command.session, request: command.request }),
    time: digits(command.time ?? 0n),
    ...record,
  };
}

function orderDetails(command: Command): object {
  const { hidden, allOrNone, byGroup, hasTerms, stp, setting, term, phase, value, accountSetting } = command;
  return {
    ...(hidden === undefined ? {} : { hidden }),
    ...(allOrNone === undefined ? {} : { allOrNone }),
    ...(byGroup === undefined ? {} : { byGroup }),
    ...(hasTerms === undefined ? {} : { hasTerms }),
    ...(stp === undefined ? {} : { stp }),
    ...(setting === undefined ? {} : { setting }),
    ...(accountSetting === undefined ? {} : { setting: accountSetting }),
    ...(term === undefined ? {} : { term }),
    ...(phase === undefined ? {} : { phase }),
    ...(value === undefined ? {} : { value: digits(value) }),
  };
}

/** `whole`: the names tell all that is in the record: every code has a name, and every unused word is zero. */
function decode(words: Uint32Array, at: number): { command: Command | undefined; whole: boolean } {
  try {
    const command = decodeCommand(words, at);
    const again = new Uint32Array(COMMAND_WORDS);
    encodeCommand(again, 0, command);
    return { command, whole: again.every((word, index) => word === words[at + index]) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { command: undefined, whole: false };
  }
}

/** A number, or its digits where a JSON number is not exact. */
function digits(value: number | bigint): number | string {
  return typeof value === 'bigint' && value > Number.MAX_SAFE_INTEGER ? String(value) : Number(value);
}
