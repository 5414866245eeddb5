import { expect, test } from '@jest/globals';
import type { Command } from '../../../journal/commands.ts';
import { expectSame } from '../../expect-same.ts';
import { Dice } from '../raw-commands.ts';
import { NaiveStops } from './naive-stops.ts';
import { RulesPlay } from './rules-play.ts';

const COMMANDS = 6_000;
const RESTORES = 40;

interface Profile {
  readonly stopsMax: number;
  readonly refusesDue: boolean;
  /** Ids in use, and how far prices are apart. */
  readonly ids: number;
  readonly prices: number;
  /** Shares of new orders that are stops, that trail of these, that cancel and that wait for another. */
  readonly stops: number;
  readonly trailing: number;
  readonly cancels: number;
  readonly after: number;
  /** What must have happened, or the flow shows nothing. */
  readonly happens: readonly string[];
}

const PROFILES: Readonly<Record<string, Profile>> = {
  stops: {
    stopsMax: 1000,
    refusesDue: false,
    ids: 400,
    prices: 40,
    stops: 0.5,
    trailing: 0,
    cancels: 0,
    after: 0,
    happens: ['triggered', 'canceled ioc', 'canceled fok', 'replaced'],
  },
  trails: {
    stopsMax: 1000,
    refusesDue: true,
    ids: 400,
    prices: 60,
    stops: 0.6,
    trailing: 0.8,
    cancels: 0,
    after: 0,
    happens: ['triggered', 'rejected stopWouldTrigger', 'replaced'],
  },
  crowded: {
    stopsMax: 12,
    refusesDue: false,
    ids: 60,
    prices: 12,
    stops: 0.6,
    trailing: 0.5,
    cancels: 0.1,
    after: 0.1,
    happens: ['rejected stopsFull', 'canceled linked', 'canceled orphaned'],
  },
  groups: {
    stopsMax: 1000,
    refusesDue: false,
    ids: 40,
    prices: 10,
    stops: 0.2,
    trailing: 0.3,
    cancels: 0.6,
    after: 0.1,
    happens: ['canceled linked', 'canceled fok', 'rejected price'],
  },
  lists: {
    stopsMax: 1000,
    refusesDue: true,
    ids: 50,
    prices: 12,
    stops: 0.3,
    trailing: 0.4,
    cancels: 0.3,
    after: 0.5,
    happens: ['canceled orphaned', 'canceled linked', 'canceled stopWouldTrigger'],
  },
};

/** One command, right or wrong, of an account that names its own orders, most of them `live`. */
function roll(dice: Dice, profile: Profile, middle: number, live: readonly number[]): Command {
  const anyId = (): number => 1 + dice.below(profile.ids);
  const liveId = (): number => (dice.below(8) === 0 ? undefined : live[dice.below(live.length)]) ?? anyId();
  const id = anyId();
  const price = Math.max(1, middle + dice.below(profile.prices) - (profile.prices >> 1));
  const quantity = 1 + dice.below(9);
  const kind = dice.below(100);
  if (kind < 4) return { op: 'cancel', id: liveId() };
  if (kind < 8) return { op: 'reduce', id: liveId(), quantity };
  if (kind < 18) {
    const given = dice.below(4);
    return {
      op: 'replace',
      id: liveId(),
      ...(given === 0 || dice.below(3) === 0 ? { quantity } : {}),
      ...(given === 1 ? { price } : {}),
      ...(given === 2 ? { stopPrice: price } : {}),
      ...(given === 3 ? { trail: 1 + dice.below(profile.prices >> 1) } : {}),
      ...(given < 2 && dice.below(2) === 0 ? { quantity, open: 1 + dice.below(14) } : {}),
    };
  }
  const isStop = dice.below(1000) < profile.stops * 1000;
  const trails = dice.below(1000) < profile.trailing * 1000;
  const isMarket = dice.below(4) === 0;
  const tif = dice.below(6) === 0 ? (dice.below(2) === 0 ? 'ioc' : 'fok') : 'gtc';
  return {
    op: 'new',
    id,
    side: dice.below(2) === 0 ? 'buy' : 'sell',
    quantity,
    type: isStop ? (isMarket ? 'stop' : 'stopLimit') : isMarket ? 'market' : 'limit',
    tif,
    price: isMarket ? 0 : price,
    ...(isStop
      ? trails
        ? { trail: 1 + dice.below(profile.prices >> 1) }
        : { stopPrice: Math.max(1, price + dice.below(7) - 3) }
      : {}),
    ...(dice.below(1000) < profile.cancels * 1000 ? { cancels: liveId() } : {}),
    ...(dice.below(1000) < profile.after * 1000 ? { after: liveId() } : {}),
  };
}

/** The line that every order waits in is searched from end to end in the model; the state is put away and restored on the way. */
test.each(Object.entries(PROFILES))('%s: the same triggers, cancels and trades as a naive list', (_, profile) => {
  const dice = new Dice(23);
  const play = new RulesPlay({ ordersMax: 2000 });
  // Never restored: what memory was like before leaves no trace in the state.
  const lasting = new RulesPlay({ ordersMax: 2000 });
  const naive = new NaiveStops(profile.stopsMax, profile.refusesDue);
  for (const one of [play, lasting]) {
    one.set('stopsMax', profile.stopsMax);
    one.set('stopEntry', profile.refusesDue ? 1 : 0);
  }
  const seen = new Set<string>();
  let middle = 200;
  for (let place = 0; place < COMMANDS; place++) {
    if (dice.below(50) === 0) middle = Math.max(60, middle + dice.below(41) - 20);
    const command = roll(dice, profile, middle, naive.ids());
    const all = play.send(command);
    // When terms are refused, so is the order that comes for them.
    const told = all[0]?.startsWith('rejected') ? all.slice(0, 1) : all;
    const expected = naive.send(command);
    if (told.join() !== expected.join()) expect({ place, command, told }).toEqual({ place, command, told: expected });
    for (const line of told) seen.add(line.replace(/ \d\S*/g, '').replace(/ leaves.*| kept/, ''));
    lasting.events(command);
    if (dice.below(COMMANDS) < RESTORES) play.restore();
    if (place % 500 === 0) expect(play.state().equals(lasting.state())).toBe(true);
    if (place % 100 === 0) expectSame(play.book(), { bids: naive.bids(), asks: naive.asks() });
  }
  expect(play.live()).toBe(naive.ids().length);
  expect(play.state().equals(lasting.state())).toBe(true);
  expect([...seen]).toEqual(expect.arrayContaining(profile.happens as string[]));
});
