import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, describe, expect, test } from '@jest/globals';
import { openFlow } from '../../../ops/marketdata/open-flow.ts';
import type { FlowFormat, FlowOptions } from '../../../ops/marketdata/order-flow.ts';
import { batchesOf, briefs } from './flow-probe.ts';

const folder = mkdtempSync(join(tmpdir(), 'veritape-flow-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** Lines that compress neither very well nor very badly, one order each. */
function lobsterLines(count: number): string {
  const lines: string[] = [];
  for (let i = 1; i <= count; i++)
    lines.push(`34200.${(i * 7_919) % 1_000_000},1,${i * 104_729},${i % 97 || 1},1180000,1\n`);
  return lines.join('');
}

const LOBSTER = lobsterLines(3);
/** A system event and one order of AAPL, framed. */
const ITCH = Buffer.from(
  '000c' +
    `53${'0000'.repeat(2)}1f1a00000000` +
    '4f' +
    '0024' +
    `41000d00001f1a0000000000000000000000014200000064${Buffer.from('AAPL    ').toString('hex')}0016e360`,
  'hex',
);
const DBN = Buffer.concat([Buffer.from('DBN\u0002', 'latin1'), Buffer.from([120, 0, 0, 0]), Buffer.alloc(120)]);
DBN.writeUInt16LE(71, 53);
const CONTENTS: Readonly<Record<FlowFormat, Uint8Array>> = { lobster: Buffer.from(LOBSTER), itch: ITCH, dbn: DBN };

describe('the format is found', () => {
  const formats = Object.keys(CONTENTS) as FlowFormat[];
  test.each(formats)('%s by content, plain and compressed', async (format) => {
    const bytes = CONTENTS[format];
    const commands = { lobster: 4, itch: 2, dbn: 0 }[format];
    for (const stored of [bytes, gzipSync(bytes), zstdCompressSync(bytes)]) {
      const flow = await openFlow(file('anything', stored));
      expect(flow.format).toBe(format);
      expect((await briefs(flow)).length).toBe(commands);
      expect(flow.summary).toMatchObject({ format, truncated: undefined, bytes: bytes.length });
    }
  });

  test.each([
    ['day.csv', 'lobster'],
    ['day.csv.gz', 'lobster'],
    ['day.itch', 'itch'],
    ['01302020.NASDAQ_ITCH50.gz', 'itch'],
    ['S071321-v50.txt.gz', 'itch'],
    ['day.dbn', 'dbn'],
    ['day.dbn.zst', 'dbn'],
  ])('%s by name where the file is empty', async (name, format) => {
    const empty = name.endsWith('.gz') ? gzipSync('') : name.endsWith('.zst') ? zstdCompressSync('') : '';
    const flow = await openFlow(file(name, empty));
    expect(flow.format).toBe(format);
    expect(await briefs(flow)).toEqual([]);
  });

  test('or given', async () => {
    const flow = await openFlow(file('lines.dat', ` ${LOBSTER}`), { format: 'lobster' });
    await expect(batchesOf(flow)).rejects.toThrow('lines.dat: line 1: time: " 34200.7919" must be seconds');
    await expect(openFlow(file('x', ''), { format: 'fix' } as unknown as FlowOptions)).rejects.toThrow(
      'format: "fix" must be one of lobster, itch, dbn',
    );
  });

  test('or it is an error that says what is known', async () => {
    await expect(openFlow(file('notes.txt', 'hello, world'))).rejects.toThrow(
      'notes.txt: byte 0: content: 0x68656c6c6f2c2077 must be LOBSTER (.csv), ITCH 5.0 (.itch) or Databento (.dbn)',
    );
    await expect(openFlow(file('nothing', ''))).rejects.toThrow('content: nothing must be LOBSTER');
    await expect(openFlow(join(folder, 'absent.csv'))).rejects.toThrow('ENOENT');
  });
});

describe('compressed files', () => {
  const text = lobsterLines(12_000);
  const compressions = { gzip: gzipSync, zstd: zstdCompressSync } as const;

  test.each(Object.entries(compressions))('%s of several members', async (_, compress) => {
    const middle = text.indexOf('\n', text.length / 2) + 1;
    const members = [text.slice(0, 100), text.slice(100, middle), text.slice(middle)].map((part) => compress(part));
    const flow = await openFlow(file('day.csv', Buffer.concat(members)));
    await batchesOf(flow);
    expect(flow.summary).toMatchObject({
      messages: 12_000,
      commands: 12_001,
      bytes: text.length,
      truncated: undefined,
    });
  });

  test.each(Object.entries(compressions))('%s cut off keeps what came before', async (name, compress) => {
    const whole = compress(text);
    const flow = await openFlow(file('day.csv', whole.subarray(0, whole.length - 6_000)));
    await batchesOf(flow);
    expect(flow.summary.truncated).toMatch(new RegExp(`the ${name} stream is cut off$`));
    expect(flow.summary.messages).toBeGreaterThan(3_000);
    expect(flow.summary.messages).toBeLessThan(12_000);
  });

  test('cut off in its checksum, all of it is kept', async () => {
    const flow = await openFlow(file('day.csv', gzipSync(text).subarray(0, -4)));
    await batchesOf(flow);
    expect(flow.summary).toMatchObject({ messages: 12_000, truncated: 'the gzip stream is cut off' });
  });

  test('zeros behind a gzip member are padding', async () => {
    const flow = await openFlow(file('day.csv', Buffer.concat([gzipSync(LOBSTER), Buffer.alloc(512)])));
    expect((await briefs(flow)).length).toBe(4);
    expect(flow.summary.truncated).toBeUndefined();
  });

  test('anything else behind a member is an error', async () => {
    for (const compress of Object.values(compressions)) {
      const flow = await openFlow(file('day.csv', Buffer.concat([compress(LOBSTER), Buffer.from('more')])));
      await expect(batchesOf(flow)).rejects.toThrow(
        /day\.csv: compressed bytes: content: .* must be a whole (gzip|zstd) stream/,
      );
    }
  });

  test('a reader that stops early lets go of the file', async () => {
    const flow = await openFlow(file('day.csv', gzipSync(text)));
    for await (const batch of flow.batches) {
      expect(batch.count).toBe(256);
      break;
    }
    expect(flow.summary.messages).toBeLessThan(12_000);
  });
});
