import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BLOCK_HEADER_BYTES, blockBytes, blockOrdersIn } from '../journal/block.ts';
import { hashOf, hashOfPair } from '../journal/chain.ts';
import { type BenchmarkOptions, type Figure, type Measured, median, type Ratio, timed } from './benchmark.ts';

export const description = 'BLAKE3 of a block, as the chain uses it, beside SHA-256 of node:crypto';

/** Blocks that fill 1, 16 and 64 pages. */
const PAGES = [1, 16, 64];
const ROUND_BYTES = 64 * 2 ** 20;

export async function run({ quick }: BenchmarkOptions): Promise<Measured> {
  const figures: Figure[] = [];
  const ratios: Ratio[] = [];
  for (const pages of PAGES) {
    const orders = blockOrdersIn(pages);
    const bytes = Buffer.alloc(blockBytes(orders), orders);
    const header = bytes.subarray(0, BLOCK_HEADER_BYTES - 32);
    const body = bytes.subarray(BLOCK_HEADER_BYTES);
    const kinds: Record<string, () => unknown> = {
      'BLAKE3, header and body': () => hashOfPair(header, body),
      BLAKE3: () => hashOf(bytes),
      'SHA-256': () => hash('sha256', bytes, 'buffer'),
    };
    const calls = Math.ceil(ROUND_BYTES / bytes.length / (quick ? 8 : 1));
    const rates: Record<string, number[]> = {};
    // Kinds take turns, so that a noisy second does not fall on one of them.
    for (let round = 0; round < (quick ? 3 : 9); round++) {
      for (const [name, call] of Object.entries(kinds)) {
        const ms = timed(() => {
          for (let index = 0; index < calls; index++) call();
        });
        rates[name] = [...(rates[name] ?? []), (calls * bytes.length) / ms / 1e6];
      }
    }
    const size = `${orders.toLocaleString('en')} orders`;
    const speed = (name: string): number => median(rates[name] ?? []);
    for (const name of Object.keys(kinds)) {
      figures.push({ name: `${size}: ${name}`, value: speed(name), unit: 'GB/s' });
      figures.push({ name: `${size}: ${name}, worst round`, value: Math.min(...(rates[name] ?? [])), unit: 'GB/s' });
    }
    ratios.push({ name: `${size}: BLAKE3 / SHA-256`, value: speed('BLAKE3, header and body') / speed('SHA-256') });
  }
  return { figures, ratios, notes: [processorNote()] };
}

/** Which of the two is faster depends on what the processor has for each. */
function processorNote(): string {
  let flags: readonly string[];
  try {
    flags = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.split(' ') ?? [];
  } catch {
    return 'what this processor has for either is not known';
  }
  const has = (flag: string): string => (flags.includes(flag) ? 'yes' : 'no');
  return `SHA instructions: ${has(flags.includes('sha2') ? 'sha2' : 'sha_ni')}; AVX2: ${has('avx2')}; AVX-512: ${has('avx512f')}`;
}
