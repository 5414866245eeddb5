import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { lockLine, pidNamespace } from '../../journal/lock.ts';
import {
  checkLeaseMs,
  decodeLease,
  encodeLease,
  type Lease,
  LeaseHolding,
  type LeaseSight,
  LeaseWatch,
  leaseHolder,
  readLease,
} from '../../sequencer/lease.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';

afterAll(removeTemporaryFolders);

const HOLDER = '4242 123456 6b9c7f7e-2f0a-4a52-9f0e-0e8d7b1c2d3e\n';
const LEASE: Lease = {
  ...{ steppedDown: false, epoch: 3, counter: 7, leaseMs: 500, heir: 0, holder: HOLDER },
  pidNamespace: pidNamespace(),
};
const ID = 99;

/** Looks every `stepMs` at what `sightAt` gives, until the verdict is another one than held; says when. */
function judge(sightAt: (now: number) => LeaseSight, stepMs = 5, until = 10_000): [string, number] {
  const watch = new LeaseWatch(500, ID);
  for (let now = 0; now <= until; now += stepMs) {
    const verdict = watch.look(now, sightAt(now));
    if (verdict !== 'held') return [verdict, now];
  }
  return ['held', until];
}

/** A lease that is renewed every 125 ms until `stops`. */
const renewed = (now: number, stops: number): Lease => ({ ...LEASE, counter: Math.floor(Math.min(now, stops) / 125) });

test('a lease is read as it was written, and one with a flipped bit is none', () => {
  for (const lease of [
    LEASE,
    { ...LEASE, steppedDown: true, heir: 2 ** 31, counter: 2 ** 40, epoch: 2 ** 33, pidNamespace: 2 ** 32 - 1 },
  ]) {
    const bytes = encodeLease(lease);
    expect(decodeLease(bytes)).toEqual(lease);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(decodeLease(flipped)).toBeUndefined();
    }
    expect(decodeLease(bytes.subarray(1))).toBeUndefined();
  }
  expect(() => encodeLease({ ...LEASE, holder: 'x'.repeat(88) })).toThrow('holder: 88 characters are too many');
});

test('the file of a lease: renewed when due, left to an heir, taken by the next holder in place', () => {
  const root = temporaryFolder();
  expect(readLease(root)).toBeUndefined();
  const holding = new LeaseHolding(root, 3, 400, HOLDER);
  expect(readLease(root)).toEqual({ ...LEASE, counter: 1, leaseMs: 400 });
  expect(holding.isDue(0)).toBe(true);
  holding.renew(0);
  expect([holding.isDue(99), holding.isDue(100)]).toEqual([false, true]);
  holding.renew(100);
  expect(readLease(root)?.counter).toBe(3);
  holding.stepDown(17);
  expect(readLease(root)).toMatchObject({ steppedDown: true, heir: 17, counter: 4 });
  holding.close();
  const next = new LeaseHolding(root, 4, 400, HOLDER);
  expect(readLease(root)).toMatchObject({ steppedDown: false, epoch: 4, counter: 1 });
  next.close();
  appendFileSync(join(root, 'lease'), 'longer');
  expect(readLease(root)?.epoch).toBe(4);
  writeFileSync(join(root, 'lease'), 'short');
  expect(readLease(root)).toBeUndefined();
});

test('a holder that ended is seen from its own PID namespace alone; from another it counts as alive', () => {
  const own = { ...LEASE, holder: lockLine(process.pid) };
  expect(leaseHolder(own)).toEqual({ holder: { pid: process.pid, line: own.holder }, isHolderAlive: true });
  expect([leaseHolder(LEASE).isHolderAlive, leaseHolder({ ...LEASE, pidNamespace: 0 }).isHolderAlive]).toEqual([
    false,
    false,
  ]);
  const elsewhere = { ...LEASE, pidNamespace: LEASE.pidNamespace + 1 };
  expect(leaseHolder(elsewhere)).toEqual({ holder: { pid: 4242, line: HOLDER }, isHolderAlive: true });
  expect(leaseHolder(undefined)).toEqual({ holder: undefined, isHolderAlive: false });
});

test('bounds of a lease are told', () => {
  checkLeaseMs(200);
  for (const wrong of [199, 60_001, 500.5]) expect(() => checkLeaseMs(wrong)).toThrow(`leaseMs: ${wrong} must be`);
});

test('a lease that is renewed is held; one that is not lapses after its time', () => {
  expect(judge((now) => ({ epoch: 3, lease: renewed(now, 1e9), isHolderAlive: true }))[0]).toBe('held');
  const [verdict, at] = judge((now) => ({ epoch: 3, lease: renewed(now, 2_000), isHolderAlive: true }));
  expect(verdict).toBe('lapsed');
  expect(at).toBe(2_505);
});

test('a lease that grants itself more time than the standby would is given it', () => {
  const [verdict, at] = judge(() => ({ epoch: 3, lease: { ...LEASE, leaseMs: 2_000 }, isHolderAlive: true }));
  expect([verdict, at]).toEqual(['lapsed', 2_005]);
});

test('a holder that is dead or has stepped down is noticed at once, also with an old counter', () => {
  expect(judge(() => ({ epoch: 3, lease: LEASE, isHolderAlive: false }))).toEqual(['gone', 0]);
  const left = { ...LEASE, steppedDown: true };
  expect(judge(() => ({ epoch: 3, lease: left, isHolderAlive: false }))).toEqual(['steppedDown', 0]);
  expect(judge(() => ({ epoch: 3, lease: { ...left, heir: ID }, isHolderAlive: true }))).toEqual(['steppedDown', 0]);
});

test('a place left to another standby is taken only when that one does not come', () => {
  const lease = { ...LEASE, steppedDown: true, heir: ID + 1 };
  expect(judge(() => ({ epoch: 3, lease, isHolderAlive: false }))).toEqual(['lapsed', 505]);
});

test('a raised epoch is a sign of life: the lease of the holder before says nothing any more', () => {
  // Somebody takes over at 1,000 ms and writes its lease at 1,300.
  const sight = (now: number): LeaseSight => {
    if (now < 1_000) return { epoch: 3, lease: renewed(now, 500), isHolderAlive: true };
    if (now < 1_300) return { epoch: 4, lease: LEASE, isHolderAlive: false };
    return { epoch: 4, lease: { ...renewed(now, 1e9), epoch: 4 }, isHolderAlive: true };
  };
  expect(judge(sight)[0]).toBe('held');
  // Or dies before that: then it is waited for as long as for a lease.
  const dies = (now: number): LeaseSight => (now < 1_000 ? sight(now) : { ...sight(1_000), epoch: 4 });
  expect(judge(dies)).toEqual(['lapsed', 1_505]);
});

test('a renewal by a holder that was fenced does not keep the lease of the next one alive', () => {
  const flapping = (now: number): LeaseSight => ({
    epoch: 4,
    lease: now % 10 === 0 ? { ...LEASE, epoch: 4 } : { ...renewed(now, 1e9), epoch: 3 },
    isHolderAlive: true,
  });
  expect(judge(flapping)).toEqual(['lapsed', 505]);
});

test('a standby that was itself stopped gives the holder time to show itself', () => {
  const watch = new LeaseWatch(500, ID);
  const sight = { epoch: 3, lease: LEASE, isHolderAlive: true };
  expect(watch.look(0, sight)).toBe('held');
  expect(watch.look(60_000, sight)).toBe('held');
  expect(watch.look(60_005, { ...sight, lease: { ...LEASE, counter: 8 } })).toBe('held');
  const late = [60_200, 60_400, 60_600, 60_800, 61_000].map((now) =>
    watch.look(now, { ...sight, lease: { ...LEASE, counter: 8 } }),
  );
  expect(late).toEqual(['held', 'held', 'held', 'held', 'lapsed']);
});
