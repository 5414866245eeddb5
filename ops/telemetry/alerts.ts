import { type Readings, valueIn } from './figures.ts';
import type { NumberName } from './points.ts';
import { bytes, duration, whole } from './quantities.ts';

/** From this share on a ring is shown as in want of attention. */
export const RING_FULL_SHARE = 0.8;
/** Below this share of it free, or fewer segments, a disk wants attention. */
const DISK_FREE_SHARE_MIN = 0.1;
const DISK_FREE_SEGMENTS_MIN = 2;
/** From this on, the time that commands get and the host's clock are told to differ. */
const CLOCK_APART_S = 1;

/** A backup that lacks commands is told of from this age on. */
const BACKUP_OLD_S = 3_600;

/** A certificate is to be renewed from here on: 14 days. */
const CERTIFICATE_RENEW_S = 1_209_600;

/** What is wrong now, in words. */
export function alertsOf(readings: Readings): string[] {
  const alerts: string[] = [];
  const { described } = readings;
  if (described.notReady !== undefined) alerts.push(`not ready: ${described.notReady}`);
  if (described.role === 'fenced') alerts.push('fenced: another server has the journal');
  if ((valueIn(readings, 'veritape.disagreements') ?? 0) > 0) alerts.push('replicas disagree: veritape audit');
  if (valueIn(readings, 'veritape.nats.connected') === 0) alerts.push('NATS can not be reached');
  for (const { attributes, value } of readings.metrics['veritape.drift'] ?? [])
    if (value === 1) alerts.push(`${attributes['watched']} is several times its usual: see the log`);
  for (const { attributes, value } of readings.metrics['veritape.replica.aside'] ?? [])
    if (value === 1)
      alerts.push(`replica ${attributes['replica']} is set aside, and is compared with the leader later`);
  const free = valueIn(readings, 'veritape.disk.free');
  if (free !== undefined && free < leastFree(readings)) alerts.push(`the disk of the journal has ${bytes(free)} left`);
  for (const { attributes, value } of readings.metrics['veritape.certificate.remaining'] ?? []) {
    const what = `the certificate of ${attributes['certificate']}`;
    if (value <= 0) alerts.push(`${what} is not valid any more`);
    else if (value < CERTIFICATE_RENEW_S) alerts.push(`${what} is valid for ${duration(value)}`);
  }
  const waited = valueIn(readings, 'veritape.prover.oldest') ?? 0;
  if (waited > (valueIn(readings, 'veritape.prover.target') ?? Number.POSITIVE_INFINITY))
    alerts.push(`proofs are behind: the oldest command without one has waited for ${duration(waited)}`);
  const lacking = valueIn(readings, 'veritape.backup.lag') ?? 0;
  const age = valueIn(readings, 'veritape.backup.age');
  if (lacking > 0 && !(age !== undefined && age < BACKUP_OLD_S))
    alerts.push(
      `${whole(lacking)} commands are in no backup: ${age === undefined ? 'there is none' : `it is ${duration(age)} old`}`,
    );
  const ahead = valueIn(readings, 'veritape.clock.ahead') ?? 0;
  if (Math.abs(ahead) > CLOCK_APART_S)
    alerts.push(
      `commands get times ${duration(Math.abs(ahead))} ${ahead > 0 ? 'ahead of' : 'behind'} the host's clock`,
    );
  return alerts;
}

/** Bytes that the journal's disk should have free. */
function leastFree(readings: Readings): number {
  const of = (name: NumberName): number => valueIn(readings, name) ?? 0;
  const segment = of('veritape.journal.size') / Math.max(1, of('veritape.journal.segments'));
  return Math.max(of('veritape.disk.capacity') * DISK_FREE_SHARE_MIN, segment * DISK_FREE_SEGMENTS_MIN);
}

/** What became otherwise between two readings of a place, in words; not what comes and goes all the time. */
export function changesBetween(before: Readings, after: Readings): string[] {
  if (before.startedAtMs !== after.startedAtMs) return ['another process answers: it was started again'];
  const changes: string[] = [];
  const [was, is] = [before.described, after.described];
  if (was.role !== is.role) changes.push(`role: ${was.role}, now ${is.role}`);
  if (was.epoch !== is.epoch) changes.push(`epoch: ${was.epoch ?? 'none'}, now ${is.epoch ?? 'none'}`);
  if (was.notReady !== is.notReady) changes.push(is.notReady === undefined ? 'ready' : `not ready: ${is.notReady}`);
  const roseBy = (name: NumberName, attributes: Readonly<Record<string, string>> = {}): number =>
    (valueIn(after, name, attributes) ?? 0) - (valueIn(before, name, attributes) ?? 0);
  for (const { attributes } of after.metrics['veritape.takeovers'] ?? [])
    if (roseBy('veritape.takeovers', attributes) > 0) changes.push(`took over: ${attributes['why']}`);
  for (const { attributes } of after.metrics['veritape.tuning.decisions'] ?? []) {
    const { bound = '' } = attributes;
    if (roseBy('veritape.tuning.decisions', { bound }) <= 0) continue;
    const [from, to] = [before, after].map((one) => valueIn(one, 'veritape.tuning.bound', { bound }));
    changes.push(`tuned: ${bound} from ${from} to ${to}`);
  }
  for (const { attributes } of after.metrics['veritape.replica.laps'] ?? [])
    if (roseBy('veritape.replica.laps', attributes) > 0) changes.push(`replica ${attributes['replica']} was lapped`);
  if (roseBy('veritape.snapshot.failures') > 0) changes.push('a snapshot could not be written: see the log');
  if (roseBy('veritape.nats.disconnects') > 0) changes.push('the connection to NATS was lost');
  if (roseBy('veritape.nats.reconnects') > 0) changes.push('the connection to NATS is back');
  for (const { attributes, value } of after.metrics['veritape.drift'] ?? []) {
    const { watched = '' } = attributes;
    if (value === (valueIn(before, 'veritape.drift', { watched }) ?? 0)) continue;
    changes.push(value === 1 ? `${watched} is several times its usual` : `${watched} is as usual again`);
  }
  return changes;
}
