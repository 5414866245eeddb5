import { type Readings, valueIn } from './figures.ts';
import { bytes } from './quantities.ts';

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
