import { setTimeout as delay } from 'node:timers/promises';
import { JournalError } from '../../journal/findings.ts';
import { journalPath } from '../../journal/segments.ts';
import { isOfAnotherPidNamespace, LeaseWatch, leaseHolder, readLease } from '../../sequencer/lease.ts';

const LOOK_MS = 20;

/**
 * Two containers with one volume and a PID namespace each would take each other for gone, and the journal from each other in
 * turn. So whoever begins watches a lease of another namespace for its time: if the counter rises, somebody writes there.
 * What a killed container left stands still, and so it is for who stood still itself: time without a look counts for little.
 * Throws a {@link JournalError} 'in-use'.
 */
export async function refuseOtherPidNamespace(directory: string): Promise<void> {
  const root = journalPath(directory);
  const first = readLease(root);
  if (first === undefined || first.steppedDown || !isOfAnotherPidNamespace(first)) return;
  const { epoch, counter, leaseMs } = first;
  const watch = new LeaseWatch(leaseMs, 0);
  for (; ; await delay(LOOK_MS)) {
    // It can not be read while it is written.
    const now = readLease(root) ?? first;
    if (now.epoch === epoch && now.counter === counter) {
      const verdict = watch.look(performance.now(), { epoch, lease: first, isHolderAlive: true });
      if (verdict === 'lapsed') return;
      continue;
    }
    if (now.steppedDown) return;
    const text = `is written by process ${leaseHolder(now).holder?.pid} of another PID namespace, from which neither sees the other end`;
    throw new JournalError('in-use', `the journal in ${root} ${text}; stop it, or run both in one namespace`);
  }
}
