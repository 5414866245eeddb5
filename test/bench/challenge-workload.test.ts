import { execFileSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import {
  decodeWorkload,
  encodeWorkload,
  generateWorkload,
  MessageType,
  SCENARIO_NAMES,
  type Scenario,
} from '../../bench/challenge-workload.ts';
import { MersenneTwister } from '../../bench/mersenne-twister.ts';

/** SHA-256 of the challenge's published files: seed 23, 1,000,000 new orders. */
const FILE_SHA256: Readonly<Record<Scenario, string>> = {
  static: '22f782cf6865a53ed150424b87f51a35dc80be87e2427c78c3b5a12d6ccc0ae5',
  normal: 'd925e1a4fc03cfcf7f0db8f9ad4c6c8674991250b702e9dc3f1b2b7c9f4bfbc1',
  'swing-25': '814c1cc319bd7a7e3c0b66d34e37d6a961efb2e8d86f16fff335740ba46b52d6',
  'swing-40': 'd0941f009872a70b6d337ff71844188d964a0f7039ee669962ff7a398380d3d0',
  'flash-crash': '1cd9573c7703baa8f9ce655f4fceab25526dfb4e857eb0c563d1d2a51fd00285',
};

/** A few seconds on an idle machine. */
const FULL_SIZE_MS_MAX = 180_000;

/** A process of its own, because the test runner's sandbox makes arithmetic eight times slower. */
const PROGRAM = `
  import { createHash } from 'node:crypto';
  import { encodeWorkload, generateWorkload } from './bench/challenge-workload.ts';
  const workload = generateWorkload({ scenario: process.argv[1] });
  const sha256 = createHash('sha256').update(encodeWorkload(workload)).digest('hex');
  process.stdout.write(JSON.stringify({ sha256, messages: workload.count }));
`;

describe('the published files', () => {
  test.each(SCENARIO_NAMES)(
    '%s',
    (scenario) => {
      const output = execFileSync(process.execPath, ['--input-type=module', '-e', PROGRAM, scenario], {
        encoding: 'utf8',
      });
      expect(JSON.parse(output)).toEqual({ sha256: FILE_SHA256[scenario], messages: 1_996_097 });
    },
    FULL_SIZE_MS_MAX,
  );
});

test('the generator is MT19937: the first words of its reference implementation for seed 5489', () => {
  const random = new MersenneTwister(5489);
  expect(Array.from({ length: 5 }, () => random.word())).toEqual([
    3_499_211_612, 581_869_302, 3_890_346_734, 3_586_334_585, 545_404_204,
  ]);
});

test('the 10,000th word for seed 5489 is the one that C++ guarantees', () => {
  const random = new MersenneTwister(5489);
  for (let i = 1; i < 10_000; i++) random.word();
  expect(random.word()).toBe(4_123_659_995);
});

test('the same seed gives the same workload, another seed another', () => {
  const bytes = (seed: number) => encodeWorkload(generateWorkload({ scenario: 'normal', newOrders: 500, seed }));
  expect(bytes(7).equals(bytes(7))).toBe(true);
  expect(bytes(7).equals(bytes(8))).toBe(false);
});

test('a small workload keeps the shape of the challenge', () => {
  const workload = generateWorkload({ scenario: 'flash-crash', newOrders: 2_001, seed: 1 });
  let orders = 0;
  const ids = new Set<number>();
  for (let k = 0; k < workload.count; k++) {
    if (workload.type[k] !== MessageType.new) continue;
    orders++;
    ids.add(workload.id[k] as number);
  }
  expect(orders).toBe(2_001);
  expect(ids.size).toBe(2_001);
});

test('a file survives reading and writing', () => {
  const bytes = encodeWorkload(generateWorkload({ scenario: 'swing-25', newOrders: 300 }));
  const workload = decodeWorkload(bytes);
  expect(encodeWorkload(workload).equals(bytes)).toBe(true);
  expect(workload).toEqual(generateWorkload({ scenario: 'swing-25', newOrders: 300 }));
});

test('a file at an odd offset of a larger buffer is read', () => {
  const bytes = encodeWorkload(generateWorkload({ scenario: 'static', newOrders: 10 }));
  const shifted = Buffer.concat([Buffer.from([9, 9, 9]), bytes]).subarray(3);
  expect(decodeWorkload(shifted).count).toBe(decodeWorkload(bytes).count);
});

describe('what is not a workload file is refused', () => {
  const good = (): Buffer => encodeWorkload(generateWorkload({ scenario: 'static', newOrders: 20 }));
  /** Byte `at` of message 3. */
  const at = (offset: number): number => 16 + 3 * 40 + offset;
  const cases: readonly [string, (bytes: Buffer) => unknown, string][] = [
    ['another magic', (b) => b.writeUInt8(0, 0), 'magic: 0x4d4542575f303000 must be 0x4d4542575f303031'],
    ['another version', (b) => b.writeUInt32LE(2, 8), 'version: 2 must be 1'],
    ['another count', (b) => b.writeUInt32LE(7, 12), 'must be 296 bytes for 7 messages'],
    ['type', (b) => b.writeUInt8(3, at(0)), 'message 3: type: 3 must be 0, 1 or 2'],
    ['side', (b) => b.writeUInt8(2, at(1)), 'message 3: side: 2 must be 0 or 1'],
    ['ioc', (b) => b.writeUInt8(2, at(2)), 'message 3: ioc: 2 must be 0 or 1'],
    ['quantity', (b) => b.writeUInt32LE(0, at(4)), 'message 3: quantity: 0 must be at least 1'],
    ['sequence', (b) => b.writeUInt32LE(4, at(8)), 'message 3: sequence number: 4 must be 3'],
    ['id', (b) => b.writeUInt32LE(0xffffffff, at(20)), 'message 3: order id: 18446744'],
    ['price', (b) => b.writeBigInt64LE(-1n, at(24)), 'message 3: price: -1 must be from 1 to'],
  ];
  test.each(cases)('%s', (_, change, message) => {
    const bytes = good();
    change(bytes);
    expect(() => decodeWorkload(bytes)).toThrow(message);
  });

  test('cut short', () => {
    expect(() => decodeWorkload(good().subarray(0, 15))).toThrow('length: 15 must be at least the 16 bytes');
    expect(() => decodeWorkload(good().subarray(0, -1))).toThrow('bytes for');
  });
});

test('options out of range are refused', () => {
  expect(() => generateWorkload({ scenario: 'calm' as Scenario })).toThrow('scenario: "calm" must be one of static');
  expect(() => generateWorkload({ scenario: 'static', newOrders: 0 })).toThrow('newOrders: 0 must be');
  expect(() => generateWorkload({ scenario: 'static', newOrders: 1.5 })).toThrow('newOrders: 1.5 must be');
  expect(() => generateWorkload({ scenario: 'static', seed: -1 })).toThrow('seed: -1 must be');
});
