import type { PlacedInstrument } from '../instrument-directory.ts';
import type { VenueInfo } from './venue-client.ts';

/** An instrument and the shard that it trades on. */
export interface ShardPlace {
  readonly symbol: number;
  readonly name: string;
  readonly shard: number;
}

type ShardInfo = Pick<VenueInfo, 'shard'> & { readonly instruments: readonly PlacedInstrument[] };

/**
 * Which shard each instrument trades on, as the shards themselves tell. A shard is believed when it says that an instrument
 * trades there; while an instrument is being moved no shard says so, and the one that it is on its way to is taken.
 */
export class ShardTable {
  readonly #places = new Map<number, ShardPlace>();
  /** Everything that the shards say of where instruments trade: the same as long as nothing was moved. */
  readonly print: string;

  constructor(infos: readonly ShardInfo[]) {
    const told = infos.flatMap((info) => info.instruments.map((instrument) => ({ of: info.shard, ...instrument })));
    for (const { of, symbol, name, shard, here } of told) {
      // The shard that waits for the orders tells its own number, too, and is not doubted by the others.
      if (here || (!this.#places.has(symbol) && shard === of)) this.#places.set(symbol, { symbol, name, shard });
    }
    for (const { symbol, name, shard } of told) {
      if (!this.#places.has(symbol)) this.#places.set(symbol, { symbol, name, shard });
    }
    this.print = told
      .map(({ of, symbol, shard, here, assignments }) => [of, symbol, shard, here ? 1 : 0, assignments].join())
      .sort()
      .join(' ');
  }

  get places(): ShardPlace[] {
    return [...this.#places.values()];
  }

  /** Undefined for an instrument that no shard knows. */
  shardOf(symbol: number): number | undefined {
    return this.#places.get(symbol)?.shard;
  }
}
