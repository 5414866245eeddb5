import { readWide } from '../journal/amounts.ts';
import type { VenueLimits } from '../journal/genesis.ts';
import type { Transition } from './transition.ts';

/**
 * Price levels as replicas/transition/ladders.ts keeps them, for those who read the books. A level is 32 bytes:
 *
 * | byte | word | type | field |
 * |-----:|-----:|------|-------|
 * |  0 | 0 | u32 | slot of the first order, 0 when the level is closed |
 * |  4 | 1 | u32 | slot of the last one |
 * |  8 | 2 | u32 | orders |
 * | 12 | 3 | u32 | volumeHigh: the volume is volumeHigh * 2^64 + volume |
 * | 16 | 4 | u64 | volume, lots |
 * | 24 | 6 | u64 | key: of an ask its price, of a bid 2^48 - 1 - price, so that a smaller key is the better one |
 */
export const LEVEL_SHIFT = 3;
export const LEVEL = { head: 0, tail: 1, count: 2, volumeHigh: 3, volume: 4, key: 6 } as const;
/** A page of levels is what a venue's `levelPagesMax` counts. */
export const LEVELS_PER_PAGE = 128;
const TWO_64 = 2 ** 64;

export interface Ladders {
  /** Best level of each ladder of a shown book (instrument * 2 + side), 0 when it is empty. */
  readonly best: Uint32Array;
  /** {@link LEVEL} fields, eight words a level. */
  readonly levels: Uint32Array;
  /** Lots at a level: exact to 2^53. */
  volume(level: number): number;
}

export function createLadders({ exports, words }: Transition, limits: VenueLimits): Ladders {
  const best = exports.bestAt.value >>> 2;
  const levels = words.subarray(exports.levelsAt.value >>> 2);
  return {
    best: words.subarray(best, best + limits.instrumentsMax * 2),
    levels,
    volume(level) {
      const at = level << LEVEL_SHIFT;
      return (levels[at + LEVEL.volumeHigh] as number) * TWO_64 + readWide(levels, at + LEVEL.volume);
    },
  };
}
