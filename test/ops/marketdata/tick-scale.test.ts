import { expect, test } from '@jest/globals';
import { NoTicks, TickScale } from '../../../ops/marketdata/tick-scale.ts';

test('prices become ticks', () => {
  const cents = new TickScale(4, '0.01');
  expect(cents.ticks(1_185_600)).toBe(11_856);
  expect(cents.ticks(1_185_650)).toBe(NoTicks.notMultiple);
  expect(cents.ticks(-1_185_650)).toBe(NoTicks.outOfRange);
  expect(cents.ticks(Number.POSITIVE_INFINITY)).toBe(NoTicks.outOfRange);
  expect(cents.ticks(0)).toBe(NoTicks.outOfRange);
  expect(cents.ticks(-100)).toBe(NoTicks.outOfRange);
  expect(cents.price(11_856)).toBe(1_185_600);
});

test('a tick may be one unit, many, or more than one whole', () => {
  expect(new TickScale(9, '0.000000001').ticks(2 ** 48 - 3)).toBe(2 ** 48 - 3);
  expect(new TickScale(9, '0.000000001').ticks(2 ** 48 - 2)).toBe(NoTicks.outOfRange);
  expect(new TickScale(9, '0.25').ticks(3_720_250_000_000)).toBe(14_881);
  expect(new TickScale(4, '5').ticks(150_000)).toBe(3);
  expect(new TickScale(4, '0.01000').ticks(100)).toBe(1);
});

test('a price without ticks leaves a hint at the tick that fits all', () => {
  const scale = new TickScale(4, '0.01');
  expect(scale.fittingTick()).toBeUndefined();
  scale.ticks(10_150);
  expect(scale.fittingTick()).toBe('0.005');
  scale.ticks(10_101);
  expect(scale.fittingTick()).toBe('0.0001');
  const whole = new TickScale(4, '10');
  whole.ticks(50_000);
  expect(whole.fittingTick()).toBe('5');
});

test('a tick must be a positive decimal number of the file', () => {
  for (const tick of ['', '0', '0.0', '-1', '1e-2', '.5', '0.00001', '1234567', 'x']) {
    expect(() => new TickScale(4, tick)).toThrow(`tick: "${tick}" must be a positive decimal number with at most 4`);
  }
});
