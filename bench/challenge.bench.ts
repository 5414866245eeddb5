import { type BenchmarkOptions, check, type Figure, type Measured, median, playApart } from './benchmark.ts';
import type { Played } from './challenge-play.ts';
import { REPORTS_SHA256 } from './challenge-reports.ts';
import { NEW_ORDERS_DEFAULT, SCENARIO_NAMES, type Scenario } from './challenge-workload.ts';
import { NPM_PEER_NAMES, PEER_NAMES, type PeerName } from './peer-books.ts';

export const description = 'the public matching-engine challenge, five scenarios, beside two npm books and a naive one';

/** Peers play a shorter flow: some would take many minutes for the whole of "static". The shorter book is the quicker one. */
const PEER_NEW_ORDERS: Readonly<Record<PeerName, { full: number; quick: number }>> = {
  naive: { full: 200_000, quick: 50_000 },
  'nodejs-order-book': { full: 100_000, quick: 10_000 },
  'limit-order-book': { full: 10_000, quick: 2_000 },
};
const RUNS = 5;
const PEER_RUNS = 3;
const RATE_GOAL = 4_000_000;
const FACTOR_GOAL = 20;

const TITLES = {
  ring: 'every event into a ring drained by another thread',
  ruled: 'the same, of an instrument with a tick size',
  matcher: 'matcher alone',
  naive: 'naive book',
  'nodejs-order-book': 'nodejs-order-book',
  'limit-order-book': 'limit-order-book',
} as const;
type Kind = keyof typeof TITLES;

export async function run({ quick, yardstick }: BenchmarkOptions): Promise<Measured> {
  const runs = quick ? 1 : RUNS;
  const plays = new Map<string, Played[]>();
  const of = (kind: Kind, scenario: Scenario): Played[] => plays.get(`${kind} ${scenario}`) ?? [];
  // All take turns, so that a noisy minute does not fall on one of them.
  for (let index = 0; index < runs; index++) {
    for (const scenario of SCENARIO_NAMES) {
      for (const kind of Object.keys(TITLES) as Kind[]) {
        if (kind === 'matcher' && quick) continue;
        const peer = isPeer(kind);
        if (peer && index >= PEER_RUNS) continue;
        const newOrders = peer ? PEER_NEW_ORDERS[kind][quick ? 'quick' : 'full'] : NEW_ORDERS_DEFAULT;
        const played = await play(kind, scenario, newOrders);
        plays.set(`${kind} ${scenario}`, [...of(kind, scenario), played]);
        const expected = peer ? played.matcherSha256 : REPORTS_SHA256[scenario];
        check(played.sha256 === expected, `${scenario}, ${TITLES[kind]}: other reports than expected`);
        check(played.drained, `${scenario}: the other thread did not get the events`);
      }
    }
    await yardstick();
  }
  const rate = (kind: Kind, scenario: Scenario, time: 'elapsedMs' | 'coreMs' = 'elapsedMs'): number =>
    median(of(kind, scenario).map((played) => (played.messages * 1000) / played[time]));
  const worst = (kind: Kind): number => Math.min(...SCENARIO_NAMES.map((scenario) => rate(kind, scenario)));
  const factor = (time: 'elapsedMs' | 'coreMs', peers: readonly PeerName[]): number =>
    Math.min(
      ...SCENARIO_NAMES.map(
        (scenario) => rate('ring', scenario, time) / Math.max(...peers.map((peer) => rate(peer, scenario, time))),
      ),
    );
  const figuresOf = (kind: Kind): Figure[] => {
    const all = SCENARIO_NAMES.flatMap((scenario) => of(kind, scenario));
    if (all.length === 0) return [];
    const share = Math.min(...all.map((one) => one.coreMs / one.elapsedMs)) * 100;
    const goal = kind === 'ring' || kind === 'ruled' ? { goal: { atLeast: RATE_GOAL } } : {};
    return [
      { name: `${TITLES[kind]}: worst scenario`, value: worst(kind), unit: 'messages/s', ...goal },
      ...SCENARIO_NAMES.map((scenario) => ({
        name: `${TITLES[kind]}: ${scenario}`,
        value: rate(kind, scenario),
        unit: 'messages/s',
      })),
      { name: `${TITLES[kind]}: time with a core, worst run`, value: share, unit: '%' },
    ];
  };
  const { naivePerSecond } = await yardstick();
  const lengths = PEER_NAMES.map((name) => `${TITLES[name]} ${PEER_NEW_ORDERS[name][quick ? 'quick' : 'full']}`);
  return {
    figures: (Object.keys(TITLES) as Kind[]).flatMap(figuresOf),
    ratios: [
      {
        name: 'into the ring / best npm book: worst scenario of each',
        value: worst('ring') / Math.max(...NPM_PEER_NAMES.map(worst)),
        goal: { atLeast: FACTOR_GOAL },
      },
      {
        name: 'into the ring / best npm book: scenario with the smallest factor',
        value: factor('elapsedMs', NPM_PEER_NAMES),
      },
      { name: 'the same, counting only time with a core', value: factor('coreMs', NPM_PEER_NAMES) },
      { name: 'into the ring / naive book: scenario with the smallest factor', value: factor('elapsedMs', ['naive']) },
      {
        name: 'with a tick size / without, counting only time with a core: scenario with the smallest factor',
        value: Math.min(
          ...SCENARIO_NAMES.map((scenario) => rate('ruled', scenario, 'coreMs') / rate('ring', scenario, 'coreMs')),
        ),
      },
      { name: "into the ring: worst scenario / the yardstick's naive book", value: worst('ring') / naivePerSecond },
    ],
    notes: [
      `${runs === 1 ? 'one run' : `median of ${RUNS} runs, of the peers ${PEER_RUNS}`}, each in a fresh process; the matcher is warmed up as a replica is before it serves`,
      'the matcher plays 1,000,000 new orders and comes to the published reports in every run: checked',
      `peers play fewer (${lengths.join(', ')} new orders), with smaller books, and come to the same reports as the matcher: checked`,
      'the peers have no durable journal, replicas, accounts, canonical state or bounds; they return their reports as objects',
      'limit-order-book has no immediate-or-cancel and no modify: each is two calls',
      'where the time with a core is far below 100 %, the machine was busy with something else',
    ],
  };
}

function isPeer(kind: Kind): kind is PeerName {
  return (PEER_NAMES as readonly string[]).includes(kind);
}

function play(player: Kind, scenario: Scenario, newOrders: number): Promise<Played> {
  return playApart('challenge-play.ts', player, scenario, String(newOrders));
}
