import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { EnvironmentFault, UsageError } from '../exit-codes.ts';
import type { SentMessage, SessionMemory, SessionNumbers } from './fix-session.ts';
import type { MassCancelRecord } from './mass-cancels.ts';
import type { OrderRecord, PendingCommand } from './order-records.ts';

/**
 * What the gateway knows that nobody else does, in one LMDB file: numbers of FIX sessions, messages that peers may ask for
 * again, which order of the venue a ClOrdID stands for, and commands whose outcome is not known yet.
 *
 * | key | value |
 * |-----|-------|
 * | 'gateway' | {@link GatewayRecord} |
 * | 'session', peer | {@link SessionNumbers} |
 * | 'sent', peer, MsgSeqNum | {@link SentMessage} |
 * | 'lane', peer, account | {@link LaneRecord} |
 * | 'pending', peer, account, number | {@link PendingCommand} |
 * | 'live', peer, OrderID | {@link OrderRecord} |
 * | 'done', peer, OrderID | {@link OrderRecord} that can not change any more |
 * | 'clOrdId', peer, ClOrdID | OrderID |
 * | 'massCancel', peer, ClOrdID | {@link MassCancelRecord} |
 *
 * Reads see at once what was put; the disk gets what was put in one turn of the event loop as one transaction. Whoever lets
 * something out does so in {@link whenDurable}.
 */
export class GatewayStore {
  /** Rejects when the disk refused something; nothing is let out any more. */
  readonly failed: Promise<never>;
  readonly #path: string;
  readonly #db: RootDatabase<unknown, StoreKey>;
  #gateway: GatewayRecord;
  /** Not on disk yet, by key as text; undefined removes. */
  #fresh = new Map<string, readonly [key: StoreKey, value: unknown]>();
  #writing: ReadonlyMap<string, readonly [key: StoreKey, value: unknown]> = new Map();
  #freshCalls: (() => void)[] = [];
  #scheduled = false;
  #done = 0;
  #busy: Promise<void> | undefined;
  #failure: Error | undefined;
  #announceFailure: (error: Error) => void = () => undefined;

  /** Opens the file, or makes it for a shard of a venue. */
  static open(path: string, venue: Pick<GatewayRecord, 'shard'>, now: number): GatewayStore {
    let db: RootDatabase<unknown, StoreKey>;
    try {
      db = open<unknown, StoreKey>({ path, overlappingSync: false, noSubdir: true, cache: false });
    } catch (error) {
      throw new EnvironmentFault(`${path}: ${error instanceof Error ? error.message : error}`);
    }
    const found = db.get(['gateway']) as GatewayRecord | undefined;
    if (found !== undefined && (found.version !== STORE_VERSION || found.shard !== venue.shard)) {
      void db.close();
      const rule = `it must be of version ${STORE_VERSION} and of shard ${venue.shard}`;
      throw new UsageError('dir', path, `${rule}; this one is of version ${found.version}, shard ${found.shard}`);
    }
    const fresh = { version: STORE_VERSION, shard: venue.shard, place: 0, nextOrder: now * ORDERS_PER_MS };
    return new GatewayStore(path, db, found ?? fresh);
  }

  private constructor(path: string, db: RootDatabase<unknown, StoreKey>, gateway: GatewayRecord) {
    this.#path = path;
    this.#db = db;
    this.#gateway = gateway;
    this.failed = new Promise((_, reject) => {
      this.#announceFailure = reject;
    });
    this.failed.catch(() => undefined);
    this.#put(['gateway'], gateway);
  }

  /** The disk refused something. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Sequence of the last command whose events were taken. */
  get place(): number {
    return this.#gateway.place;
  }

  set place(sequence: number) {
    this.#putGateway({ ...this.#gateway, place: sequence });
  }

  /** An order id that no order of this gateway had, nor of one before it whose file was lost. */
  takeOrderId(): number {
    const { nextOrder } = this.#gateway;
    this.#putGateway({ ...this.#gateway, nextOrder: nextOrder + 1 });
    return nextOrder;
  }

  numbers(peer: string): SessionNumbers {
    const found = this.#get(['session', peer]) as SessionNumbers | undefined;
    return found === undefined ? { nextOut: 1, expectedIn: 1, written: 0 } : { ...found };
  }

  /** The part that one FIX session sees. */
  memoryOf(peer: string): SessionMemory {
    return {
      keepNumbers: (numbers) => this.#put(['session', peer], { ...numbers }),
      keepSent: (sequence, message) => {
        this.#put(['sent', peer, sequence], message);
        // Older ones are skipped with a gap fill when they are asked for.
        if (sequence > SENT_KEPT) this.#put(['sent', peer, sequence - SENT_KEPT], undefined);
      },
      sent: (from, to) => this.#range(['sent', peer], from, to) as Iterable<readonly [number, SentMessage]>,
      forgetSent: () => {
        for (const [sequence] of this.#range(['sent', peer], 0, Number.MAX_SAFE_INTEGER))
          this.#put(['sent', peer, sequence], undefined);
      },
      whenDurable: (then) => this.whenDurable(then),
    };
  }

  lane(peer: string, account: number): LaneRecord | undefined {
    return this.#get(['lane', peer, account]) as LaneRecord | undefined;
  }

  keepLane(peer: string, account: number, lane: LaneRecord): void {
    this.#put(['lane', peer, account], lane);
  }

  /** Oldest first. */
  pending(peer: string, account: number): PendingCommand[] {
    return this.#range(['pending', peer, account], 0, Number.MAX_SAFE_INTEGER).map(([, one]) => one as PendingCommand);
  }

  keepPending(peer: string, account: number, pending: PendingCommand): void {
    this.#put(['pending', peer, account, pending.number], pending);
  }

  dropPending(peer: string, account: number, number: number): void {
    this.#put(['pending', peer, account, number], undefined);
  }

  massCancel(peer: string, clOrdId: string): MassCancelRecord | undefined {
    return this.#get(['massCancel', peer, clOrdId]) as MassCancelRecord | undefined;
  }

  keepMassCancel(peer: string, clOrdId: string, record: MassCancelRecord): void {
    this.#put(['massCancel', peer, clOrdId], record);
  }

  liveOrders(peer: string): OrderRecord[] {
    return this.#range(['live', peer], 0, Number.MAX_SAFE_INTEGER).map(([, order]) => order as OrderRecord);
  }

  /** The order of a ClOrdID, live or not; undefined if no order has had it, or it was too long ago. */
  orderIdOf(peer: string, clOrdId: string): number | undefined {
    return this.#get(['clOrdId', peer, clOrdId]) as number | undefined;
  }

  doneOrder(peer: string, id: number): OrderRecord | undefined {
    return this.#get(['done', peer, id]) as OrderRecord | undefined;
  }

  keepClOrdId(peer: string, clOrdId: string, id: number): void {
    this.#put(['clOrdId', peer, clOrdId], id);
  }

  keepLive(peer: string, order: OrderRecord): void {
    this.#put(['live', peer, order.id], { ...order });
  }

  /** From here on the order does not change. The oldest such orders are forgotten, with their ClOrdIDs, now and then. */
  keepDone(peer: string, order: OrderRecord): void {
    this.#put(['live', peer, order.id], undefined);
    this.#put(['done', peer, order.id], { ...order });
    if (++this.#done % DONE_BETWEEN_CHECKS === 0) this.#forgetOldOrders(peer);
  }

  /** Calls back, in order, when all that was put so far is on disk; never if the disk refuses it. */
  whenDurable(then: () => void): void {
    this.#freshCalls.push(then);
    this.#schedule();
  }

  /** Resolves when everything is on disk and every call was made. */
  async settled(): Promise<void> {
    while (this.#failure === undefined && (this.#busy !== undefined || this.#scheduled)) {
      await this.#busy;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async close(): Promise<void> {
    await this.settled();
    await this.#busy;
    await this.#db.close();
  }

  /** Before LMDB is asked: a disk that fills up in a transaction is an input/output error to it, and told in several ways. */
  #checkRoom(keys: number): void {
    const { bavail, bsize } = statfsSync(dirname(this.#path));
    const needed = ROOM_BYTES_MIN + Math.min(keys * KEY_BYTES_MAX, BATCH_BYTES_MAX);
    if (bavail * bsize < needed)
      throw new Error(`no space left: ${bavail * bsize} bytes are free, ${needed} are needed`);
  }

  #forgetOldOrders(peer: string): void {
    const range = { start: ['done', peer, 0], end: ['done', peer, Number.MAX_SAFE_INTEGER] };
    const limit = this.#db.getKeysCount(range) - DONE_KEPT;
    if (limit <= 0) return;
    for (const { key, value } of this.#db.getRange({ ...range, limit })) {
      this.#put(key, undefined);
      for (const clOrdId of (value as OrderRecord).clOrdIds) this.#put(['clOrdId', peer, clOrdId], undefined);
    }
  }

  #putGateway(gateway: GatewayRecord): void {
    this.#gateway = gateway;
    this.#put(['gateway'], gateway);
  }

  #put(key: StoreKey, value: unknown): void {
    this.#fresh.set(key.join('\u0000'), [key, value]);
    this.#schedule();
  }

  #get(key: StoreKey): unknown {
    const name = key.join('\u0000');
    const unwritten = this.#fresh.get(name) ?? this.#writing.get(name);
    return unwritten === undefined ? this.#db.get(key) : unwritten[1];
  }

  /** What is kept under a prefix with a number of a range behind it, by that number. */
  #range(prefix: StoreKey, from: number, to: number): [number, unknown][] {
    const found = new Map<number, unknown>();
    const end: StoreKey = [...prefix, to + 1];
    for (const { key, value } of this.#db.getRange({ start: [...prefix, from], end }))
      found.set(key[prefix.length] as number, value);
    const start = `${prefix.join('\u0000')}\u0000`;
    for (const unwritten of [this.#writing, this.#fresh]) {
      for (const [name, [key, value]] of unwritten) {
        if (!name.startsWith(start) || key.length !== prefix.length + 1) continue;
        const number = key[prefix.length] as number;
        if (number < from || number > to) continue;
        if (value === undefined) found.delete(number);
        else found.set(number, value);
      }
    }
    return [...found].sort(([one], [other]) => one - other);
  }

  #schedule(): void {
    if (this.#scheduled || this.#busy !== undefined || this.#failure !== undefined) return;
    this.#scheduled = true;
    // What comes in the same turn goes to the disk together.
    setImmediate(() => {
      this.#scheduled = false;
      this.#busy = this.#write().finally(() => {
        this.#busy = undefined;
        if (this.#fresh.size > 0 || this.#freshCalls.length > 0) this.#schedule();
      });
    });
  }

  async #write(): Promise<void> {
    const calls = this.#freshCalls;
    this.#writing = this.#fresh;
    this.#fresh = new Map();
    this.#freshCalls = [];
    try {
      if (this.#writing.size > 0) {
        this.#checkRoom(this.#writing.size);
        await this.#db.transaction(() => {
          for (const [key, value] of this.#writing.values()) {
            if (value === undefined) this.#db.removeSync(key);
            else this.#db.putSync(key, value);
          }
        });
      }
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      this.#announceFailure(new EnvironmentFault(`the gateway's file: ${this.#failure.message}`));
      return;
    }
    this.#writing = new Map();
    for (const then of calls) then();
  }
}

type StoreKey = (string | number)[];

interface GatewayRecord {
  readonly version: number;
  readonly shard: number;
  readonly place: number;
  readonly nextOrder: number;
}

/** The venue's session for the orders of one account of a FIX session. */
export interface LaneRecord {
  /** Names the session to the venue. */
  readonly key: number;
  /** The venue's number of it; 0 before it was opened first. */
  readonly session: number;
}

const STORE_VERSION = 1;
/** What must be free on the disk, beside what a transaction may write: so many bytes a key, of many keys fewer. */
const ROOM_BYTES_MIN = 2 ** 20;
const KEY_BYTES_MAX = 2 ** 14;
const BATCH_BYTES_MAX = 2 ** 26;
/** Order ids begin at the time when the file was made, in this unit, so that those of another file are not met. */
const ORDERS_PER_MS = 2 ** 11;
/** Messages of a FIX session that can be sent again. */
const SENT_KEPT = 16_384;
/** Orders of a FIX session that are done and whose ClOrdIDs are known. */
const DONE_KEPT = 65_536;
const DONE_BETWEEN_CHECKS = 1_024;
