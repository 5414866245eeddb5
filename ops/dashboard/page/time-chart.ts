import uPlot from 'uplot';
import { byId, say } from './elements.ts';

export interface Line {
  readonly label: string;
  /** Name of a colour of the style sheet. */
  readonly color: string;
  readonly dash?: readonly number[];
}

export interface TimeChartOptions {
  readonly id: string;
  readonly lines: readonly Line[];
  /** A value with its unit. */
  readonly format: (value: number | undefined) => string;
  readonly scale: 'linear' | 'log';
}

/** In the size of the page's letters. */
const HEIGHT = 14;
const AXIS_WIDTH = 4.9;
const LETTERS = 0.85;
const LABEL_WIDTH = 5.5;
const WIDTH_MIN_PX = 200;
/** Of an axis of durations on which there is nothing yet. */
const EMPTY_LOG = [1e-5, 1e-2] as const;

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

export function clockTime(atMs: number): string {
  return clock.format(atMs);
}

/** Lines over time, with a legend that tells the values under the pointer, or else the last ones. */
export class TimeChart {
  readonly #options: TimeChartOptions;
  readonly #plot: uPlot;
  readonly #place: HTMLElement;
  readonly #values: HTMLElement[];
  #data: uPlot.AlignedData = [[]];

  constructor(options: TimeChartOptions) {
    const { id, lines, format, scale } = options;
    this.#options = options;
    this.#place = byId(id);
    const font = `${em(LETTERS)}px system-ui, sans-serif`;
    const axis = { stroke: () => color('quiet'), font, ticks: { show: false } };
    const grid = { stroke: () => color('line'), width: 1 };
    const tens = scale === 'log' ? { filter: onlyTens } : {};
    const canvas = document.createElement('div');
    canvas.setAttribute('role', 'img');
    this.#plot = new uPlot(
      {
        ...this.#size(),
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
        scales: {
          x: { time: true },
          y: scale === 'log' ? { distr: 3, range: (_, min, max) => decades(min, max) } : { range: fromZero },
        },
        axes: [
          {
            ...axis,
            grid,
            values: (_, times) => times.map((time) => clockTime(time * 1e3)),
            space: em(LABEL_WIDTH),
            size: em(2.6 * LETTERS),
            gap: em(LETTERS),
          },
          {
            ...axis,
            ...tens,
            grid: { ...grid, ...tens },
            size: em(AXIS_WIDTH),
            values: (_, values) => values.map((value) => tick(value, format)),
          },
        ],
        series: [
          {},
          ...lines.map(({ label, color: name, dash }) => ({
            label,
            stroke: () => color(name),
            width: 2,
            points: { show: false },
            ...(dash === undefined ? {} : { dash: [...dash] }),
          })),
        ],
        hooks: { setCursor: [() => this.#tell()] },
      },
      [[], ...lines.map(() => [])],
      canvas,
    );
    const legend = document.createElement('div');
    legend.className = 'legend';
    this.#values = lines.map(({ color: name, dash }) => {
      const value = document.createElement('span');
      value.style.setProperty('--color', `var(--${name})`);
      value.style.setProperty('--dash', dash === undefined ? 'solid' : 'dashed');
      legend.append(value);
      return value;
    });
    this.#place.append(legend, canvas);
    new ResizeObserver(() => {
      this.#plot.setSize(this.#size());
    }).observe(this.#place);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#plot.redraw());
    this.#tell();
  }

  /** Times in seconds, and a line of values each. What is not known is null. */
  draw(times: readonly number[], values: readonly (readonly (number | null)[])[], from: number, to: number): void {
    this.#data = [times as number[], ...(values as (number | null)[][])];
    this.#plot.setData(this.#data, false);
    this.#plot.setScale('x', { min: from, max: to });
    this.#tell();
  }

  #size(): { readonly width: number; readonly height: number } {
    return { width: Math.max(WIDTH_MIN_PX, this.#place.clientWidth), height: em(HEIGHT) };
  }

  #tell(): void {
    const { lines, format } = this.#options;
    const times = this.#data[0];
    const at = this.#plot?.cursor.idx ?? times.length - 1;
    const told = lines.map(({ label }, index) => `${label} ${format(this.#data[index + 1]?.[at] ?? undefined)}`);
    for (const [index, text] of told.entries()) say(this.#values?.[index] ?? document.body, text);
    this.#place.querySelector('[role=img]')?.setAttribute('aria-label', `over time; now ${told.join(', ')}`);
  }
}

/** Pixels of the page's letters. */
function em(times: number): number {
  return Math.round(times * Number.parseFloat(getComputedStyle(document.documentElement).fontSize));
}

function color(name: string): string {
  // What light-dark() comes to is only told of a property that is a colour.
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}
const probe = document.body.appendChild(document.createElement('i'));
probe.hidden = true;

/** Whole decades, so that the axis stands still. */
function decades(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null || min <= 0) return [...EMPTY_LOG];
  const [low, high] = [10 ** Math.floor(Math.log10(min)), 10 ** Math.ceil(Math.log10(max))];
  return [low, high > low ? high : low * 10];
}

/** From 0 to 1, 2 or 5 of a power of ten. */
function fromZero(_: uPlot, __: number | null, max: number | null): [number, number] {
  if (max === null || max <= 0) return [0, 10];
  const power = 10 ** Math.floor(Math.log10(max));
  const step = [1, 2, 5, 10].find((one) => one * power >= max) ?? 10;
  return [0, step * power];
}

/** Powers of ten; what lies between has neither line nor label. */
function onlyTens(_: uPlot, values: number[]): (number | null)[] {
  return values.map((value) => (Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-6 ? value : null));
}

/** What is left out is null. */
function tick(value: number | null, format: TimeChartOptions['format']): string {
  return value === null ? '' : format(value);
}
