import { randomBytes } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { InflatedBytes } from '../../../ops/marketdata/decompress.ts';
import { pieces } from './flow-probe.ts';

const compressions = { gzip: gzipSync, zstd: zstdCompressSync } as const;

async function inflate(
  compression: 'gzip' | 'zstd',
  bytes: Uint8Array,
  size: number,
): Promise<[Buffer, InflatedBytes]> {
  const inflated = new InflatedBytes(pieces(bytes, size), compression);
  const out: Uint8Array[] = [];
  for await (const piece of inflated) out.push(piece);
  return [Buffer.concat(out), inflated];
}

describe.each(['gzip', 'zstd'] as const)('%s', (compression) => {
  const compress = compressions[compression];
  const members = [randomBytes(300), Buffer.alloc(5_000, 'tape'), randomBytes(40)];
  const stored = members.map((member) => compress(member));
  const whole = Buffer.concat(stored);

  test('members meet at any place of the pieces', async () => {
    const first = stored[0]?.length ?? 0;
    for (const size of [1, 2, 3, 17, first - 1, first, first + 1, 65_536]) {
      const [bytes, inflated] = await inflate(compression, whole, size);
      expect(bytes.equals(Buffer.concat(members))).toBe(true);
      expect(inflated.cutOff).toBeUndefined();
    }
  });

  test('an end within a member is told, after all that can be read', async () => {
    const last = members[2] ?? Buffer.alloc(0);
    for (const size of [1, 17, 65_536]) {
      const [bytes, inflated] = await inflate(compression, whole.subarray(0, -1), size);
      expect(bytes.subarray(0, 5_300).equals(Buffer.concat(members.slice(0, 2)))).toBe(true);
      expect(last.subarray(0, bytes.length - 5_300).equals(bytes.subarray(5_300))).toBe(true);
      expect(inflated.cutOff).toBe(`the ${compression} stream is cut off`);
    }
  });

  test('a stream that inflates a thousandfold comes in small pieces', async () => {
    const inflated = new InflatedBytes(pieces(compress(Buffer.alloc(20_000_000))), compression);
    let bytes = 0;
    let largest = 0;
    for await (const piece of inflated) {
      bytes += piece.length;
      largest = Math.max(largest, piece.length);
    }
    expect(bytes).toBe(20_000_000);
    expect(largest).toBeLessThanOrEqual(262_144);
  });

  test('nothing at all is an empty stream', async () => {
    const [bytes, inflated] = await inflate(compression, Buffer.alloc(0), 1);
    expect([bytes.length, inflated.cutOff]).toEqual([0, undefined]);
  });
});
