import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { encodeWorkload, generateWorkload } from '../../bench/challenge-workload.ts';
import { linesOf, removeTemporaryFolders, temporaryFolder, veritape } from './run-veritape.ts';

afterAll(removeTemporaryFolders);

const ORDERS = 2_000;

test('a file and its scenario give the same reports, which are written and hashed', () => {
  const folder = temporaryFolder();
  const file = join(folder, 'normal.bin');
  const reports = join(folder, 'reports.txt');
  const workload = generateWorkload({ scenario: 'normal', newOrders: ORDERS });
  writeFileSync(file, encodeWorkload(workload));
  const fromFile = veritape(['challenge', file, '--reports', reports, '--json']);
  expect({ code: fromFile.code, stderr: fromFile.stderr }).toEqual({ code: 0, stderr: '' });
  const text = readFileSync(reports);
  const sha256 = createHash('sha256').update(text).digest('hex');
  expect(linesOf(fromFile.stdout)).toEqual([
    {
      workload: file,
      messages: workload.count,
      trades: text
        .toString()
        .split('\n')
        .filter((line) => line.startsWith('1,')).length,
      elapsedMs: expect.any(Number),
      messagesPerSecond: expect.any(Number),
      reportBytes: text.length,
      sha256,
    },
  ]);

  const options = ['challenge', '--scenario', 'normal', '--orders', String(ORDERS)];
  const right = veritape([...options, '--expect', sha256.toUpperCase()]);
  expect(right.code).toBe(0);
  expect(right.stdout).toContain(sha256);
  const wrong = veritape([...options, '--json', '--expect', '0'.repeat(64)]);
  expect(wrong.code).toBe(1);
  expect(linesOf(wrong.stdout)).toEqual([
    expect.objectContaining({
      workload: { scenario: 'normal', orders: ORDERS, seed: 23 },
      sha256,
      expected: '0'.repeat(64),
      same: false,
    }),
  ]);
});

test('a damaged workload file exits with 2 and names the message and the field', () => {
  const file = join(temporaryFolder(), 'damaged.bin');
  const bytes = encodeWorkload(generateWorkload({ scenario: 'static', newOrders: 10 }));
  bytes[16 + 40 * 3 + 1] = 9;
  writeFileSync(file, bytes);
  const { code, stdout, stderr } = veritape(['challenge', file]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/damaged\.bin.*message 3: side: 9 must be 0 or 1\n$/);
});

test('a workload that is no challenge exits with 2, too', () => {
  const file = join(temporaryFolder(), 'twice.bin');
  const bytes = encodeWorkload(generateWorkload({ scenario: 'static', newOrders: 50 }));
  // Give every new order the id 1.
  for (let at = 16; at < bytes.length; at += 40) if (bytes[at] === 0) bytes.writeBigUInt64LE(1n, at + 16);
  writeFileSync(file, bytes);
  const { code, stderr } = veritape(['challenge', file]);
  expect(code).toBe(2);
  expect(stderr).toContain('duplicateOrder');
});
