import { INSTRUMENTS_MAX, type MarketSight } from '../feed/market-sight.ts';
import type { Role } from '../telemetry/figures.ts';
import type { Watched } from '../telemetry/readings.ts';

const WITHOUT_MARKET =
  'runs without --market-data, so it has no book: start it with that option, or see the page of a follower.';

const WITHOUT_VENUE: Readonly<Partial<Record<Role, string>>> = {
  gateway: 'A gateway has no market: see the page of its venue.',
  proving: 'A prover has no market: see the page of its venue.',
};

/**
 * The market that a process has, from its own memory: nothing is asked of NATS for it, so no identity needs a permission.
 * A follower's is that of its replica; a venue's and a standby's that of the thread of market data, without which a venue that
 * serves has trades alone.
 */
export async function marketOf({ role, venue, follower }: Watched, asked: number | undefined): Promise<MarketSight> {
  if (follower !== undefined) return follower.market.look(asked) ?? none('No instrument yet.');
  if (venue === undefined) return none(WITHOUT_VENUE[role] ?? 'Nothing is open yet.');
  const { watch } = venue;
  if (watch.marketData !== undefined) return (await watch.marketData.look(asked)) ?? none('Waiting for the book.');
  if (!watch.isServing) return none(`This standby ${WITHOUT_MARKET}`);
  const instruments = venue.instruments.all.map(({ symbol, name }) => ({ symbol, name }));
  const symbol = instruments.some((one) => one.symbol === asked) ? asked : instruments[0]?.symbol;
  return {
    instruments: instruments.slice(0, INSTRUMENTS_MAX),
    symbol,
    book: undefined,
    whyNoBook: `This server ${WITHOUT_MARKET}`,
    trades: symbol === undefined ? [] : watch.tradesOf(symbol),
  };
}

function none(whyNoBook: string): MarketSight {
  return { instruments: [], symbol: undefined, book: undefined, whyNoBook, trades: [] };
}
