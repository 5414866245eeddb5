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
 * | 'clOrdId', peer, ClOrdID | OrderID; 0 of a mass cancel |
 * | 'named', peer, OrderID, number from 0 | ClOrdID of a request about the order |
 * | 'massCancel', peer, ClOrdID | {@link MassCancelRecord} |
 * | 'massCancels', peer, number that rises | ClOrdID |
 *
 * Reads see at once what was put; the disk gets what was put in one turn of the event loop as one transaction. Whoever lets
 * something out does so in {@link whenDurable}.
 */
export class GatewayStore {
  /** Rejects when the disk refused something; nothing is let out any more. */
  readonly failed: Promise<never>;
  readonly #path: string;
  readonly #doneKept: number;
  readonly #db: RootDatabase<unknown, StoreKey>;
  #gateway: GatewayRecord;
  /** Not on disk yet, by key as text; undefined removes. */
  #fresh = new Map<string, readonly [key: StoreKey, value: unknown]>();
  #writing: ReadonlyMap<string, readonly [key: StoreKey, value: unknown]> = new Map();
  #freshCalls: (() => void)[] = [];
  #scheduled = false;
  #done = 0;
  #massCancels = 0;
  #busy: Promise<void> | undefined;
  #failure: Error | undefined;
  #announceFailure: (error: Error) => void = () => undefined;

  /**
   * Opens the file, or makes it for a shard of a venue.
   *
   * @param doneKept orders of a FIX session that are done and whose ClOrdIDs are known; as many mass cancels
   */
  static open(
    path: string,
    venue: Pick<GatewayRecord, 'shard'>,
    now: number,
    doneKept: number = DONE_KEPT,
  ): GatewayStore {
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
    return new GatewayStore(path, db, found ?? fresh, doneKept);
  }

  private constructor(path: string, db: RootDatabase<unknown, StoreKey>, gateway: GatewayRecord, doneKept: number) {
    this.#path = path;
    this.#doneKept = doneKept;
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

  /** Takes the ClOrdID of a new mass cancel. The oldest are forgotten, as orders that are done are. */
  nameMassCancel(peer: string, clOrdId: string): void {
    this.#put(['clOrdId', peer, clOrdId], 0);
    this.#put(['massCancels', peer, this.takeOrderId()], clOrdId);
    if (++this.#massCancels % DONE_BETWEEN_CHECKS === 0) this.#forgetOldMassCancels(peer);
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

  /** @param place how many ClOrdIDs the order had before */
  keepClOrdId(peer: string, clOrdId: string, id: number, place: number): void {
    this.#put(['clOrdId', peer, clOrdId], id);
    this.#put(['named', peer, id, place], clOrdId);
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
    for (const [key, value] of this.#tooOld('done', peer)) {
      this.#put(key, undefined);
      const { id } = value as OrderRecord;
      for (const [place, clOrdId] of this.#range(['named', peer, id], 0, Number.MAX_SAFE_INTEGER)) {
        this.#put(['clOrdId', peer, clOrdId as string], undefined);
        this.#put(['named', peer, id, place], undefined);
      }
      // Of an order that an earlier version took.
      const { clOrdIds = [] } = value as { readonly clOrdIds?: readonly string[] };
      for (const clOrdId of clOrdIds) this.#put(['clOrdId', peer, clOrdId], undefined);
    }
  }

  #forgetOldMassCancels(peer: string): void {
    for (const [key, clOrdId] of this.#tooOld('massCancels', peer)) {
      this.#put(key, undefined);
      this.#put(['clOrdId', peer, clOrdId as string], undefined);
      this.#put(['massCancel', peer, clOrdId as string], undefined);
    }
  }

  /** The oldest of what is kept more often than so many are. */
  #tooOld(kind: 'done' | 'massCancels', peer: string): (readonly [key: StoreKey, value: unknown])[] {
    const range = { start: [kind, peer, 0], end: [kind, peer, Number.MAX_SAFE_INTEGER] };
    // A copy, because LMDB's counting writes into what it is given.
    const limit = this.#db.getKeysCount({ ...range }) - this.#doneKept;
    const found: (readonly [key: StoreKey, value: unknown])[] = [];
    if (limit > 0) for (const { key, value } of this.#db.getRange({ ...range, limit })) found.push([key, value]);
    return found;
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
const DONE_KEPT = 65_536;
const DONE_BETWEEN_CHECKS = 1_024;
