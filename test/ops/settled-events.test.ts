import { expect, test } from '@jest/globals';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { EVENT_WORDS } from '../../journal/events.ts';
import { EventLines } from '../../ops/ndjson/ndjson-events.ts';
import { orderEvents } from '../../ops/websocket/json-events.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher } from '../../replicas/matcher.ts';
import { deposit, order, set } from '../replicas/rules/account-commands.ts';
import { SMALL_LIMITS } from '../replicas/rules/ruled-market.ts';

/** Lots for which a tick costs this many units, or as many as there can be. */
const LOTS = 511;

/** What NDJSON and the WebSocket gateway tell of the fees of one trade, the maker's first. */
function feesTold(tickValue: number): unknown[][] {
  const events = new EventBuffer(64);
  const matcher = createMatcher(SMALL_LIMITS, events, 1);
  const record = new Uint32Array(COMMAND_WORDS);
  let words: number[] = [];
  const apply = (command: Command): void => {
    encodeCommand(record, 0, command);
    matcher.apply(record, 0);
    words = [];
    events.drain((from, at) => words.push(...from.subarray(at, at + EVENT_WORDS)));
  };
  for (const command of [
    { op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' } as const,
    ...[set('baseAsset', 1), set('quoteAsset', 2), set('tickValue', tickValue)],
    ...[set('takerFee', 1_000_000), set('makerRebate', 900_000), deposit(1, 2, 2n ** 63n - 1n), deposit(2, 1, LOTS)],
    order(2, 1, 'sell', 1, LOTS),
    order(1, 1, 'buy', 1, LOTS),
  ])
    apply(command);
  const lines = new EventLines();
  lines.name(0, 'ACME');
  lines.command(1, Uint32Array.from(words), words.length / EVENT_WORDS);
  const asLines = String(lines.text.take())
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const asObjects = JSON.parse(JSON.stringify(orderEvents(Uint32Array.from(words), () => 'ACME')));
  return [asLines, asObjects].map((told) =>
    told.filter(({ ev }: { ev: string }) => ev === 'settled').map(({ fee }: { fee: unknown }) => fee),
  );
}

test('a rebate is a fee below zero, exact, with its digits in a string where a JSON number would not be', () => {
  expect(feesTold(1)).toEqual([
    [-459, 511],
    [-459, 511],
  ]);
  const cost = 511n * (2n ** 53n - 1n);
  const digits = [`-${(cost * 9n) / 10n}`, String(cost)];
  expect(feesTold(2 ** 53 - 1)).toEqual([digits, digits]);
});
