import { promisify } from 'node:util';
import { constants, zstdCompress, zstdCompressSync } from 'node:zlib';
import { Packr } from 'msgpackr';
import { HASH_BYTES, hashOf } from '../journal/chain.ts';
import { COMMAND_WORDS } from '../journal/commands.ts';
import { DEFAULT_LIMITS } from '../journal/genesis.ts';
import { SnapshotStore } from '../journal/snapshots.ts';
import { encodeState, StateScratch, stateCodec } from '../replicas/canonical-state.ts';
import { EventBuffer } from '../replicas/event-buffer.ts';
import { listInstruments } from '../replicas/instrument-table.ts';
import { createMatcher, type Matcher } from '../replicas/matcher.ts';
import { listOrders, ORDER, ORDER_SHIFT } from '../replicas/order-table.ts';
import { type BenchmarkOptions, check, type Measured, median, playApart, rounds, timed } from './benchmark.ts';
import { MarketFlow } from './market-flow.ts';
import type { RestoredSnapshot } from './snapshot-restore.ts';

export const description = 'a snapshot of 100,000 resting orders, beside msgpackr with the same state';

const ORDERS = 100_000;
/** The book grows beyond and shrinks again, so that some slots are free. */
const ORDERS_PEAK = 108_000;
/** What the snapshot store uses; checked against the size that it stores. */
const ZSTD_LEVEL = 1;

const compress = promisify(zstdCompress);

export async function run({ directory, quick, yardstick }: BenchmarkOptions): Promise<Measured> {
  const count = quick ? 3 : 15;
  const matcher = fillBook();
  const scratch = new StateScratch();
  const encodeMs = Array.from({ length: count }, () => timed(() => encodeState(matcher.state, scratch)));
  const raw = Buffer.from(encodeState(matcher.state, scratch));

  const params = { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL };
  const options = { params, pledgedSrcSize: raw.length };
  const compressMs = Array.from({ length: count }, () => timed(() => zstdCompressSync(raw, options)));
  const packed = await compress(raw, options);
  const store = new SnapshotStore(directory);
  const place = { shard: 0, block: 1, time: 0n, chainHash: Buffer.alloc(HASH_BYTES), codec: stateCodec(raw) };
  const writeMs: number[] = [];
  let storedBytes = 0;
  for (let index = 0; index < count; index++) {
    const started = performance.now();
    const header = await store.write({ ...place, sequence: matcher.sequence() + index }, raw);
    writeMs.push(performance.now() - started);
    storedBytes = header.storedBytes;
  }
  check(
    storedBytes === packed.length,
    `the store keeps ${storedBytes} bytes, level ${ZSTD_LEVEL} gives ${packed.length}`,
  );

  const stateHash = hashOf(raw).toString('hex');
  const loadMs: number[] = [];
  const restoreMs: number[] = [];
  for (let index = 0; index < Math.min(count, 5); index++) {
    const restored = await playApart<RestoredSnapshot>('snapshot-restore.ts', directory);
    loadMs.push(restored.loadMs);
    restoreMs.push(restored.restoreMs);
    check(restored.stateHash === stateHash, 'the restored state does not encode to the same bytes');
  }

  await yardstick();
  const state = plainState(matcher);
  const maps = measurePeer(new Packr({ useRecords: false }), state, count);
  const records = measurePeer(new Packr({ structures: [] }), state, count);
  const perOrder = (name: string, bytes: number) => ({ name, value: bytes / ORDERS, unit: 'bytes/order' });
  return {
    figures: [
      perOrder('stored (canonical, zstd)', storedBytes),
      perOrder('canonical, not compressed', raw.length),
      perOrder('msgpackr, plain maps', maps.bytes),
      perOrder('msgpackr, shared records', records.bytes),
      perOrder('msgpackr, plain maps, zstd', maps.compressedBytes),
      perOrder('msgpackr, shared records, zstd', records.compressedBytes),
      ...rounds('encode', 'ms', encodeMs),
      ...rounds(
        'hash',
        'ms',
        Array.from({ length: count }, () => timed(() => hashOf(raw))),
      ),
      ...rounds('compress', 'ms', compressMs),
      ...rounds('write: hash, compress, flush to disk', 'ms', writeMs),
      ...rounds('load: read, check, decompress', 'ms', loadMs),
      ...rounds('restore: decode, build the book', 'ms', restoreMs),
      ...rounds('msgpackr, plain maps, pack', 'ms', maps.packMs),
      ...rounds('msgpackr, shared records, pack', 'ms', records.packMs),
      ...rounds('msgpackr, plain maps, unpack', 'ms', maps.unpackMs),
      ...rounds('msgpackr, shared records, unpack', 'ms', records.unpackMs),
    ],
    ratios: [
      { name: 'bytes: msgpackr plain maps / stored', value: maps.bytes / storedBytes },
      { name: 'bytes: msgpackr shared records / stored', value: records.bytes / storedBytes },
      { name: 'bytes: msgpackr plain maps / canonical, neither compressed', value: maps.bytes / raw.length },
      { name: 'bytes: msgpackr shared records / canonical, neither compressed', value: records.bytes / raw.length },
      {
        name: 'bytes: msgpackr shared records / canonical, both compressed',
        value: records.compressedBytes / storedBytes,
      },
      { name: 'time: msgpackr shared records, pack / encode', value: median(records.packMs) / median(encodeMs) },
    ],
    notes: [
      'restored from its file in a fresh process, the state encodes to the same bytes: checked',
      `${matcher.sequence().toLocaleString('en')} commands of ${ACCOUNTS} accounts made the book; ${freeSlots(matcher).length.toLocaleString('en')} slots are free`,
      'msgpackr packs objects that exist already, and unpacks to objects: neither has a book to walk or to rebuild',
    ],
  };
}

const ACCOUNTS = 64;

function fillBook(): Matcher {
  const flow = new MarketFlow({ resting: ORDERS * 2, accounts: ACCOUNTS });
  const events = new EventBuffer(1024);
  const matcher = createMatcher(DEFAULT_LIMITS, events);
  const words = new Uint32Array(COMMAND_WORDS);
  const apply = (): void => {
    matcher.apply(words, 0);
    events.clear();
  };
  MarketFlow.create(words, 0);
  apply();
  for (const enough of [
    () => matcher.state.orders.live() >= ORDERS_PEAK,
    () => matcher.state.orders.live() === ORDERS,
  ]) {
    while (!enough()) {
      flow.next(words, 0);
      apply();
    }
    flow.shrinkTo(0);
  }
  return matcher;
}

/** All that the canonical bytes hold, as a program would keep it in objects. */
function plainState(matcher: Matcher): object {
  const { limits, orders, instruments } = matcher.state;
  const free = freeSlots(matcher);
  return {
    sequence: matcher.sequence(),
    limits,
    instruments: listInstruments(instruments),
    sessions: [],
    slots: orders.highWater(),
    freeSlots: free,
    freeGenerations: free.map((slot) => orders.words[(slot << ORDER_SHIFT) + ORDER.generation]),
    orders: listOrders(orders),
  };
}

function freeSlots(matcher: Matcher): number[] {
  const { orders } = matcher.state;
  const free: number[] = [];
  for (let slot = orders.firstFree(); slot !== 0; slot = orders.words[(slot << ORDER_SHIFT) + ORDER.next] as number)
    free.push(slot);
  return free;
}

interface Peer {
  readonly bytes: number;
  readonly compressedBytes: number;
  readonly packMs: readonly number[];
  readonly unpackMs: readonly number[];
}

function measurePeer(packr: Packr, state: object, count: number): Peer {
  const bytes = Buffer.from(packr.pack(state));
  check(JSON.stringify(packr.unpack(bytes)) === JSON.stringify(state), 'msgpackr does not give the same state again');
  return {
    bytes: bytes.length,
    compressedBytes: zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } }).length,
    packMs: Array.from({ length: count }, () => timed(() => packr.pack(state))),
    unpackMs: Array.from({ length: count }, () => timed(() => packr.unpack(bytes))),
  };
}
