import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { holderOf, isAlive, type LockHolder, pidNamespace } from '../journal/lock.ts';
import { u64 } from '../journal/pages.ts';

/**
 * How a standby learns that the primary is gone. The lease is a hint and no more: who may append is decided by the epoch, in
 * the journal. So nothing here has to be durable, and no time is compared between processes: the primary raises a counter,
 * and a standby measures on its own clock how long that has stood still.
 *
 * The file `lease` in the journal's folder, 128 bytes, little-endian:
 *
 * | byte | type | field | meaning |
 * |-----:|------|-------|---------|
 * |   0 | u32 | magic   | "VTLS" |
 * |   4 | u16 | version | 1 |
 * |   6 | u16 | state   | 1: held; 2: its holder has stepped down, and appends nothing any more |
 * |   8 | u64 | epoch   | of the holder |
 * |  16 | u64 | counter | raised with each renewal |
 * |  24 | u32 | leaseMs | the holder renews it four times in this time |
 * |  28 | u32 | heir    | who is to take over from a holder that has stepped down; 0: any standby |
 * |  32 | u8  | length  | of the holder's line |
 * |  33 | 87  | holder  | the holder's line, as journal/lock.ts makes it |
 * | 120 | u32 | pidNamespace | of the holder; 0: not known |
 * | 124 | u32 |         | CRC-32 of bytes 0-123 |
 */
const LEASE_FILE = 'lease';
const LEASE_BYTES = 128;
const MAGIC = 0x534c_5456;
const VERSION = 1;
const HOLDER_AT = 33;
const HOLDER_BYTES_MAX = 87;
const PID_NAMESPACE_AT = 120;
const CRC_AT = 124;
const STATE_HELD = 1;
const STATE_STEPPED_DOWN = 2;

export const LEASE_MS_DEFAULT = 500;
/** A journal thread without work looks around every 50 ms, and must be able to renew in a quarter of the lease. */
export const LEASE_MS_MIN = 200;
export const LEASE_MS_MAX = 60_000;
export const RENEWALS_PER_LEASE = 4;

/** Throws a RangeError. */
export function checkLeaseMs(leaseMs: number): void {
  if (Number.isInteger(leaseMs) && leaseMs >= LEASE_MS_MIN && leaseMs <= LEASE_MS_MAX) return;
  throw new RangeError(
    `leaseMs: ${leaseMs} must be a whole number of milliseconds from ${LEASE_MS_MIN} to ${LEASE_MS_MAX}`,
  );
}

export interface Lease {
  readonly steppedDown: boolean;
  readonly epoch: number;
  readonly counter: number;
  readonly leaseMs: number;
  readonly heir: number;
  readonly holder: string;
  readonly pidNamespace: number;
}

export function encodeLease(lease: Lease): Buffer {
  const bytes = Buffer.alloc(LEASE_BYTES);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt16LE(VERSION, 4);
  bytes.writeUInt16LE(lease.steppedDown ? STATE_STEPPED_DOWN : STATE_HELD, 6);
  bytes.writeBigUInt64LE(BigInt(lease.epoch), 8);
  bytes.writeBigUInt64LE(BigInt(lease.counter), 16);
  bytes.writeUInt32LE(lease.leaseMs, 24);
  bytes.writeUInt32LE(lease.heir, 28);
  const written = bytes.write(lease.holder, HOLDER_AT, HOLDER_BYTES_MAX, 'latin1');
  if (written !== lease.holder.length) throw new RangeError(`holder: ${lease.holder.length} characters are too many`);
  bytes.writeUInt8(written, 32);
  bytes.writeUInt32LE(lease.pidNamespace, PID_NAMESPACE_AT);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, CRC_AT)), CRC_AT);
  return bytes;
}

/** Undefined for what is no lease of this version: also for one that was read while it was written. */
export function decodeLease(bytes: Buffer): Lease | undefined {
  if (bytes.length !== LEASE_BYTES || bytes.readUInt32LE(0) !== MAGIC || bytes.readUInt16LE(4) !== VERSION)
    return undefined;
  if (crc32(bytes.subarray(0, CRC_AT)) !== bytes.readUInt32LE(CRC_AT)) return undefined;
  const length = bytes.readUInt8(32);
  return {
    steppedDown: bytes.readUInt16LE(6) === STATE_STEPPED_DOWN,
    epoch: u64(bytes, 8),
    counter: u64(bytes, 16),
    leaseMs: bytes.readUInt32LE(24),
    heir: bytes.readUInt32LE(28),
    holder: bytes.toString('latin1', HOLDER_AT, HOLDER_AT + Math.min(length, HOLDER_BYTES_MAX)),
    pidNamespace: bytes.readUInt32LE(PID_NAMESPACE_AT),
  };
}

/** Reads the lease in a journal's folder; undefined if there is none, or none that can be read. */
export function readLease(root: string): Lease | undefined {
  const bytes = Buffer.alloc(LEASE_BYTES);
  try {
    const fd = openSync(join(root, LEASE_FILE), 'r');
    try {
      return readSync(fd, bytes, 0, LEASE_BYTES, 0) === LEASE_BYTES ? decodeLease(bytes) : undefined;
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

/** Whether the holder's process id means nothing here. */
export function isOfAnotherPidNamespace({ pidNamespace: its }: Lease): boolean {
  const own = pidNamespace();
  return its !== 0 && own !== 0 && its !== own;
}

/** The process that a lease names. It counts as alive where that can not be known: then only the counter tells that it is gone. */
export function leaseHolder(lease: Lease | undefined): { holder: LockHolder | undefined; isHolderAlive: boolean } {
  const holder = lease === undefined ? undefined : holderOf(lease.holder);
  if (lease === undefined || holder === undefined) return { holder, isHolderAlive: false };
  return { holder, isHolderAlive: isOfAnotherPidNamespace(lease) || isAlive(holder) };
}

/** The primary's end of the lease. */
export class LeaseHolding {
  readonly #fd: number;
  readonly #renewMs: number;
  readonly #holder: string;
  readonly #epoch: number;
  readonly #leaseMs: number;
  readonly #pidNamespace = pidNamespace();
  #counter = 0;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  /** Throws what the file system throws. */
  constructor(root: string, epoch: number, leaseMs: number, holder: string) {
    this.#epoch = epoch;
    this.#leaseMs = leaseMs;
    this.#renewMs = leaseMs / RENEWALS_PER_LEASE;
    this.#holder = holder;
    // Written in place and never cut, so that its space is there when the disk is full.
    this.#fd = openLeaseFile(join(root, LEASE_FILE));
    this.#write(false, 0);
  }

  /** Whether it is time to renew, by a clock of this process in milliseconds. */
  isDue(now: number): boolean {
    return now - this.#renewedAt >= this.#renewMs;
  }

  /** A lease that can not be written is one that lapses: no reason to stop. */
  renew(now: number): void {
    this.#renewedAt = now;
    try {
      this.#write(false, 0);
    } catch {
      // Tried again at the next time.
    }
  }

  /** Says that this holder appends nothing any more, so that `heir`, or any standby for 0, need not wait for the lease to lapse. */
  stepDown(heir: number): void {
    try {
      this.#write(true, heir);
    } catch {
      // Then it lapses.
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }

  #write(steppedDown: boolean, heir: number): void {
    this.#counter++;
    const lease = { steppedDown, epoch: this.#epoch, counter: this.#counter, leaseMs: this.#leaseMs, heir };
    const held = { ...lease, holder: this.#holder, pidNamespace: this.#pidNamespace };
    writeSync(this.#fd, encodeLease(held), 0, LEASE_BYTES, 0);
  }
}

function openLeaseFile(path: string): number {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return openSync(path, 'w+');
  }
}

/**
 * What a standby finds. `lapsed`: the holder is alive, as far as can be seen, and does not renew. `gone`: its process has
 * ended. `steppedDown`: it leaves the place to this standby.
 */
export type LeaseVerdict = 'held' | 'lapsed' | 'gone' | 'steppedDown';

/** What was read at one moment. */
export interface LeaseSight {
  /** Epoch of the journal, or of the replicated log. */
  readonly epoch: number;
  readonly lease: Pick<Lease, 'steppedDown' | 'epoch' | 'counter' | 'leaseMs' | 'heir'> | undefined;
  /** Whether the process that the lease names is alive; true where that can not be known. */
  readonly isHolderAlive: boolean;
}

/**
 * Judges whether to take over. It has no clock of its own: a simulator runs the same code. A wrong verdict costs an
 * interruption, never an order.
 */
export class LeaseWatch {
  readonly #leaseMs: number;
  readonly #id: number;
  #epoch = -1;
  #counter = -1;
  #stoodStillMs = 0;
  #lookedAt: number | undefined;

  /**
   * @param leaseMs how long the counter may stand still, unless the lease grants itself more
   * @param id of this standby, as a lease names its heir
   */
  constructor(leaseMs: number, id: number) {
    this.#leaseMs = leaseMs;
    this.#id = id;
  }

  /** @param now milliseconds on a clock of this process that never goes back */
  look(now: number, { epoch, lease, isHolderAlive }: LeaseSight): LeaseVerdict {
    // Who takes over raises the epoch first. What a holder before that left in the file says nothing any more.
    const current = lease !== undefined && lease.epoch >= epoch ? lease : undefined;
    const counter = current?.counter ?? -1;
    const leaseMs = Math.max(this.#leaseMs, current?.leaseMs ?? 0);
    const highest = Math.max(epoch, current?.epoch ?? 0);
    if (highest > this.#epoch || (highest === this.#epoch && counter > this.#counter)) {
      this.#epoch = highest;
      this.#counter = counter;
      this.#stoodStillMs = 0;
    } else {
      // A standby that was itself stopped has not seen what the holder did meanwhile, so it counts a part of that only.
      const passed = now - (this.#lookedAt ?? now);
      this.#stoodStillMs += Math.min(passed, leaseMs / RENEWALS_PER_LEASE);
    }
    this.#lookedAt = now;
    if (this.#stoodStillMs > leaseMs) return 'lapsed';
    if (current === undefined) return 'held';
    if (current.steppedDown) return current.heir === 0 || current.heir === this.#id ? 'steppedDown' : 'held';
    return isHolderAlive ? 'held' : 'gone';
  }
}
