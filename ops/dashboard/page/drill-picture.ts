import type { TimelineEventKind } from '../../drill/ack-timeline.ts';
import { seconds } from '../../telemetry/quantities.ts';
import type { ReportedDrill, ReportedRound } from '../drill-report.ts';
import { byId, picture, set, svg } from './elements.ts';

const WIDTH = 720;
const LEFT = 74;
const RIGHT = 12;
/** Of the chosen round: numbers of its events in three rows, and the bars of what was acknowledged. */
const FLAGS = 48;
const FLAG_HEIGHT = 16;
const FLAG_WIDTH = 22;
const BARS = 76;
const AXIS = 26;
/** Of every round. */
const LANE = 20;
const TICKS_MAX = 7;
/** At the right end there is no room for half a label. */
const TICK_ROOM = 32;
/** Of what was before the failure no more is shown than this share. */
const BEFORE_SHARE = 0.15;
/** An end of the axis on which there would be nothing. */
const SPAN_MS_MIN = 10;
const SECOND_MS = 1_000;

/** Rounds one below the other, all from the moment of their failure on; and the chosen one above them, larger. */
export class DrillPicture {
  readonly #picture = picture(WIDTH, FLAGS + BARS + AXIS, 'Timeline of a drill');

  constructor() {
    byId('drill-picture').append(this.#picture);
  }

  /** @param chosen index of the round that is drawn larger */
  draw({ eachRound, load }: ReportedDrill, chosen: number): void {
    const rounds = eachRound.map(fromFailure);
    const [from, to] = spanOf(rounds);
    const xOf = (ms: number): number => LEFT + ((ms - from) / (to - from)) * (WIDTH - LEFT - RIGHT);
    const floor = FLAGS + BARS;
    const parts: SVGElement[] = [...axis(from, to, xOf, floor)];
    const round = rounds[chosen];
    if (round !== undefined) {
      parts.push(gapOf(round, from, xOf, FLAGS, BARS));
      if (load?.round === chosen + 1) parts.push(...bars(load, round.failedAtMs, from, to, xOf, floor));
      parts.push(...flags(round, xOf, floor));
    }
    const lanes = rounds.length > 1 ? rounds : [];
    for (const [index, one] of lanes.entries()) {
      const y = floor + AXIS + index * LANE;
      const isChosen = index === chosen;
      if (isChosen) parts.push(svg('rect', { class: 'chosen', x: 0, y, width: WIDTH, height: LANE }));
      const label = { class: isChosen ? '' : 'quiet', x: LEFT - 8, y: y + 15, 'text-anchor': 'end' };
      parts.push(svg('text', label, `round ${index + 1}`), gapOf(one, from, xOf, y + 5, LANE - 10));
      parts.push(svg('line', { class: 'grid', x1: LEFT, x2: WIDTH - RIGHT, y1: y + LANE / 2, y2: y + LANE / 2 }));
      for (const { atMs, kind, text } of one.events) {
        const place = mark(kind, xOf(atMs), y + LANE / 2);
        place.append(svg('title', {}, `${sinceFailure(atMs)} ${text}`));
        parts.push(place);
      }
    }
    this.#picture.replaceChildren(...parts);
    const name = `Timeline of round ${chosen + 1} of ${rounds.length}; its events are listed below`;
    set(this.#picture, {
      viewBox: `0 0 ${WIDTH} ${floor + AXIS + lanes.length * LANE}`,
      'aria-label': rounds.length === 0 ? 'No round was played' : name,
    });
  }
}

interface RoundFromFailure extends ReportedRound {
  /** Since the begin of the round; the times of the rest are since then. */
  readonly failedAtMs: number;
}

/** Times since the first thing that was done to the venue. */
export function fromFailure({ acknowledged, gap, events }: ReportedRound): RoundFromFailure {
  const failedAtMs = events.find(({ kind }) => kind === 'fault')?.atMs ?? 0;
  return {
    acknowledged,
    failedAtMs,
    gap: { fromMs: gap.fromMs - failedAtMs, toMs: gap.toMs - failedAtMs },
    events: events.map((event) => ({ ...event, atMs: event.atMs - failedAtMs })),
  };
}

export function milliseconds(ms: number): string {
  return ms < SECOND_MS ? `${ms.toFixed(0)} ms` : seconds(ms / SECOND_MS);
}

export function sinceFailure(atMs: number): string {
  if (Math.abs(atMs) < 0.5) return '0 ms';
  return `${atMs < 0 ? '−' : '+'}${milliseconds(Math.abs(atMs))}`;
}

function spanOf(rounds: readonly RoundFromFailure[]): [number, number] {
  const ends = rounds.flatMap(({ gap, events }) => [gap.toMs, ...events.map(({ atMs }) => atMs)]);
  const begins = rounds.map(({ failedAtMs }) => -failedAtMs);
  const to = Math.max(SPAN_MS_MIN, ...ends);
  return [Math.max(Math.min(0, ...begins), -to * BEFORE_SHARE), to * 1.02];
}

function axis(from: number, to: number, xOf: (ms: number) => number, floor: number): SVGElement[] {
  const rough = (to - from) / TICKS_MAX;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const parts: SVGElement[] = [svg('line', { class: 'grid', x1: LEFT, x2: WIDTH - RIGHT, y1: floor, y2: floor })];
  for (let ms = Math.ceil(from / step) * step; ms <= to; ms += step) {
    const x = xOf(ms);
    parts.push(svg('line', { class: 'grid', x1: x, x2: x, y1: FLAGS, y2: floor }));
    if (x < WIDTH - TICK_ROOM)
      parts.push(svg('text', { class: 'quiet', x, y: floor + 17, 'text-anchor': 'middle' }, sinceFailure(ms)));
  }
  return parts;
}

function gapOf(
  { gap }: ReportedRound,
  from: number,
  xOf: (ms: number) => number,
  y: number,
  height: number,
): SVGElement {
  const x = xOf(Math.max(gap.fromMs, from));
  const width = gap.toMs < from ? 0 : Math.max(1, xOf(gap.toMs) - x);
  return svg('rect', { class: 'gap', x, y, width, height });
}

function bars(
  { acks, binMs }: NonNullable<ReportedDrill['load']>,
  failedAtMs: number,
  from: number,
  to: number,
  xOf: (ms: number) => number,
  floor: number,
): SVGElement[] {
  const most = Math.max(1, ...acks);
  return acks.flatMap((count, bin) => {
    const atMs = bin * binMs - failedAtMs;
    if (count === 0 || atMs < from || atMs + binMs > to) return [];
    const height = (count / most) * (BARS - 2);
    const x = xOf(atMs);
    return [svg('rect', { class: 'used', x, y: floor - height, width: xOf(atMs + binMs) - x, height })];
  });
}

/** Lines with the numbers that the list has. Those that would cover each other hang lower, in three rows. */
function flags({ events }: RoundFromFailure, xOf: (ms: number) => number, floor: number): SVGElement[] {
  let end = 0;
  let row = 0;
  return events.flatMap(({ atMs, kind }, index) => {
    const x = xOf(atMs);
    row = x < end ? (row + 1) % 3 : 0;
    end = x + FLAG_WIDTH;
    const y = row * FLAG_HEIGHT;
    return [
      svg('line', { class: `when ${kind}`, x1: x, x2: x, y1: y + 3, y2: floor }),
      svg(
        'text',
        {
          class: kind,
          x: x + (x > WIDTH - FLAG_WIDTH ? -4 : 4),
          y: y + 14,
          'text-anchor': x > WIDTH - FLAG_WIDTH ? 'end' : 'start',
        },
        String(index + 1),
      ),
    ];
  });
}

/** Each kind has a shape of its own, for those who do not tell the colours apart. */
function mark(kind: TimelineEventKind, x: number, y: number): SVGElement {
  if (kind === 'fault') return svg('path', { class: kind, d: `M${x - 6} ${y - 6}H${x + 6}L${x} ${y + 6}Z` });
  if (kind === 'recovery') return svg('circle', { class: kind, cx: x, cy: y, r: 4.5 });
  return svg('rect', { class: kind, x: x - 1.5, y: y - 7, width: 3, height: 14 });
}
