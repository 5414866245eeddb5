import { styleText } from 'node:util';
import { alertsOf, RING_FULL_SHARE } from '../telemetry/alerts.ts';
import { intervalOf, percentileOf, type Readings, ratePerSecond, valueIn } from '../telemetry/figures.ts';
import type { HistogramPoint, NumberName } from '../telemetry/points.ts';
import { bytes, duration, perSecond, seconds, whole } from '../telemetry/quantities.ts';

const STAGES: readonly (readonly [stage: string, label: string])[] = [
  ['gatewayToSequenced', 'gateway to sequence'],
  ['sequencedToApplied', 'sequence to matched'],
  ['sequencedToDurable', 'sequence to disk'],
  ['gatewayToAcknowledged', 'gateway to answer'],
];
const RINGS = ['input', 'command', 'block', 'event'] as const;
const PERCENTILES = [0.5, 0.9, 0.99, 0.999, 0.9999] as const;
const BAR_CELLS = 20;
const LABEL_CHARACTERS = 22;
const NUMBER_CHARACTERS = 11;

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
    lines.push(share >= RING_FULL_SHARE ? paint('yellow', line) : line);
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

  if (after.metrics['veritape.prover.processes'] !== undefined) {
    const atWork = value('veritape.prover.processes', { state: 'atWork' });
    const most = value('veritape.prover.processes', { state: 'allowed' });
    lines.push('', head('proving'));
    lines.push(
      row('to be proven', whole(value('veritape.prover.backlog')), 'oldest', duration(value('veritape.prover.oldest'))),
      row('proven', rate('veritape.prover.commands'), 'spans', whole(value('veritape.prover.spans'))),
      row('at work', `${whole(atWork)} of ${whole(most)}`, 'ended early', whole(value('veritape.prover.failures'))),
    );
  }

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
