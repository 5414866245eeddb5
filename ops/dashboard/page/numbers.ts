import { RING_FULL_SHARE } from '../../telemetry/alerts.ts';
import { percentileOf, type Readings, ratePerSecond, valueIn } from '../../telemetry/figures.ts';
import type { NumberName } from '../../telemetry/points.ts';
import { bytes, duration, each, seconds, whole } from '../../telemetry/quantities.ts';
import { byId, mark, say, show, showRows } from './elements.ts';
import { type History, STAGES } from './history.ts';

const PERCENTILES = [0.5, 0.9, 0.99, 0.999, 0.9999];
/** Long enough for the rare ones, short enough to be now. */
const LATENCY_S = 10;

/** All that is a number with a name. */
export function drawFigures(history: History, before: Readings, after: Readings): void {
  const value = (name: NumberName, attributes = {}): number | undefined => valueIn(after, name, attributes);
  const rate = (name: NumberName, attributes = {}): number | undefined =>
    ratePerSecond(before, after, name, attributes);
  const rateOf = (name: NumberName, attributes = {}): string => each(rate(name, attributes));
  const within = (stage: number, share: number): number | undefined => {
    const of = STAGES[stage];
    const interval = of && history.over(LATENCY_S, of);
    return interval && percentileOf(interval, share);
  };
  show('commands', rateOf('veritape.commands', { stage: 'sequenced' }));
  show('trades', rateOf('veritape.trades'));
  show('answer50', seconds(within(0, 0.5)));
  show('answer99', seconds(within(0, 0.99)));
  show('pending', unit(value('veritape.commands.pending'), 'cmd'));
  const busy = rate('veritape.batches.busy');
  show('refused', rateOf('veritape.rejections'));
  show('busy', each(busy), busy === undefined || busy === 0 ? undefined : 'warn');

  drawReplicas(before, after);
  const agreed = value('veritape.digests.agreed');
  const differ = (value('veritape.disagreements') ?? 0) > 0;
  const told =
    agreed === undefined ? '-' : agreed === 0 ? 'none compared yet' : `${whole(agreed)} agreed, none differed`;
  show('digests', differ ? 'THEY DIFFER' : told, differ ? 'bad' : undefined);
  show('replication', unit(value('veritape.replication.lag'), 'blocks'));
  show('follower', unit(value('veritape.follower.lag'), 'commands'));

  show('written', bytesEach(rate('veritape.journal.written')));
  show('blocks', rateOf('veritape.journal.blocks'));
  show('flush', both(seconds(within(4, 0.5)), seconds(within(4, 0.99))));
  show('size', both(bytes(value('veritape.journal.size')), whole(value('veritape.journal.segments'))));
  drawDisk(value('veritape.disk.free'), value('veritape.disk.capacity'), rate('veritape.journal.written'));
  const age = value('veritape.snapshot.age');
  show('snapshot', age === undefined ? '-' : `${bytes(value('veritape.snapshot.size'))}, ${duration(age)} ago`);
  show('snapshotLag', unit(value('veritape.snapshot.lag'), 'commands'));

  const lacking = value('veritape.backup.lag');
  const backedUp = value('veritape.backup.age');
  const made = backedUp === undefined ? 'none' : `${duration(backedUp)} ago`;
  show('backup', lacking === undefined ? '-' : `${made}, ${unit(lacking, 'cmd')}`);

  const cpu = rate('process.cpu.time');
  show('cores', cpu === undefined ? '-' : `${cpu.toFixed(2)} cores`);
  show('memory', both(bytes(value('process.memory.usage')), bytes(value('v8js.memory.heap.used'))));
  show('late', seconds(value('nodejs.eventloop.delay', { percentile: '99' })));
  const nats = (direction: string): string => rateOf('veritape.nats.messages', { direction });
  show('nats', both(nats('in'), nats('out')));
  show('feed', unit(value('veritape.feed.lag'), 'commands'));
  show('window', unit(value('veritape.tuning.bound', { bound: 'commitWindowMicros' }), 'µs'));
  show('snapshotEvery', unit(value('veritape.tuning.bound', { bound: 'snapshotEvery' }), 'commands'));
  show('tuned', unit(value('veritape.tuning.decisions'), 'times'));
}

function drawReplicas(before: Readings, after: Readings): void {
  const rows = (after.metrics['veritape.replica.lag'] ?? []).map(({ attributes, value: lag }) => {
    const { replica = '' } = attributes;
    return [
      replica === '0' ? '0, leads' : replica,
      each(ratePerSecond(before, after, 'veritape.replica.commands', { replica })),
      unit(lag, 'cmd'),
      unit(valueIn(after, 'veritape.replica.laps', { replica }), 'times'),
    ];
  });
  showRows(byId('replica-rows'), rows.length === 0 ? [['none here', '', '', '']] : rows);
}

/** How long the disk lasts if what is written stays as much as it is now. */
function drawDisk(free: number | undefined, capacity: number | undefined, written: number | undefined): void {
  const isFull = free !== undefined && capacity !== undefined && free < capacity * (1 - RING_FULL_SHARE);
  show('disk', free === undefined ? '-' : `${bytes(free)} of ${bytes(capacity)}`, isFull ? 'warn' : undefined);
  show('diskLasts', free === undefined || !written ? '-' : duration(free / written));
}

/** Two values of a row; one dash if there are none. */
function both(one: string, other: string): string {
  return one === '-' && other === '-' ? '-' : `${one}, ${other}`;
}

function bytesEach(value: number | undefined): string {
  return value === undefined ? '-' : `${bytes(value)}/s`;
}

function unit(value: number | undefined, name: string): string {
  return value === undefined ? '-' : `${whole(value)} ${name}`;
}

/** Makes a row for each stage, of which one is chosen for the charts. Gives their buttons. */
export function stageRows(labels: readonly string[], choose: (stage: number) => void): HTMLInputElement[] {
  const body = byId('stage-rows');
  return labels.map((text, index) => {
    const radio = document.createElement('input');
    Object.assign(radio, { type: 'radio', name: 'stage', checked: index === 0 });
    radio.addEventListener('change', () => choose(index));
    const label = document.createElement('label');
    label.append(radio, ` ${text}`);
    const head = document.createElement('th');
    head.scope = 'row';
    head.append(label);
    const row = document.createElement('tr');
    row.append(head, ...Array.from({ length: PERCENTILES.length + 1 }, () => document.createElement('td')));
    body.append(row);
    return radio;
  });
}

export function drawStages(history: History): void {
  const rows = [...(byId('stage-rows') as HTMLTableSectionElement).rows];
  for (const [index, stage] of STAGES.entries()) {
    const interval = history.over(LATENCY_S, stage);
    const cells = PERCENTILES.map((share) => seconds(interval && percentileOf(interval, share)));
    for (const [place, text] of [...cells, whole(interval?.count)].entries()) {
      const cell = rows[index]?.cells[place + 1];
      if (cell !== undefined) say(cell, text);
      if (cell !== undefined) mark(cell, undefined);
    }
  }
}
