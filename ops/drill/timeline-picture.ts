import type { Gap, TimelineEvent, TimelineEventKind } from './ack-timeline.ts';
import { type Colour, LETTER_WIDTH, Picture } from './picture.ts';

/** What a picture is made of, and what the numbers beside it are. */
export interface TimelineData {
  readonly title: string;
  readonly binMs: number;
  /** Commands acknowledged in each bin, from the begin of the round. */
  readonly acks: readonly number[];
  readonly events: readonly TimelineEvent[];
  /** The longest time without an acknowledgement. */
  readonly gap: Gap;
}

const WIDTH = 1_200;
const PLOT_HEIGHT = 260;
const MARGIN = { left: 64, right: 24, top: 60, bottom: 44 };
const PLOT_WIDTH = WIDTH - MARGIN.left - MARGIN.right;
const LINE_HEIGHT = 14;
/** Events that are told in words below; the others have their line in the picture alone. */
const EVENTS_TOLD_MAX = 24;
const TICKS_MAX = 10;
const FLAG_HEIGHT = 11;

const WHITE: Colour = [255, 255, 255];
const BLACK: Colour = [20, 20, 20];
const GREY: Colour = [120, 120, 120];
const GRID: Colour = [228, 228, 228];
const BAR: Colour = [31, 119, 180];
const GAP: Colour = [253, 226, 222];
const KIND_COLOURS: Readonly<Record<TimelineEventKind, Colour>> = {
  fault: [200, 30, 30],
  recovery: [20, 130, 50],
  note: GREY,
};

/** Acknowledgements over time as bars, what happened as numbered lines, and below what the numbers stand for. */
export function timelinePicture(data: TimelineData): Picture {
  const told = data.events.slice(0, EVENTS_TOLD_MAX);
  const more = data.events.length - told.length;
  const listTop = MARGIN.top + PLOT_HEIGHT + MARGIN.bottom;
  const lines = told.length + (more > 0 ? 1 : 0);
  const picture = new Picture(WIDTH, listTop + lines * LINE_HEIGHT + LINE_HEIGHT, WHITE);
  const lastEventMs = data.events.at(-1)?.atMs ?? 0;
  const spanMs = Math.max(data.acks.length * data.binMs, lastEventMs + data.binMs, 1);
  const x = (ms: number): number => MARGIN.left + Math.round((ms / spanMs) * (PLOT_WIDTH - 1));
  const bottom = MARGIN.top + PLOT_HEIGHT;

  picture.text(MARGIN.left, 18, data.title, BLACK);
  const gapMs = Math.round(data.gap.toMs - data.gap.fromMs);
  const caption = `acknowledged commands per ${data.binMs} ms; longest time without any: ${gapMs} ms`;
  picture.text(WIDTH - MARGIN.right, 18, caption, GREY, 'end');
  picture.box(x(data.gap.fromMs), MARGIN.top, Math.max(1, x(data.gap.toMs) - x(data.gap.fromMs)), PLOT_HEIGHT, GAP);

  const columns = columnsOf(data, x);
  const peak = Math.max(1, ...columns);
  const step = stepFor(peak);
  for (let value = 0; value <= peak; value += step) {
    const y = bottom - Math.round((value / peak) * PLOT_HEIGHT);
    picture.box(MARGIN.left, y, PLOT_WIDTH, 1, GRID);
    picture.text(MARGIN.left - 6, y + 3, String(value), GREY, 'end');
  }
  const stepMs = stepFor(spanMs);
  for (let ms = 0; ms <= spanMs; ms += stepMs) {
    picture.box(x(ms), bottom, 1, 4, GREY);
    picture.text(x(ms), bottom + 16, `${(ms / 1000).toFixed(stepMs < 1000 ? 1 : 0)} s`, GREY, 'middle');
  }
  for (const [column, acks] of columns.entries()) {
    const height = Math.round((acks / peak) * PLOT_HEIGHT);
    picture.box(MARGIN.left + column, bottom - height, 1, height, BAR);
  }
  picture.box(MARGIN.left, bottom, PLOT_WIDTH, 1, GREY);

  let flagEnd = 0;
  let flagRow = 0;
  for (const [index, { atMs, kind }] of data.events.entries()) {
    const colour = KIND_COLOURS[kind];
    const number = index < told.length ? String(index + 1) : '';
    const width = number.length * LETTER_WIDTH + 3;
    // Flags that would cover each other are hung lower, in three rows.
    flagRow = x(atMs) < flagEnd ? (flagRow + 1) % 3 : 0;
    flagEnd = x(atMs) + width;
    const top = MARGIN.top - 3 * FLAG_HEIGHT + flagRow * FLAG_HEIGHT;
    picture.box(x(atMs), top, 1, bottom - top, colour);
    picture.text(x(atMs) + 3, top + 8, number, colour);
  }
  for (const [index, { atMs, kind, text }] of told.entries()) {
    const y = listTop + index * LINE_HEIGHT;
    const number = String(index + 1).padStart(2);
    picture.text(MARGIN.left, y, `${number} ${(atMs / 1000).toFixed(3).padStart(8)} s  ${text}`, KIND_COLOURS[kind]);
  }
  if (more > 0) picture.text(MARGIN.left, listTop + told.length * LINE_HEIGHT, `and ${more} more`, GREY);
  return picture;
}

/** Acknowledgements by bin for each column of pixels: the mean of the bins that fall into it. */
function columnsOf({ acks, binMs }: TimelineData, x: (ms: number) => number): number[] {
  const columns = Array.from({ length: PLOT_WIDTH }, () => 0);
  const binsIn = Array.from({ length: PLOT_WIDTH }, () => 0);
  for (const [bin, count] of acks.entries()) {
    const from = x(bin * binMs) - MARGIN.left;
    const to = Math.max(from, x((bin + 1) * binMs) - MARGIN.left - 1);
    for (let column = from; column <= Math.min(to, PLOT_WIDTH - 1); column++) {
      columns[column] = (columns[column] as number) + count;
      binsIn[column] = (binsIn[column] as number) + 1;
    }
  }
  return columns.map((sum, column) => sum / Math.max(1, binsIn[column] as number));
}

/** 1, 2 or 5 times a power of ten, so that there are at most ten steps. */
function stepFor(span: number): number {
  const rough = span / TICKS_MAX;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1e-9)));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10;
  return Math.max(1, step * power);
}
