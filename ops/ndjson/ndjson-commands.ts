import {
  AccountSetting,
  type AccountSettingName,
  type Command,
  OrderType,
  type OrderTypeName,
  Phase,
  type PhaseName,
  SelfTradePrevention,
  type SelfTradePreventionName,
  Setting,
  type SettingName,
  Side,
  type SideName,
  TimeInForce,
  type TimeInForceName,
} from '../../journal/commands.ts';
import { UsageError } from '../exit-codes.ts';

/** A longer line is refused before it fills the memory. */
export const LINE_CHARACTERS_MAX = 65_536;

/** What the names of instruments stand for. */
export interface SymbolDirectory {
  /**
   * The id of an instrument. What becomes of a name that is not known is the directory's choice: it may create the
   * instrument, or give an id that no instrument has, which the matcher rejects. `instrument` says that the command
   * will set the instrument's limits.
   */
  idOf(name: string, purpose: 'order' | 'instrument'): number;
}

/** Fields of a command line besides `op`, as bits, so that a line's fields are checked against its op's at once. */
const Field = {
  open: 1,
  symbol: 2,
  account: 4,
  id: 8,
  time: 16,
  side: 32,
  price: 64,
  qty: 128,
  type: 256,
  tif: 512,
  postOnly: 1024,
  stopPrice: 2048,
  expires: 4096,
  stp: 8192,
  display: 16_384,
  minQty: 32_768,
  maxQty: 65_536,
  maxPrice: 131_072,
  closed: 262_144,
  shard: 524_288,
  after: 1_048_576,
  trail: 2_097_152,
  cancels: 4_194_304,
  hidden: 8_388_608,
  allOrNone: 16_777_216,
  byGroup: 33_554_432,
  setting: 67_108_864,
  value: 134_217_728,
  phase: 268_435_456,
  at: 536_870_912,
  asset: 1_073_741_824,
  group: -2_147_483_648,
} as const;
type FieldName = keyof typeof Field | 'op';
const FIELD_BITS = new Map<string, number>(Object.entries(Field));

const EVERY = Field.symbol | Field.account | Field.time;
const ORDER = EVERY | Field.id;
const MARKET = { allowed: EVERY, required: Field.symbol };
const STOP = Field.stopPrice | Field.trail;
const NEW_TERMS = STOP | Field.expires | Field.display | Field.minQty | Field.cancels | Field.after;
const NEW_FLAGS = Field.postOnly | Field.hidden | Field.allOrNone | Field.stp | Field.byGroup;
const NAMED = Field.symbol | Field.account | Field.id;

const OF_ACCOUNT = Field.account | Field.time;
const TRANSFER = {
  allowed: OF_ACCOUNT | Field.id | Field.asset | Field.value,
  required: Field.account | Field.asset | Field.value,
};

/** Which fields go with each op, and which it can not be without. */
const OPS = {
  new: {
    allowed: ORDER | Field.side | Field.price | Field.qty | Field.type | Field.tif | NEW_TERMS | NEW_FLAGS,
    required: NAMED | Field.side | Field.qty,
  },
  cancel: { allowed: ORDER, required: NAMED },
  reduce: { allowed: ORDER | Field.qty, required: NAMED | Field.qty },
  replace: { allowed: ORDER | Field.price | Field.qty | Field.open | STOP, required: NAMED },
  massCancel: { allowed: EVERY | Field.side, required: 0 },
  instrument: {
    allowed: EVERY | Field.maxQty | Field.maxPrice | Field.closed,
    required: Field.symbol,
  },
  set: {
    allowed: EVERY | Field.setting | Field.value,
    required: Field.symbol | Field.setting | Field.value,
  },
  assign: { allowed: EVERY | Field.shard, required: Field.symbol },
  moveIn: {
    allowed: ORDER | Field.side | Field.price | Field.qty | Field.postOnly,
    required: NAMED | Field.side | Field.price | Field.qty,
  },
  moveOut: MARKET,
  massStatus: {
    allowed: EVERY | Field.side | Field.qty | Field.after,
    required: Field.symbol | Field.side | Field.qty,
  },
  halt: MARKET,
  resume: MARKET,
  openAuction: MARKET,
  uncross: MARKET,
  phase: { allowed: EVERY | Field.phase, required: Field.symbol | Field.phase },
  schedule: {
    allowed: EVERY | Field.phase | Field.at,
    required: Field.symbol | Field.phase | Field.at,
  },
  unschedule: { allowed: EVERY | Field.at, required: Field.symbol },
  tick: { allowed: OF_ACCOUNT, required: 0 },
  account: {
    allowed: OF_ACCOUNT | Field.setting | Field.value,
    required: Field.account | Field.setting | Field.value,
  },
  deposit: TRANSFER,
  withdraw: TRANSFER,
  kill: { allowed: OF_ACCOUNT | Field.group, required: 0 },
  reinstate: { allowed: OF_ACCOUNT | Field.group, required: 0 },
} as const;
type OpWord = keyof typeof OPS;
export const OP_WORDS = Object.keys(OPS).join(', ');
/** To a venue nobody brings the time: its sequencer stamps. */
const ONLY_IN_FILES: OpWord = 'tick';
/** What a venue on NATS takes. */
export const SENT_OP_WORDS = Object.keys(OPS)
  .filter((op) => op !== ONLY_IN_FILES)
  .join(', ');

const NAME = /^[!-~]{1,16}$/;
const DIGITS = /^\d{1,20}$/;
const U64_MAX = (1n << 64n) - 1n;
const U32_MAX = 4_294_967_295;

const { none: _, ...SETTINGS } = Setting;
const { none: _none, ...ACCOUNT_SETTINGS } = AccountSetting;

type Line = Readonly<Partial<Record<FieldName, unknown>>>;
type Draft = { -readonly [Name in keyof Command]: Command[Name] };

/**
 * The command of one NDJSON line, of which recordsOf() makes one record or several; docs/ndjson.md has the fields. What a
 * record can hold is left to the matcher, which rejects it with a reason; anything else is a UsageError that names the
 * line, the field, its value and the rule. `time` is the line's number unless given. The directory is asked last, so a line
 * that is refused creates no instrument.
 */
export function parseCommand(text: string, line: number, symbols: SymbolDirectory): Command {
  return commandFrom(parseLine(text, line), line, symbols);
}

/** The same of a line that goes to a venue on NATS. */
export function parseSentCommand(text: string, line: number, symbols: SymbolDirectory): Command {
  const fields = parseLine(text, line);
  mustBeSent(fields, line);
  return commandFrom(fields, line, symbols);
}

/**
 * The command that an object with the fields of a line tells, for a venue on NATS. Throws like {@link parseSentCommand}, without a line.
 */
export function commandOfFields(fields: Readonly<Record<string, unknown>>, symbols: SymbolDirectory): Command {
  mustBeSent(fields);
  // As a line has them: what is not given is not there, and what a JSON number does not hold is its digits.
  const given = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, typeof value === 'bigint' ? String(value) : value]);
  try {
    return { ...commandFrom(Object.fromEntries(given), 0, symbols), time: undefined };
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(error.field, error.value, error.rule) : error;
  }
}

/** A venue refuses a message with such a command as a whole, and whoever shares the session has no answer then. */
function mustBeSent({ op }: Line, line?: number): void {
  if (op === ONLY_IN_FILES) throw new UsageError('op', op, `must be one of ${SENT_OP_WORDS}`, line);
}

function commandFrom(fields: Line, line: number, symbols: SymbolDirectory): Command {
  const op = fields.op;
  if (typeof op !== 'string' || !Object.hasOwn(OPS, op)) {
    throw new UsageError('op', op, `must be one of ${OP_WORDS}`, line);
  }
  checkNames(fields, op as OpWord, line);
  const command = commandOf(fields, op as OpWord, line);
  command.time = fields.time === undefined ? BigInt(line) : BigInt(wide(fields.time, 'time', line));
  if (fields.account !== undefined) command.account = whole(fields.account, 'account', U32_MAX, line);
  if (fields.symbol !== undefined) {
    const name = symbolName(fields.symbol, line);
    command.symbol = symbols.idOf(name, op === 'instrument' ? 'instrument' : 'order');
  }
  return command;
}

function commandOf(fields: Line, op: OpWord, line: number): Draft {
  switch (op) {
    case 'new':
      return newOrder(fields, line);
    case 'cancel':
      return { op: 'cancel', id: wide(fields.id, 'id', line) };
    case 'reduce':
      return { op: 'reduce', id: wide(fields.id, 'id', line), quantity: amount(fields.qty, 'qty', line) };
    case 'replace': {
      const price = fields.price === undefined ? undefined : amount(fields.price, 'price', line);
      const quantity = fields.qty === undefined ? undefined : amount(fields.qty, 'qty', line);
      const terms = replaceTerms(fields, line);
      return { op: 'replace', id: wide(fields.id, 'id', line), price, quantity, ...terms };
    }
    case 'massCancel':
      return {
        op: 'massCancel',
        side: fields.side === undefined ? undefined : word<SideName>(fields.side, 'side', Side, line),
      };
    case 'instrument':
      // Always an update: the directory makes sure that there is an instrument to update.
      return {
        op: 'instrumentUpdate',
        quantity: fields.maxQty === undefined ? 0 : amount(fields.maxQty, 'maxQty', line),
        priceMax: fields.maxPrice === undefined ? 0 : amount(fields.maxPrice, 'maxPrice', line),
        closed: fields.closed === undefined ? false : yesOrNo(fields.closed, 'closed', line),
      };
    case 'set':
      return {
        op: 'instrumentSet',
        setting: word<Exclude<SettingName, 'none'>>(fields.setting, 'setting', SETTINGS, line),
        value: wide(fields.value, 'value', line),
      };
    case 'account':
      return {
        op: 'accountSet',
        accountSetting: word<Exclude<AccountSettingName, 'none'>>(fields.setting, 'setting', ACCOUNT_SETTINGS, line),
        value: wide(fields.value, 'value', line),
      };
    case 'deposit':
    case 'withdraw':
      return {
        op,
        symbol: whole(fields.asset, 'asset', U32_MAX, line),
        id: fields.id === undefined ? 0 : wide(fields.id, 'id', line),
        value: wide(fields.value, 'value', line),
      };
    case 'kill':
    case 'reinstate':
      if (fields.group === undefined) return { op };
      return { op, byGroup: true, value: whole(fields.group, 'group', U32_MAX, line) };
    case 'phase':
      return { op, phase: word<PhaseName>(fields.phase, 'phase', Phase, line) };
    case 'schedule':
      return {
        op,
        phase: word<PhaseName>(fields.phase, 'phase', Phase, line),
        value: wide(fields.at, 'at', line),
      };
    case 'unschedule':
      return { op, value: fields.at === undefined ? 0 : wide(fields.at, 'at', line) };
    case 'assign':
      return {
        op: 'instrumentAssign',
        shard: fields.shard === undefined ? undefined : whole(fields.shard, 'shard', U32_MAX, line),
      };
    case 'moveIn':
      return {
        op: 'moveIn',
        id: wide(fields.id, 'id', line),
        side: word<SideName>(fields.side, 'side', Side, line),
        postOnly: fields.postOnly === undefined ? false : yesOrNo(fields.postOnly, 'postOnly', line),
        price: amount(fields.price, 'price', line),
        quantity: amount(fields.qty, 'qty', line),
      };
    case 'massStatus':
      return {
        op: 'massStatus',
        id: fields.after === undefined ? 0 : whole(fields.after, 'after', U32_MAX, line),
        side: word<SideName>(fields.side, 'side', Side, line),
        quantity: amount(fields.qty, 'qty', line),
      };
    default:
      return { op };
  }
}

function newOrder(fields: Line, line: number): Draft {
  const type = fields.type === undefined ? 'limit' : word<OrderTypeName>(fields.type, 'type', OrderType, line);
  const tif = fields.tif === undefined ? 'gtc' : word<TimeInForceName>(fields.tif, 'tif', TimeInForce, line);
  if (fields.price === undefined && (type === 'limit' || type === 'stopLimit')) {
    throw new UsageError('price', undefined, `a ${type} order must have one`, line);
  }
  const isStop = type === 'stop' || type === 'stopLimit';
  if (isStop && fields.stopPrice === undefined && fields.trail === undefined)
    throw new UsageError('stopPrice', undefined, `a ${type} order must have one, or a trail`, line);
  if (tif === 'gtd' && fields.expires === undefined)
    throw new UsageError('expires', undefined, 'a gtd order must have it', line);
  return {
    op: 'new',
    id: wide(fields.id, 'id', line),
    side: word<SideName>(fields.side, 'side', Side, line),
    type,
    tif,
    ...newFlags(fields, line),
    price: fields.price === undefined ? 0 : amount(fields.price, 'price', line),
    quantity: amount(fields.qty, 'qty', line),
    ...stopTerms(fields, line),
    ...newTerms(fields, line),
  };
}

function newFlags(fields: Line, line: number): Partial<Draft> {
  const draft: Partial<Draft> = { postOnly: false };
  for (const field of ['postOnly', 'hidden', 'allOrNone', 'byGroup'] as const)
    if (fields[field] !== undefined) draft[field] = yesOrNo(fields[field], field, line);
  if (fields.stp !== undefined) draft.stp = word<SelfTradePreventionName>(fields.stp, 'stp', SelfTradePrevention, line);
  return draft;
}

/** Which terms go together, and with what, is left to the matcher. */
function newTerms(fields: Line, line: number): Partial<Draft> {
  const draft: Partial<Draft> = {};
  for (const field of ['display', 'minQty'] as const)
    if (fields[field] !== undefined) draft[field] = amount(fields[field], field, line);
  for (const field of ['expires', 'cancels', 'after'] as const)
    if (fields[field] !== undefined) draft[field] = wide(fields[field], field, line);
  return draft;
}

/** A replace has room for one of them. */
function replaceTerms(fields: Line, line: number): Partial<Draft> {
  if (fields.stopPrice !== undefined && fields.trail !== undefined)
    throw new UsageError('trail', fields.trail, 'a replace gives one of stopPrice and trail', line);
  const terms = stopTerms(fields, line);
  if (fields.open === undefined) return terms;
  const rule = 'a replace gives it with qty, and with neither stopPrice nor trail: what waits has not traded';
  if (fields.qty === undefined || fields.stopPrice !== undefined || fields.trail !== undefined)
    throw new UsageError('open', fields.open, rule, line);
  return { open: amount(fields.open, 'open', line) };
}

function stopTerms(fields: Line, line: number): Partial<Draft> {
  const draft: Partial<Draft> = {};
  for (const field of ['stopPrice', 'trail'] as const)
    if (fields[field] !== undefined) draft[field] = amount(fields[field], field, line);
  return draft;
}

function parseLine(text: string, line: number): Line {
  if (text.length > LINE_CHARACTERS_MAX) {
    throw new UsageError('line', text, `must have at most ${LINE_CHARACTERS_MAX} characters`, line);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError('line', text, `must be one JSON object (${why})`, line);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError('line', text, 'must be one JSON object', line);
  }
  return value;
}

function checkNames(fields: Line, op: OpWord, line: number): void {
  const { allowed, required } = OPS[op];
  let given = 0;
  for (const name in fields) {
    if (name === 'op') continue;
    const bit = FIELD_BITS.get(name);
    if (bit === undefined) throw new UsageError(name, ownValue(fields, name), 'no command has such a field', line);
    if ((bit & allowed) === 0) throw new UsageError(name, ownValue(fields, name), `does not go with op ${op}`, line);
    given |= bit;
  }
  if ((required & ~given) === 0) return;
  for (const [name, bit] of FIELD_BITS) {
    if ((bit & required & ~given) !== 0) throw new UsageError(name, undefined, `op ${op} must have it`, line);
  }
}

function ownValue(fields: object, name: string): unknown {
  return Object.getOwnPropertyDescriptor(fields, name)?.value;
}

/** Prices and quantities: what the record can hold exactly. The matcher has narrower rules, and reasons for them. */
function amount(value: unknown, field: FieldName, line: number): number {
  return whole(value, field, Number.MAX_SAFE_INTEGER, line);
}

function whole(value: unknown, field: FieldName, max: number, line: number): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max) return value as number;
  throw new UsageError(field, value, `must be a whole number from 0 to ${max}`, line);
}

/** A number of 64 bits: a JSON number while that is exact, or decimal digits in a string. */
function wide(value: unknown, field: FieldName, line: number): number | bigint {
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value) && value >= 0) return value;
    const tooLarge = value > Number.MAX_SAFE_INTEGER;
    const rule = 'a JSON number is not exact above 2^53 - 1: write the digits as a string';
    throw new UsageError(field, value, tooLarge ? rule : 'must be a whole number from 0 to 2^64 - 1', line);
  }
  if (typeof value === 'string' && DIGITS.test(value)) {
    const exact = BigInt(value);
    if (exact <= U64_MAX) return exact <= Number.MAX_SAFE_INTEGER ? Number(exact) : exact;
  }
  throw new UsageError(field, value, 'must be a whole number from 0 to 2^64 - 1, above 2^53 - 1 as a string', line);
}

function word<T extends string>(value: unknown, field: FieldName, words: Readonly<Record<T, number>>, line: number): T {
  if (typeof value === 'string' && Object.hasOwn(words, value)) return value as T;
  throw new UsageError(field, value, `must be one of ${Object.keys(words).join(', ')}`, line);
}

function yesOrNo(value: unknown, field: FieldName, line: number): boolean {
  if (typeof value === 'boolean') return value;
  throw new UsageError(field, value, 'must be true or false', line);
}

function symbolName(value: unknown, line: number): string {
  if (typeof value === 'string' && NAME.test(value)) return value;
  throw new UsageError('symbol', value, 'must be 1 to 16 printable ASCII characters without spaces', line);
}
