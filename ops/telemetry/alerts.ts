import { type Readings, valueIn } from './figures.ts';
import type { NumberName } from './points.ts';
import { bytes } from './quantities.ts';

/** From this share on a ring is shown as in want of attention. */
export const RING_FULL_SHARE = 0.8;
/** Below this share of it free, a disk wants attention. */
const DISK_FREE_SHARE_MIN = 0.1;

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
  const [free, capacity] = [valueIn(readings, 'veritape.disk.free'), valueIn(readings, 'veritape.disk.capacity')];
  if (free !== undefined && capacity !== undefined && free < capacity * DISK_FREE_SHARE_MIN)
    alerts.push(`the disk of the journal has ${bytes(free)} left`);
  return alerts;
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
  if (roseBy('veritape.nats.disconnects') > 0) changes.push('the connection to NATS was lost');
  if (roseBy('veritape.nats.reconnects') > 0) changes.push('the connection to NATS is back');
  for (const { attributes, value } of after.metrics['veritape.drift'] ?? []) {
    const { watched = '' } = attributes;
    if (value === (valueIn(before, 'veritape.drift', { watched }) ?? 0)) continue;
    changes.push(value === 1 ? `${watched} is several times its usual` : `${watched} is as usual again`);
  }
  return changes;
}
