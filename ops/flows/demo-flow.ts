import { setTimeout as delay } from 'node:timers/promises';
import { readWide } from '../../journal/amounts.ts';
import type { Command } from '../../journal/commands.ts';
import { EVENT_WORD, EventType, eventType } from '../../journal/events.ts';
import { SLOT_SHIFT } from '../../sequencer/rings.ts';
import { NotTaken } from '../sessions/in-process-session.ts';
import type { Venue } from '../venue/venue.ts';

const EVERY_MS = 40;
const BATCH = 12;
/** Orders that rest at most; of each pair that comes, one is then canceled. */
const RESTING_MAX = 400;
const TICKS_AROUND = 20;
const LOTS_MAX = 20;
/** Nobody else's in a demonstration. */
const ACCOUNT = 900_001;

/** A few hundred orders a second around the last price, until the signal, so that there is something to see. */
export async function trickle(venue: Venue, symbol: number, signal: AbortSignal): Promise<void> {
  let last: number | undefined;
  venue.listen((words, mask, from, count) => {
    for (let index = 0; index < count; index++) {
      const at = ((from + index) & mask) << SLOT_SHIFT;
      if (eventType(words, at) === EventType.tradeTaker) last = readWide(words, at + EVENT_WORD.price);
    }
  });
  // Another run of the same journal must find other ids.
  const first = Date.now();
  const session = await venue.openSession(ACCOUNT, first);
  let id = first;
  const next = (): Command => {
    id++;
    if (id - first > RESTING_MAX && id % 2 === 0)
      return { op: 'cancel', account: ACCOUNT, symbol, id: id - RESTING_MAX - 1 };
    const side = Math.random() < 0.5 ? 'buy' : 'sell';
    const terms = { op: 'new', account: ACCOUNT, symbol, id, side, quantity: 1 + whole(LOTS_MAX) } as const;
    // The first one finds out what the price is.
    if (last === undefined) return { ...terms, type: 'market', tif: 'ioc' };
    const away = whole(TICKS_AROUND) + whole(TICKS_AROUND) - TICKS_AROUND;
    const passive = side === 'buy' ? -TICKS_AROUND / 4 : TICKS_AROUND / 4;
    return { ...terms, price: Math.max(1, last + away + passive) };
  };
  while (!signal.aborted) {
    await session.send(Array.from({ length: last === undefined ? 1 : BATCH }, next)).catch((error: unknown) => {
      if (!(error instanceof NotTaken)) throw error;
    });
    await delay(EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

function whole(below: number): number {
  return Math.floor(Math.random() * below);
}
