import { percentileOf } from '../../telemetry/figures.ts';
import type { HistogramPoint } from '../../telemetry/points.ts';
import { seconds, whole } from '../../telemetry/quantities.ts';
import { byId, picture, set, show, svg } from './elements.ts';

const WIDTH = 480;
const HEIGHT = 220;
const LEFT = 64;
const TOP = 6;
const BOTTOM = 30;
/** Each line of the grid is ten times the one below, so that the few slow ones are seen beside the many fast. */
const DECADES_MIN = 3;
const MARKED = [
  [0.5, 'p50'],
  [0.99, 'p99'],
  [0.999, 'p99.9'],
] as const;
const LABELLED_S = [1e-5, 1e-3, 1e-1];

/** How many took how long: a bar for each bucket, both axes logarithmic. */
export class HistogramPicture {
  readonly #picture = picture(WIDTH, HEIGHT, 'Histogram');

  constructor() {
    byId('histogram-picture').append(this.#picture);
  }

  draw(histogram: HistogramPoint | undefined): void {
    const parts: SVGElement[] = [];
    const { bounds = [], counts = [], count = 0 } = histogram ?? {};
    const decades = Math.max(DECADES_MIN, Math.ceil(Math.log10(1 + Math.max(0, ...counts))));
    const floor = HEIGHT - BOTTOM;
    const high = (value: number): number => (Math.log10(1 + value) / decades) * (floor - TOP);
    for (let decade = 0; decade <= decades; decade++) {
      const y = floor - high(decade === 0 ? 0 : 10 ** decade - 1);
      parts.push(svg('line', { class: 'grid', x1: LEFT, x2: WIDTH, y1: y, y2: y }));
      const label = decade === 0 ? '0' : whole(10 ** decade);
      if (decade < decades)
        parts.push(svg('text', { class: 'quiet', x: LEFT - 8, y: y + 5, 'text-anchor': 'end' }, label));
    }
    const step = (WIDTH - LEFT) / Math.max(1, counts.length);
    for (const [index, value] of counts.entries()) {
      const height = high(value);
      parts.push(
        svg('rect', { class: 'used', x: LEFT + index * step + 1, y: floor - height, width: step - 2, height }),
      );
    }
    // A bucket lies to the left of its bound.
    const rightOf = (bound: number): number => LEFT + (bounds.findIndex((one) => one >= bound) + 1) * step;
    if (bounds.length > 0)
      for (const bound of LABELLED_S) {
        const label = seconds(bound).replace('.00', '').replace('.0', '');
        parts.push(svg('text', { class: 'quiet', x: rightOf(bound), y: HEIGHT - 8, 'text-anchor': 'middle' }, label));
      }
    const told: string[] = [];
    for (const [share, name] of count === 0 ? [] : MARKED) {
      const bound = histogram && percentileOf(histogram, share);
      told.push(`${name} ${seconds(bound)}`);
      if (bound === undefined) continue;
      const x = rightOf(bound);
      parts.push(svg('line', { class: 'most', x1: x, x2: x, y1: TOP, y2: floor }));
    }
    const text = count === 0 ? 'nothing was counted' : `${whole(count)} counted, at most ${told.join(', ')}`;
    show('histogram', text);
    this.#picture.replaceChildren(...parts);
    set(this.#picture, { 'aria-label': `Histogram: ${text}` });
  }
}
