import { PRICE_MAX, PRICE_MIN, QUANTITY_MIN, TWO_32 } from '../journal/amounts.ts';
import { MersenneTwister } from './mersenne-twister.ts';

/** Volatility and target swing of the mid price, by scenario of the public challenge. */
const SCENARIOS = {
  static: { volatility: 0, swing: 0 },
  normal: { volatility: 0.15, swing: 0.02 },
  'swing-25': { volatility: 0.5, swing: 0.25 },
  'swing-40': { volatility: 0.5, swing: 0.4 },
  'flash-crash': { volatility: 0.5, swing: 0.6 },
} as const;
export type Scenario = keyof typeof SCENARIOS;
export const SCENARIO_NAMES = Object.keys(SCENARIOS) as readonly Scenario[];

export const NEW_ORDERS_DEFAULT = 1_000_000;
/** A bound on memory: a workload of this size takes about 1 GiB. */
export const NEW_ORDERS_MAX = 16_000_000;
export const SEED_DEFAULT = 23;

const TICK = 0.005;
const MID_START = 167.52;
const DEPTH_LEVELS = 800;
const QUANTITY_MAX = 100;
const IOC_SHARE = 0.15;
const MODIFY_SHARE = 0.2;
const REPRICE_SHARE = 0.8;
const CANCEL_SHARE = 0.95;
const DUPLICATE_SHARE = 0.02;

/** Most messages one new order can cause: itself, a modify, a cancel and a repeat of each. */
const MESSAGES_PER_ORDER_MAX = 5;

export const MessageType = { new: 0, cancel: 1, modify: 2 } as const;

/** The messages of a workload in order, one column a field; a message's place is its sequence number in the file. */
export interface Workload {
  readonly count: number;
  /** {@link MessageType}. */
  readonly type: Uint8Array;
  /** 0 buy, 1 sell. */
  readonly side: Uint8Array;
  /** 1 if immediate-or-cancel. */
  readonly ioc: Uint8Array;
  readonly quantity: Uint32Array;
  readonly id: Float64Array;
  /** Ticks. */
  readonly price: Float64Array;
}

export interface WorkloadOptions {
  readonly scenario: Scenario;
  readonly newOrders?: number | undefined;
  readonly seed?: number | undefined;
}

/**
 * The workload of the public matching-engine challenge (flash1-dev/matching-engine-benchmark, arXiv 2606.01183), bit for
 * bit. The order of random draws is part of the definition.
 */
export function generateWorkload(options: WorkloadOptions): Workload {
  const newOrders = options.newOrders ?? NEW_ORDERS_DEFAULT;
  const seed = options.seed ?? SEED_DEFAULT;
  const scenario = SCENARIOS[options.scenario];
  if (scenario === undefined) {
    throw new RangeError(`scenario: "${options.scenario}" must be one of ${SCENARIO_NAMES.join(', ')}`);
  }
  if (!Number.isInteger(newOrders) || newOrders < 1 || newOrders > NEW_ORDERS_MAX) {
    throw new RangeError(`newOrders: ${newOrders} must be an integer from 1 to ${NEW_ORDERS_MAX}`);
  }
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffff_ffff) {
    throw new RangeError(`seed: ${seed} must be an integer from 0 to ${0xffff_ffff}`);
  }
  const random = new MersenneTwister(seed);
  const orders = drawOrders(random, newOrders, scenario);
  return drawMessages(random, orders, shuffledIndices(random, newOrders));
}

interface Orders {
  readonly price: Float64Array;
  readonly quantity: Uint8Array;
}

function drawOrders(random: MersenneTwister, count: number, scenario: { volatility: number; swing: number }): Orders {
  const { volatility, swing } = scenario;
  const dt = volatility === 0 ? 0 : (swing / volatility) ** 2 / count;
  const spread = volatility * Math.sqrt(dt);
  const drift = -0.5 * spread * spread;
  const depth = cumulativeDepth();
  const price = new Float64Array(count);
  const quantity = new Uint8Array(count);
  const buys = Math.floor(count / 2);
  let mid = MID_START;
  for (let i = 0; i < count; i++) {
    mid *= Math.exp(drift + spread * random.normal());
    const midTicks = Math.round((Math.round(mid / TICK) * TICK) / TICK);
    const k = drawLevel(random, depth);
    price[i] = Math.max(1, i < buys ? midTicks - (k + 1) : midTicks + (k + 1));
    quantity[i] = random.uniformInt(1, QUANTITY_MAX);
  }
  return { price, quantity };
}

function cumulativeDepth(): Float64Array {
  const sums = new Float64Array(DEPTH_LEVELS);
  let total = 0;
  for (let k = 0; k < DEPTH_LEVELS; k++) {
    total += (k + 1) ** -2.23 + 5 * Math.exp(-0.5 * (k - 8) ** 2);
    sums[k] = total;
  }
  return sums;
}

/** The first level whose cumulative weight is not below the draw. */
function drawLevel(random: MersenneTwister, sums: Float64Array): number {
  const wanted = random.uniform() * (sums[DEPTH_LEVELS - 1] as number);
  let low = 0;
  let high = DEPTH_LEVELS - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sums[middle] as number) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

function shuffledIndices(random: MersenneTwister, count: number): Uint32Array {
  const indices = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.uniformInt(0, i);
    const kept = indices[i] as number;
    indices[i] = indices[j] as number;
    indices[j] = kept;
  }
  return indices;
}

/**
 * The definition gives each message a time and sorts by it, stably. But its clock is one for all orders and every delay
 * moves it forward, so each message is at least as late as the one before: the order of emission is the sorted order, and
 * of the delays (until a modify, until a cancel, until a repeat) only the draws matter.
 */
function drawMessages(random: MersenneTwister, orders: Orders, indices: Uint32Array): Workload {
  const messages = new WorkloadColumns(indices.length * MESSAGES_PER_ORDER_MAX);
  const buys = Math.floor(indices.length / 2);
  for (let n = 0; n < indices.length; n++) {
    const index = indices[n] as number;
    const id = index + 1;
    const side = index < buys ? 0 : 1;
    const price = orders.price[index] as number;
    const quantity = orders.quantity[index] as number;
    const ioc = random.uniform() < IOC_SHARE;
    messages.add(MessageType.new, side, ioc ? 1 : 0, quantity, id, price);
    if (ioc) continue;
    const modified = random.uniform() < MODIFY_SHARE;
    let newPrice = price;
    if (modified) {
      skipDelay(random);
      if (random.uniform() < REPRICE_SHARE) newPrice = side === 0 ? price + 1 : price - 1;
      messages.add(MessageType.modify, side, 0, quantity + 1, id, newPrice);
    }
    const canceled = random.uniform() < CANCEL_SHARE;
    if (canceled) {
      skipDelay(random);
      messages.add(MessageType.cancel, side, 0, quantity, id, price);
      if (random.uniform() < DUPLICATE_SHARE) {
        skipDelay(random);
        messages.add(MessageType.cancel, side, 0, quantity, id, price);
      }
    }
    if (modified && canceled && random.uniform() < DUPLICATE_SHARE) {
      skipDelay(random);
      messages.add(MessageType.modify, side, 0, quantity + 1, id, newPrice);
    }
  }
  return messages.finish();
}

function skipDelay(random: MersenneTwister): void {
  random.uniform();
}

class WorkloadColumns {
  #count = 0;
  readonly #type: Uint8Array;
  readonly #side: Uint8Array;
  readonly #ioc: Uint8Array;
  readonly #quantity: Uint32Array;
  readonly #id: Float64Array;
  readonly #price: Float64Array;

  constructor(capacity: number) {
    this.#type = new Uint8Array(capacity);
    this.#side = new Uint8Array(capacity);
    this.#ioc = new Uint8Array(capacity);
    this.#quantity = new Uint32Array(capacity);
    this.#id = new Float64Array(capacity);
    this.#price = new Float64Array(capacity);
  }

  add(type: number, side: number, ioc: number, quantity: number, id: number, price: number): void {
    const at = this.#count++;
    this.#type[at] = type;
    this.#side[at] = side;
    this.#ioc[at] = ioc;
    this.#quantity[at] = quantity;
    this.#id[at] = id;
    this.#price[at] = price;
  }

  finish(): Workload {
    const count = this.#count;
    return {
      count,
      type: this.#type.slice(0, count),
      side: this.#side.slice(0, count),
      ioc: this.#ioc.slice(0, count),
      quantity: this.#quantity.slice(0, count),
      id: this.#id.slice(0, count),
      price: this.#price.slice(0, count),
    };
  }
}

/**
 * The workload file, little-endian: a header, then one record a message.
 *
 * | byte | type | header field |
 * |-----:|------|--------------|
 * | 0  | u64 | magic, 0x4D4542575F303031 ("MEBW_001") |
 * | 8  | u32 | version, 1 |
 * | 12 | u32 | messages |
 *
 * | byte | type | record field |
 * |-----:|------|--------------|
 * | 0  | u8  | type: 0 new, 1 cancel, 2 modify |
 * | 1  | u8  | side: 0 buy, 1 sell |
 * | 2  | u8  | 1 if immediate-or-cancel |
 * | 3  | u8  | zero |
 * | 4  | u32 | quantity |
 * | 8  | u64 | sequence number, from 0 |
 * | 16 | u64 | order id |
 * | 24 | i64 | price, ticks |
 * | 32 | i64 | zero |
 */
const MAGIC_LOW = 0x5f303031;
const MAGIC_HIGH = 0x4d454257;
const FILE_VERSION = 1;
const HEADER_BYTES = 16;
const RECORD_BYTES = 40;

/** The bytes of the workload file. */
export function encodeWorkload(workload: Workload): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + workload.count * RECORD_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint32(0, MAGIC_LOW, true);
  view.setUint32(4, MAGIC_HIGH, true);
  view.setUint32(8, FILE_VERSION, true);
  view.setUint32(12, workload.count, true);
  for (let k = 0, at = HEADER_BYTES; k < workload.count; k++, at += RECORD_BYTES) {
    const id = workload.id[k] as number;
    const price = workload.price[k] as number;
    view.setUint8(at, workload.type[k] as number);
    view.setUint8(at + 1, workload.side[k] as number);
    view.setUint8(at + 2, workload.ioc[k] as number);
    view.setUint32(at + 4, workload.quantity[k] as number, true);
    view.setUint32(at + 8, k, true);
    view.setUint32(at + 16, id % TWO_32, true);
    view.setUint32(at + 20, Math.floor(id / TWO_32), true);
    view.setUint32(at + 24, price % TWO_32, true);
    view.setUint32(at + 28, Math.floor(price / TWO_32), true);
  }
  return bytes;
}

/** Reads a workload file; throws a RangeError that names the message, field, value and rule if it is not one. */
export function decodeWorkload(bytes: Uint8Array): Workload {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const check = (holds: boolean, field: string, value: number | string, rule: string): void => {
    if (!holds) throw new RangeError(`workload file: ${field}: ${value} must be ${rule}`);
  };
  check(bytes.length >= HEADER_BYTES, 'length', bytes.length, `at least the ${HEADER_BYTES} bytes of the header`);
  const high = view.getUint32(4, true);
  const low = view.getUint32(0, true);
  check(low === MAGIC_LOW && high === MAGIC_HIGH, 'magic', hex(high, low), hex(MAGIC_HIGH, MAGIC_LOW));
  check(view.getUint32(8, true) === FILE_VERSION, 'version', view.getUint32(8, true), `${FILE_VERSION}`);
  const count = view.getUint32(12, true);
  const length = HEADER_BYTES + count * RECORD_BYTES;
  check(bytes.length === length, 'length', bytes.length, `${length} bytes for ${count} messages`);

  const columns = new WorkloadColumns(count);
  for (let k = 0, at = HEADER_BYTES; k < count; k++, at += RECORD_BYTES) {
    const type = view.getUint8(at);
    const side = view.getUint8(at + 1);
    const ioc = view.getUint8(at + 2);
    const quantity = view.getUint32(at + 4, true);
    const sequence = readU64Number(view, at + 8);
    const id = readU64Number(view, at + 16);
    const price = view.getInt32(at + 28, true) * TWO_32 + view.getUint32(at + 24, true);
    if (type > MessageType.modify) check(false, `message ${k}: type`, type, '0, 1 or 2');
    if (side > 1) check(false, `message ${k}: side`, side, '0 or 1');
    if (ioc > 1) check(false, `message ${k}: ioc`, ioc, '0 or 1');
    if (quantity < QUANTITY_MIN) check(false, `message ${k}: quantity`, quantity, `at least ${QUANTITY_MIN}`);
    if (sequence !== k) check(false, `message ${k}: sequence number`, sequence, `${k}`);
    if (id > Number.MAX_SAFE_INTEGER) check(false, `message ${k}: order id`, id, 'below 2^53');
    if (price < PRICE_MIN || price > PRICE_MAX) {
      check(false, `message ${k}: price`, price, `from ${PRICE_MIN} to ${PRICE_MAX}`);
    }
    columns.add(type, side, ioc, quantity, id, price);
  }
  return columns.finish();
}

function readU64Number(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * TWO_32 + view.getUint32(at, true);
}

function hex(high: number, low: number): string {
  return `0x${high.toString(16).padStart(8, '0')}${low.toString(16).padStart(8, '0')}`;
}
