import { styleText } from 'node:util';
import type { HistogramName, HistogramPoint, NumberName } from '../telemetry/points.ts';
import { histogramIn, type Readings, ratePerSecond, valueIn } from '../telemetry/readings.ts';

const STAGES: readonly (readonly [stage: string, label: string])[] = [
  ['gatewayToSequenced', 'gateway to sequence'],
  ['sequencedToApplied', 'sequence to matched'],
  ['sequencedToDurable', 'sequence to disk'],
  ['gatewayToAcknowledged', 'gateway to answer'],
];
const RINGS = ['input', 'command', 'block', 'event'] as const;
const PERCENTILES = [0.5, 0.9, 0.99, 0.999, 0.9999] as const;
const BAR_CELLS = 20;
/** From this share on a ring, or a disk, is shown as in want of attention. */
const FULL_SHARE = 0.8;
const LABEL_CHARACTERS = 22;
const NUMBER_CHARACTERS = 11;

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
  if (free !== undefined && capacity !== undefined && free < capacity * (1 - FULL_SHARE) * 0.5)
    alerts.push(`the disk of the journal has ${bytes(free)} left`);
  return alerts;
}

/** The lines of a screen, from two readings of the same process; with escape sequences if `colored`. */
export function screenOf(before: Readings, after: Readings, place: string, colored: boolean): string[] {
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    colored ? styleText(style, text, { validateStream: false }) : text;
  const head = (text: string): string => paint('bold', text);
  const rate = (name: NumberName, attributes = {}): string => perSecond(ratePerSecond(before, after, name, attributes));
  const value = (name: NumberName, attributes = {}): number | undefined => valueIn(after, name, attributes);
  const { role, shard, node, epoch, sequence, block, notReady, version } = after.described;
  const lines: string[] = [];
  const state = notReady === undefined ? paint('green', 'ready') : paint(['bold', 'red'], 'NOT READY');
  lines.push(
    `${head('veritape')} ${version}  ${place}  ${role}${node === undefined ? '' : ` ${node}`}, shard ${shard}, epoch ${epoch ?? '-'}, ${state}, up ${duration(value('process.uptime'))}`,
    `sequence ${whole(sequence)}  block ${whole(block)}  not on disk yet ${whole(value('veritape.commands.pending'))}`,
  );
  for (const alert of alertsOf(after)) lines.push(paint(['bold', 'red'], `! ${alert}`));

  lines.push('', head('a second'));
  lines.push(
    row('commands', rate('veritape.commands', { stage: 'sequenced' }), 'trades', rate('veritape.trades')),
    row('refused', rate('veritape.rejections'), 'busy', rate('veritape.batches.busy')),
    row(
      'NATS in',
      rate('veritape.nats.messages', { direction: 'in' }),
      'NATS out',
      rate('veritape.nats.messages', { direction: 'out' }),
    ),
  );

  lines.push(
    '',
    head(
      `${'latency, last interval'.padEnd(LABEL_CHARACTERS)}${['p50', 'p90', 'p99', 'p99.9', 'p99.99', 'count'].map((name) => name.padStart(NUMBER_CHARACTERS)).join('')}`,
    ),
  );
  for (const [stage, label] of STAGES)
    lines.push(latencyRow(label, intervalOf(before, after, 'veritape.stage.duration', { stage })));
  lines.push(latencyRow('flush', intervalOf(before, after, 'veritape.journal.flush.duration')));

  lines.push(
    '',
    head(
      `${'ring'.padEnd(LABEL_CHARACTERS)}${'used'.padStart(NUMBER_CHARACTERS)}${'of'.padStart(NUMBER_CHARACTERS)}${'most'.padStart(NUMBER_CHARACTERS)}${'stalls/s'.padStart(NUMBER_CHARACTERS)}`,
    ),
  );
  for (const ring of RINGS) {
    const [used, slots] = [value('veritape.ring.used', { ring }), value('veritape.ring.capacity', { ring })];
    const share = used === undefined || slots === undefined ? 0 : used / slots;
    const cells = [used, slots, value('veritape.ring.used.max', { ring })].map((one) =>
      whole(one).padStart(NUMBER_CHARACTERS),
    );
    const stalls = rate('veritape.ring.stalls', { ring }).padStart(NUMBER_CHARACTERS);
    const line = `${ring.padEnd(LABEL_CHARACTERS)}${cells.join('')}${stalls}  ${bar(share)}`;
    lines.push(share >= FULL_SHARE ? paint('yellow', line) : line);
  }

  const replicas = after.metrics['veritape.replica.lag'] ?? [];
  if (replicas.length > 0) {
    lines.push(
      '',
      head(
        `${'replica'.padEnd(LABEL_CHARACTERS)}${'applied/s'.padStart(NUMBER_CHARACTERS)}${'behind'.padStart(NUMBER_CHARACTERS)}${'laps'.padStart(NUMBER_CHARACTERS)}`,
      ),
    );
    for (const { attributes, value: lag } of replicas) {
      const replica = attributes['replica'] ?? '';
      const cells = [
        rate('veritape.replica.commands', { replica }),
        whole(lag),
        whole(value('veritape.replica.laps', { replica })),
      ];
      lines.push(
        `${`${replica}${replica === '0' ? ', leads' : ''}`.padEnd(LABEL_CHARACTERS)}${cells.map((cell) => cell.padStart(NUMBER_CHARACTERS)).join('')}`,
      );
    }
    lines.push(`digests agreed ${whole(value('veritape.digests.agreed'))}`);
  }

  lines.push('', head('journal'));
  lines.push(
    row(
      'written',
      `${bytes(ratePerSecond(before, after, 'veritape.journal.written'))}/s`,
      'blocks',
      rate('veritape.journal.blocks'),
    ),
    row('size', bytes(value('veritape.journal.size')), 'disk free', bytes(value('veritape.disk.free'))),
    row(
      'snapshot age',
      duration(value('veritape.snapshot.age')),
      'commands since',
      whole(value('veritape.snapshot.lag')),
    ),
    row('proofs', whole(value('veritape.proofs')), 'not proven', whole(value('veritape.proof.backlog'))),
  );

  lines.push('', head('process'));
  const cpu = ratePerSecond(before, after, 'process.cpu.time');
  lines.push(
    row('cores busy', cpu === undefined ? '-' : cpu.toFixed(2), 'memory', bytes(value('process.memory.usage'))),
    row(
      'event loop late',
      seconds(value('nodejs.eventloop.delay', { percentile: '99' })),
      'heap',
      bytes(value('v8js.memory.heap.used')),
    ),
    row(
      'commit window',
      `${whole(value('veritape.tuning.bound', { bound: 'commitWindowMicros' }))} µs`,
      'tuned',
      whole(value('veritape.tuning.decisions')),
    ),
  );
  return lines;
}

/** What a histogram counted between two readings. */
function intervalOf(
  before: Readings,
  after: Readings,
  name: HistogramName,
  attributes: Readonly<Record<string, string>> = {},
): HistogramPoint | undefined {
  const [from, to] = [histogramIn(before, name, attributes), histogramIn(after, name, attributes)];
  if (to === undefined) return undefined;
  const counts = to.counts.map((count, index) => Math.max(0, count - (from?.counts[index] ?? 0)));
  return { ...to, counts, count: counts.reduce((sum, count) => sum + count, 0) };
}

/** The bound below which this share of the values lies; undefined if there are none, or it lies above the last bound. */
export function percentileOf({ counts, bounds, count }: HistogramPoint, share: number): number | undefined {
  if (count === 0) return undefined;
  const wanted = Math.ceil(share * count);
  let seen = 0;
  for (const [index, bound] of bounds.entries()) {
    seen += counts[index] ?? 0;
    if (seen >= wanted) return bound;
  }
  return undefined;
}

function latencyRow(label: string, histogram: HistogramPoint | undefined): string {
  const cells = PERCENTILES.map((share) => seconds(histogram && percentileOf(histogram, share)));
  return `${label.padEnd(LABEL_CHARACTERS)}${[...cells, whole(histogram?.count)].map((cell) => cell.padStart(NUMBER_CHARACTERS)).join('')}`;
}

function row(...cells: readonly [string, string, string, string]): string {
  const [a, one, b, two] = cells;
  return `${a.padEnd(LABEL_CHARACTERS)}${one.padStart(NUMBER_CHARACTERS)}    ${b.padEnd(LABEL_CHARACTERS)}${two.padStart(NUMBER_CHARACTERS)}`;
}

function bar(share: number): string {
  const full = Math.min(BAR_CELLS, Math.round(share * BAR_CELLS));
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_CELLS - full)}]`;
}

const NUMBERS = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

function whole(value: number | undefined): string {
  return value === undefined ? '-' : NUMBERS.format(value);
}

function perSecond(value: number | undefined): string {
  if (value === undefined) return '-';
  return value > 0 && value < 10 ? value.toFixed(1) : whole(value);
}

/** With a unit that leaves three digits or so. */
function seconds(value: number | undefined): string {
  if (value === undefined) return '-';
  if (value >= 1) return `${value.toPrecision(3)} s`;
  return value >= 1e-3 ? `${(value * 1e3).toPrecision(3)} ms` : `${(value * 1e6).toPrecision(3)} µs`;
}

function bytes(value: number | undefined): string {
  if (value === undefined) return '-';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let scaled = value;
  let unit = 0;
  while (scaled >= 1000 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return `${unit === 0 ? scaled.toFixed(0) : scaled.toPrecision(3)} ${units[unit]}`;
}

function duration(value: number | undefined): string {
  if (value === undefined) return '-';
  if (value < 60) return `${value.toFixed(0)} s`;
  if (value < 3_600) return `${Math.floor(value / 60)} min`;
  if (value < 86_400) return `${Math.floor(value / 3_600)} h ${Math.floor((value % 3_600) / 60)} min`;
  return `${Math.floor(value / 86_400)} d ${Math.floor((value % 86_400) / 3_600)} h`;
}
