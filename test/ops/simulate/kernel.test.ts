import { expect, test } from '@jest/globals';
import { Faults } from '../../../ops/simulate/faults.ts';
import { Kernel } from '../../../ops/simulate/kernel.ts';
import { Host, Process } from '../../../ops/simulate/process.ts';
import { Random } from '../../../ops/simulate/random.ts';
import { shrink } from '../../../ops/simulate/shrink.ts';

test('events happen by time, and at one time in the order in which they were scheduled', () => {
  const kernel = new Kernel();
  const order: string[] = [];
  const at = (micros: number, name: string): void => kernel.after(micros, undefined, 1, () => void order.push(name));
  at(20, 'c');
  at(10, 'a');
  at(20, 'd');
  at(10, 'b');
  kernel.runUntil(15);
  expect(order).toEqual(['a', 'b']);
  expect(kernel.now).toBe(15);
  kernel.runUntil(30);
  expect(order).toEqual(['a', 'b', 'c', 'd']);
});

test('who passes time inside of a call lets others go on, and may be dead after it', () => {
  const kernel = new Kernel();
  const process = new Process(kernel, new Host('host'), 'one');
  const order: string[] = [];
  process.after(10, 1, () => {
    order.push('before');
    expect(() => process.pass(100)).toThrow('one is dead');
    order.push('after');
  });
  kernel.after(50, undefined, 1, () => process.end('killed'));
  process.after(60, 1, () => order.push('never'));
  kernel.after(70, undefined, 1, () => order.push('meanwhile'));
  kernel.runUntil(1_000);
  expect(order).toEqual(['before', 'meanwhile', 'after']);
});

test('a seed gives the same numbers in every release', () => {
  const random = new Random(12_345, 'a name');
  expect(Array.from({ length: 4 }, () => random.word())).toEqual([2874490247, 1332333914, 1001503095, 2800994805]);
  const other = new Random(12_345, 'another name');
  expect(other.word()).not.toBe(2874490247);
});

test('a fault keeps its name when others are left out', () => {
  const everything = new Faults(7, { drop: 200_000 });
  const draw = (faults: Faults): boolean[] => {
    const [first, second] = [faults.at('a>b'), faults.at('b>a')];
    return Array.from({ length: 200 }, (_, index) => (index % 2 === 0 ? first : second).happens('drop'));
  };
  draw(everything);
  const some = everything.done.filter((_, index) => index % 3 === 0);
  const again = new Faults(7, { drop: 200_000 }, new Set(some));
  draw(again);
  expect(some.length).toBeGreaterThan(5);
  expect(again.done).toEqual(some);
});

test('shrinking finds the few that matter', () => {
  const done = Array.from({ length: 400 }, (_, index) => `d${index}`);
  const wanted = ['d7', 'd131', 'd399'];
  const { needed, attempts } = shrink(
    done,
    (only) => wanted.every((id) => only.has(id)),
    () => false,
  );
  expect(needed).toEqual(wanted);
  expect(attempts).toBeLessThan(200);
});
