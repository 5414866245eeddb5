import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'hdr-histogram-js';

/** A time in nanoseconds, and how many samples were that long. */
export type LatencyBucket = readonly [ns: number, count: number];

/** One distribution of latencies. */
export interface LatencySeries {
  readonly name: string;
  /** Sorted. */
  readonly buckets: readonly LatencyBucket[];
}

/** Samples in nanoseconds, sorted, as buckets of three significant digits. */
export function bucketsOf(ns: ArrayLike<number>): LatencyBucket[] {
  const buckets: [number, number][] = [];
  for (let index = 0; index < ns.length; index++) {
    const rounded = Number((ns[index] as number).toPrecision(DIGITS));
    const last = buckets[buckets.length - 1];
    if (last?.[0] === rounded) last[1]++;
    else buckets.push([rounded, 1]);
  }
  return buckets;
}

const DIGITS = 3;
const TICKS_PER_HALF_DISTANCE = 5;
const NS_PER_US = 1_000;
/** Longest latency that a histogram keeps, an hour. */
const NS_MAX = 3.6e12;

/** The percentile distribution of a series as HdrHistogram's tools print and read it, in microseconds. */
export function hdrText(series: LatencySeries): string {
  const histogram = build({
    bitBucketSize: 64,
    lowestDiscernibleValue: 1,
    highestTrackableValue: NS_MAX,
    numberOfSignificantValueDigits: DIGITS,
  });
  for (const [ns, count] of series.buckets) {
    histogram.recordValueWithCount(Math.min(NS_MAX, Math.max(1, Math.round(ns))), count);
  }
  return `${histogram.outputPercentileDistribution(TICKS_PER_HALF_DISTANCE, NS_PER_US).trimEnd()}\n`;
}

/** Writes `<name>-<series>.hgrm` for each series and `<name>.svg` with all of them. */
export function writePlots(folder: string, name: string, series: readonly LatencySeries[]): void {
  const filled = series.filter(({ buckets }) => buckets.length > 0);
  if (filled.length === 0) return;
  mkdirSync(folder, { recursive: true });
  for (const one of filled) writeFileSync(join(folder, `${fileName(name)}-${fileName(one.name)}.hgrm`), hdrText(one));
  writeFileSync(join(folder, `${fileName(name)}.svg`), latencySvg(name, filled));
}

function fileName(words: string): string {
  return words
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, '-')
    .replace(/^-+|-+$/g, '');
}

const WIDTH = 900;
const HEIGHT = 480;
const MARGIN = { left: 80, right: 30, top: 48, bottom: 60 };
const COLOURS = ['#1f77b4', '#d62728', '#2ca02c', '#9467bd', '#ff7f0e', '#17becf', '#8c564b', '#7f7f7f'];
/** Points of a curve, evenly over the axis. */
const POINTS = 200;
const LEGEND_LINE = 16;

/** Latency by percentile: both axes logarithmic, the percentile by how many samples are one above it. */
export function latencySvg(title: string, series: readonly LatencySeries[]): string {
  const decades = Math.max(1, Math.ceil(Math.log10(Math.max(...series.map(countOf)))));
  const values = series.flatMap(({ buckets }) => buckets.map(([ns]) => Math.max(1, ns)));
  const low = Math.floor(Math.log10(values.reduce((least, ns) => Math.min(least, ns))));
  const high = Math.max(low + 1, Math.ceil(Math.log10(values.reduce((most, ns) => Math.max(most, ns)))));
  const x = (share: number): number => MARGIN.left + (share / decades) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (ns: number): number => {
    const share = (Math.log10(Math.max(1, ns)) - low) / (high - low);
    return HEIGHT - MARGIN.bottom - share * (HEIGHT - MARGIN.top - MARGIN.bottom);
  };
  const bottom = HEIGHT - MARGIN.bottom;
  const lines: string[] = [];
  for (let decade = 0; decade <= decades; decade++) {
    lines.push(
      line(x(decade), MARGIN.top, x(decade), bottom),
      text(x(decade), bottom + 18, 'middle', percentOf(decade)),
    );
  }
  for (let decade = low; decade <= high; decade++) {
    const at = y(10 ** decade);
    lines.push(line(MARGIN.left, at, WIDTH - MARGIN.right, at), text(MARGIN.left - 8, at + 4, 'end', timeOf(decade)));
  }
  const curves = series.map((one, index) => {
    const points = curveOf(one).map(([share, ns]) => `${x(share).toFixed(1)},${y(ns).toFixed(1)}`);
    return `<polyline fill="none" stroke="${colour(index)}" stroke-width="1.5" points="${points.join(' ')}"/>`;
  });
  const legend = series.map(({ name }, index) =>
    text(MARGIN.left + 12, MARGIN.top + 16 + index * LEGEND_LINE, 'start', name, colour(index)),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    text(WIDTH / 2, 24, 'middle', title),
    text(WIDTH / 2, HEIGHT - 16, 'middle', 'percentile'),
    ...lines,
    ...curves,
    ...legend,
    '</svg>',
    '',
  ].join('\n');
}

function countOf({ buckets }: LatencySeries): number {
  return buckets.reduce((sum, [, count]) => sum + count, 0);
}

/** Points from the first sample to the last: decades of the percentile, and the time. */
function curveOf(series: LatencySeries): [share: number, ns: number][] {
  const count = countOf(series);
  let bucket = 0;
  let seen = series.buckets[0]?.[1] ?? 0;
  return Array.from({ length: POINTS + 1 }, (_, point) => {
    const share = (point / POINTS) * Math.log10(count);
    const rank = Math.min(count, Math.max(1, Math.ceil((1 - 10 ** -share) * count)));
    while (seen < rank) seen += series.buckets[++bucket]?.[1] ?? count;
    return [share, series.buckets[bucket]?.[0] ?? 0];
  });
}

function colour(index: number): string {
  return COLOURS[index % COLOURS.length] as string;
}

/** 0 %, 90 %, 99 %, 99.9 % … */
function percentOf(decade: number): string {
  return decade === 0 ? '0 %' : `${(100 * (1 - 10 ** -decade)).toFixed(Math.max(0, decade - 2))} %`;
}

function timeOf(decade: number): string {
  const units = ['ns', 'µs', 'ms', 's'];
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(decade / 3)));
  return `${10 ** (decade - unit * 3)} ${units[unit]}`;
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="#ddd"/>`;
}

function text(x: number, y: number, anchor: string, words: string, fill = 'black'): string {
  const safe = words.replace(/&/g, '&amp;').replace(/</g, '&lt;');
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${fill}">${safe}</text>`;
}
