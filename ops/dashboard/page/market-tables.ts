import type { MarketSight } from '../../feed/market-sight.ts';
import { whole } from '../../telemetry/quantities.ts';
import { byId, emptyRows, say, showRows } from './elements.ts';

/** Rows of both tables, whether there is as much or not: so that nothing moves. */
const ROWS = 12;

const select = byId<HTMLSelectElement>('instrument');
const state = byId('market-state');
const whyNot = byId('no-book');

/** The instrument that was chosen; undefined for the first one. */
export function chosenSymbol(): string | undefined {
  return select.value === '' ? undefined : select.value;
}

/** Makes room for what will come. */
export function layOutMarket(): void {
  showRows(byId('book-rows'), emptyRows(ROWS, 6));
  showRows(byId('tape-rows'), emptyRows(ROWS, 4));
}

/** A book and the last trades, or why there is none. */
export function drawMarket(market: MarketSight): void {
  showInstruments(market);
  const { book, trades, whyNoBook } = market;
  say(state, whyNoBook === undefined ? `book at sequence ${whole(book?.sequence)}` : 'no book');
  say(whyNot, whyNoBook ?? '');
  const [bids, asks] = [book?.bids ?? [], book?.asks ?? []];
  const most = Math.max(1, ...[...bids, ...asks].slice(0, 2 * ROWS).map(({ quantity }) => quantity));
  const levels = Array.from({ length: ROWS }, (_, index) => {
    const [bid, ask] = [bids[index], asks[index]];
    return [
      ...(bid === undefined ? ['', '', ''] : [bid.orders, bid.quantity, bid.price].map(whole)),
      ...(ask === undefined ? ['', '', ''] : [ask.price, ask.quantity, ask.orders].map(whole)),
    ];
  });
  for (const [index, row] of showRows(byId('book-rows'), levels).entries()) {
    row.cells[1]?.style.setProperty('--share', String((bids[index]?.quantity ?? 0) / most));
    row.cells[4]?.style.setProperty('--share', String((asks[index]?.quantity ?? 0) / most));
  }
  const rows = Array.from({ length: ROWS }, (_, index) => {
    const trade = trades[index];
    if (trade === undefined) return ['', '', '', ''];
    return [whole(trade.sequence), trade.side === 'buy' ? 'buys' : 'sells', whole(trade.quantity), whole(trade.price)];
  });
  for (const [index, row] of showRows(byId('tape-rows'), rows).entries())
    row.cells[1]?.setAttribute('class', trades[index]?.side ?? '');
  const isQuiet = trades.length === 0 && market.symbol !== undefined;
  say(byId('tape-caption'), isQuiet ? 'last trades: none since somebody looks' : 'last trades');
}

function showInstruments({ instruments, symbol }: MarketSight): void {
  const isSame =
    select.options.length === instruments.length &&
    instruments.every((one, index) => select.options[index]?.value === String(one.symbol));
  if (isSame) return;
  const chosen = select.value === '' ? String(symbol ?? '') : select.value;
  select.replaceChildren(...instruments.map((one) => new Option(one.name, String(one.symbol))));
  select.value = chosen;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}
