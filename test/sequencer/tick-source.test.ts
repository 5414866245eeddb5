import { expect, test } from '@jest/globals';
import { CommandPort } from '../../sequencer/command-port.ts';
import { allocatePipeline } from '../../sequencer/pipeline.ts';
import { RingConsumer } from '../../sequencer/rings.ts';
import { TickSource } from '../../sequencer/tick-source.ts';

const NOW = 1_767_225_600_000_000;
const SLEEP_MS_MAX = 60_000;

function source(inputSlots: number) {
  const memory = allocatePipeline(1, 1, 0, 0, { input: inputSlots, commands: 64, blocks: 4, events: 64 });
  const port = new CommandPort(memory, 0, 'disk');
  const due = new Float64Array(memory.due);
  const [input] = memory.inputs;
  if (input === undefined) throw new Error('there is no input ring');
  const taken = new RingConsumer(input, 0);
  return { ticks: new TickSource(memory, port), port, due, waiting: () => taken.available() };
}

test('a tick goes when something is due and other commands have had a moment, one at a time', () => {
  const { ticks, due, waiting } = source(64);
  expect(ticks.step(NOW)).toBe(SLEEP_MS_MAX);
  due[0] = NOW + 20_000;
  expect(ticks.step(NOW)).toBe(21);
  expect(ticks.step(NOW + 20_500)).toBe(1);
  expect(waiting()).toBe(0);
  expect(ticks.step(NOW + 21_000)).toBe(SLEEP_MS_MAX);
  expect([ticks.sent, waiting()]).toEqual([1, 1]);
  // Until it is answered, whatever is due.
  due[0] = NOW + 1;
  expect(ticks.step(NOW + 90_000_000)).toBe(SLEEP_MS_MAX);
  expect(ticks.sent).toBe(1);
});

test('a tick after which the same is due, and one that is not taken, are left for a little later', () => {
  const { ticks, port, due } = source(64);
  due[0] = NOW;
  ticks.step(NOW + 1_000);
  port.fail('answered');
  expect(ticks.step(NOW + 1_100)).toBe(5);
  // Nothing is taken any more.
  expect(ticks.step(NOW + 6_100)).toBe(5);
  expect(ticks.sent).toBe(1);
});
