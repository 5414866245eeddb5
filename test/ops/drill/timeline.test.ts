import { inflateSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { AckTimeline } from '../../../ops/drill/ack-timeline.ts';
import { spreadOf } from '../../../ops/drill/outcome.ts';
import { Picture } from '../../../ops/drill/picture.ts';
import { pngOf } from '../../../ops/drill/png.ts';
import { type TimelineData, timelinePicture } from '../../../ops/drill/timeline-picture.ts';

const WHITE = [255, 255, 255] as const;
const RED = [255, 0, 0] as const;

const DATA: TimelineData = {
  title: 'kill <one> & wait',
  binMs: 10,
  acks: Array.from({ length: 300 }, (_, bin) => (bin > 100 && bin < 180 ? 0 : 100)),
  events: [
    { atMs: 1_005, kind: 'fault', text: 'a is killed' },
    { atMs: 1_795, kind: 'recovery', text: 'b serves, epoch 2' },
  ],
  gap: { fromMs: 1_010, toMs: 1_800 },
};

test('a timeline counts acknowledgements by bin, and knows the longest time without any and the first of an epoch', async () => {
  const timeline = new AckTimeline();
  const wait = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 40));
  // No gap, as nothing was acknowledged before.
  for (let waits = 0; waits < 4; waits++) await wait();
  const began = performance.now();
  timeline.acknowledged(3, 1);
  timeline.acknowledged(2, 1);
  await wait();
  const before = performance.now();
  timeline.acknowledged(5, 1);
  timeline.acknowledged(4, 2);
  timeline.acknowledged(1, 0);
  expect(timeline.count).toBe(15);
  expect([...timeline.bins()].reduce((sum, count) => sum + count, 0)).toBe(15);
  expect(timeline.bins().length).toBeGreaterThan(7);
  expect(timeline.bins().at(-1)).toBeGreaterThan(0);
  const gap = timeline.longestGap;
  expect(gap.fromMs).toBeGreaterThan(100);
  expect(gap.toMs - gap.fromMs).toBeGreaterThan(30);
  expect(gap.toMs).toBeLessThanOrEqual(timeline.lastMs);
  expect(timeline.firstOfEpoch(2, began)).toBeGreaterThanOrEqual(before);
  expect(timeline.firstOfEpoch(1, began)).toBeLessThan(before);
  expect(timeline.firstOfEpoch(1, before)).toBeLessThanOrEqual(timeline.firstOfEpoch(2, before) ?? 0);
  expect(timeline.firstOfEpoch(3, began)).toBeUndefined();
  timeline.endLoad();
  await wait();
  await wait();
  timeline.acknowledged(1, 2);
  expect(timeline.longestGap).toEqual(gap);
});

test('events are in the order in which they happened, also if they are told late', () => {
  const timeline = new AckTimeline();
  timeline.mark('fault', 'first');
  const between = performance.now();
  timeline.mark('note', 'third');
  timeline.markAt(between, 'recovery', 'second');
  expect(timeline.events.map(({ text }) => text)).toEqual(['first', 'second', 'third']);
});

test('boxes and words, as pixels and as SVG', () => {
  const picture = new Picture(20, 12, WHITE);
  picture.box(2, 1, 3, 2, RED);
  picture.box(18, 10, 9, 9, RED);
  picture.text(8, 10, 'I', RED);
  const { rgb, width } = picture.pixels();
  const at = (x: number, y: number): number[] => [...rgb.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)];
  expect([at(2, 1), at(4, 2), at(5, 2), at(2, 3)]).toEqual([RED, RED, WHITE, WHITE]);
  expect([at(19, 11), at(17, 11)]).toEqual([RED, WHITE]);
  // The stem of the letter, seven dots high.
  expect([3, 4, 5, 6, 7, 8, 9].map((y) => at(10, y))).toEqual(Array.from({ length: 7 }, () => [...RED]));
  expect([at(10, 2), at(10, 10), at(8, 6), at(12, 6)]).toEqual([WHITE, WHITE, WHITE, WHITE]);
  expect(picture.svg()).toContain('<rect x="2" y="1" width="3" height="2" fill="#ff0000"/>');
});

test('a PNG file has the size and the pixels it was given', () => {
  const picture = new Picture(7, 3, WHITE);
  picture.box(1, 1, 1, 1, RED);
  const png = pngOf(picture.pixels());
  expect(png.subarray(0, 8)).toEqual(Buffer.from('89504e470d0a1a0a', 'hex'));
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([7, 3]);
  const length = png.readUInt32BE(33);
  expect(png.toString('latin1', 37, 41)).toBe('IDAT');
  const rows = inflateSync(png.subarray(41, 41 + length));
  expect(rows).toHaveLength(3 * (1 + 7 * 3));
  expect([...rows.subarray(22, 22 + 7)]).toEqual([0, ...WHITE, ...RED]);
});

test('the picture of a timeline tells what happened when, and is well-formed', () => {
  const picture = timelinePicture(DATA);
  const svg = picture.svg();
  expect(svg).toContain('kill &lt;one&gt; &amp; wait');
  expect(svg).toContain('longest time without any: 790 ms');
  expect(svg).toMatch(/ 1 {4}1\.005 s {2}a is killed/);
  expect(svg).toMatch(/ 2 {4}1\.795 s {2}b serves, epoch 2/);
  expect(svg.match(/<text /g)?.length).toBe(svg.match(/<\/text>/g)?.length);
  // Where nothing was acknowledged there is no bar.
  const { rgb, width, height } = picture.pixels();
  const bars = Array.from({ length: width }, (_, x) => {
    const at = (200 * width + x) * 3;
    return rgb[at] === 31 && rgb[at + 1] === 119;
  });
  expect(bars.filter((bar) => bar).length).toBeGreaterThan(width / 3);
  const gap = bars.slice(Math.round(64 + (1_020 / 3_000) * 1_112), Math.round(64 + (1_780 / 3_000) * 1_112));
  expect(gap.some((bar) => bar)).toBe(false);
  expect(height).toBeGreaterThan(300);
});

test('a timeline without anything in it is a picture, too', () => {
  const empty = { title: 'nothing', binMs: 10, acks: [], events: [], gap: { fromMs: 0, toMs: 0 } };
  expect(timelinePicture(empty).svg()).toContain('nothing');
  expect(pngOf(timelinePicture(empty).pixels()).length).toBeGreaterThan(100);
});

test('percentiles by nearest rank', () => {
  expect(spreadOf([])).toBeUndefined();
  expect(spreadOf([7.4])).toEqual({ samples: 1, p50: 7, p99: 7, max: 7 });
  expect(spreadOf([3, 1, 2])).toEqual({ samples: 3, p50: 2, p99: 3, max: 3 });
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(spreadOf(hundred)).toEqual({ samples: 100, p50: 50, p99: 99, max: 100 });
});
