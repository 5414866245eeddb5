import { RING_FULL_SHARE } from '../../telemetry/alerts.ts';
import { type Readings, ratePerSecond, valueIn } from '../../telemetry/figures.ts';
import type { NumberName } from '../../telemetry/points.ts';
import { each, whole } from '../../telemetry/quantities.ts';
import { byId, mark, picture, say, set, svg } from './elements.ts';

const WIDTH = 760;
const HEIGHT = 236;
const RING_WIDTH = 92;
const RING_HEIGHT = 22;
const BOX_HEIGHT = 54;

interface Ring {
  readonly used: SVGRectElement;
  readonly most: SVGLineElement;
  readonly told: SVGTextElement;
  readonly x: number;
}

const RINGS = { input: [112, 123], command: [338, 45], block: [338, 201], event: [612, 45] } as const;
type RingName = keyof typeof RINGS;

/** Who hands what to whom, how full each ring is and was, and who is behind. */
export class PipelinePicture {
  readonly #rings: Readonly<Record<RingName, Ring>>;
  readonly #told = new Map<string, SVGTextElement>();
  readonly #digests = svg('text', { x: 523, y: 89, 'text-anchor': 'middle' });

  constructor() {
    const drawing = picture(
      WIDTH,
      HEIGHT,
      'Pipeline: gateway, sequencer, journal and replicas, with the rings between',
    );
    const ways = [
      // Gateway, sequencer, and from there to replicas and journal.
      'M104 123H212',
      'M316 123H328V45H448',
      'M328 123H448',
      'M328 123V201H448',
      'M598 201H612',
      // Events, and back to the gateway.
      'M598 45H752V10H52V96',
    ];
    for (const d of ways) drawing.append(svg('path', { class: 'way', d }));
    for (const [x, y] of [
      [212, 123],
      [448, 45],
      [448, 123],
      [448, 201],
      [612, 201],
    ] as const)
      drawing.append(svg('path', { class: 'way', d: `M${x - 8} ${y - 5}L${x} ${y}L${x - 8} ${y + 5}` }));
    drawing.append(svg('path', { class: 'way', d: 'M47 88L52 96L57 88' }));
    drawing.append(svg('text', { class: 'quiet', x: 64, y: 28 }, 'events, once they are durable'));
    this.#box(drawing, 'gateway', 1, 123, 103);
    this.#box(drawing, 'sequencer', 212, 123, 104);
    this.#box(drawing, 'replica 0, leads', 448, 45, 150);
    this.#box(drawing, 'replicas that follow', 448, 123, 150);
    this.#box(drawing, 'journal', 448, 201, 150);
    this.#box(drawing, 'disk', 612, 201, 140);
    drawing.append(this.#digests);
    const ring = (name: RingName): Ring => ringAt(drawing, name);
    this.#rings = { input: ring('input'), command: ring('command'), block: ring('block'), event: ring('event') };
    byId('pipeline-picture').append(drawing);
  }

  draw(before: Readings, after: Readings): void {
    for (const name of Object.keys(RINGS) as RingName[]) drawRing(this.#rings[name], name, before, after);
    const rate = (name: NumberName, attributes = {}): string => each(ratePerSecond(before, after, name, attributes));
    this.#say('gateway', rate('veritape.commands', { stage: 'taken' }));
    this.#say('sequencer', rate('veritape.commands', { stage: 'sequenced' }));
    this.#say('replica 0, leads', behind(lagOf(after, (replica) => replica === '0')));
    const following = lagOf(after, (replica) => replica !== '0');
    this.#say('replicas that follow', behind(following));
    this.#say('journal', `${rate('veritape.journal.blocks')} blocks`);
    this.#say('disk', toCome(valueIn(after, 'veritape.commands.pending')));
    const differ = (valueIn(after, 'veritape.disagreements') ?? 0) > 0;
    const agreed = valueIn(after, 'veritape.digests.agreed') ?? 0;
    say(this.#digests, differ ? '≠ digests differ' : agreed > 0 ? '= digests agree' : 'no digests compared yet');
    mark(this.#digests, differ ? 'bad' : agreed > 0 ? 'good' : undefined);
  }

  #box(drawing: SVGElement, name: string, x: number, y: number, width: number): void {
    const told = svg('text', { x: x + width / 2, y: y + 17, 'text-anchor': 'middle' });
    this.#told.set(name, told);
    drawing.append(
      svg('rect', { class: 'box', x, y: y - BOX_HEIGHT / 2, width, height: BOX_HEIGHT, rx: 4 }),
      svg('text', { class: 'quiet', x: x + width / 2, y: y - 5, 'text-anchor': 'middle' }, name),
      told,
    );
  }

  #say(name: string, text: string): void {
    const told = this.#told.get(name);
    if (told !== undefined) say(told, text);
  }
}

function ringAt(drawing: SVGElement, name: RingName): Ring {
  const [x, y] = RINGS[name];
  const [top, height] = [y - RING_HEIGHT / 2, RING_HEIGHT];
  const used = svg('rect', { class: 'used', x, y: top, width: 0, height });
  const most = svg('line', { class: 'most', x1: x, x2: x, y1: top - 3, y2: top + height + 3 });
  const told = svg('text', { x, y: top + height + 17 });
  drawing.append(
    svg('rect', { class: 'slots', x, y: top, width: RING_WIDTH, height }),
    used,
    most,
    svg('text', { class: 'quiet', x, y: top - 7 }, name),
    told,
  );
  return { used, most, told, x };
}

function drawRing({ used: bar, most: line, told, x }: Ring, ring: RingName, before: Readings, after: Readings): void {
  const [used, slots, most] = (['veritape.ring.used', 'veritape.ring.capacity', 'veritape.ring.used.max'] as const).map(
    (name) => valueIn(after, name, { ring }),
  );
  const share = (value: number | undefined): number => Math.min(1, (value ?? 0) / (slots ?? 1));
  set(bar, { width: share(used) * RING_WIDTH });
  set(line, { x1: x + share(most) * RING_WIDTH, x2: x + share(most) * RING_WIDTH });
  const stalls = ratePerSecond(before, after, 'veritape.ring.stalls', { ring }) ?? 0;
  const isFull = share(used) >= RING_FULL_SHARE || stalls > 0;
  bar.classList.toggle('full', isFull);
  say(
    told,
    slots === undefined ? '-' : `${whole(used)} of ${whole(slots)}${stalls > 0 ? `, full ${each(stalls)}` : ''}`,
  );
  mark(told, isFull ? 'bad' : undefined);
}

function behind(commands: number | undefined): string {
  return commands === undefined ? 'none here' : `${whole(commands)} cmd behind`;
}

function toCome(commands: number | undefined): string {
  return commands === undefined ? '-' : `${whole(commands)} cmd to come`;
}

/** The most that one of these replicas is behind. */
function lagOf(after: Readings, which: (replica: string) => boolean): number | undefined {
  const lags = (after.metrics['veritape.replica.lag'] ?? []).filter(({ attributes }) =>
    which(attributes['replica'] ?? ''),
  );
  return lags.length === 0 ? undefined : Math.max(...lags.map(({ value }) => value));
}
