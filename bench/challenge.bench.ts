import { type BenchmarkOptions, check, type Figure, type Measured, median, playApart } from './benchmark.ts';
import type { Played } from './challenge-play.ts';
import { NEW_ORDERS_DEFAULT, SCENARIO_NAMES, type Scenario } from './challenge-workload.ts';

export const description = 'the public matching-engine challenge, five scenarios, beside nodejs-order-book';

/** SHA-256 of the published report streams: seed 23, 1,000,000 new orders. */
const REPORTS_SHA256: Readonly<Record<Scenario, string>> = {
  static: '9803843ee404fc29c9a0aa5614f8f0d5a58b5c44fcac9ef89067886fcaaa30d1',
  normal: 'e9b2e3926854410b01a035aeb25dd05f1e597c233be8263de9eb49b6713d367e',
  'swing-25': '61a84be9469661bd039e00dbc9a7c011e70b6ace37aadfe60045ea083b05f4df',
  'swing-40': '3cb0175e7982ff09ea220d1feaee3844cf9116a5ce455757879dea1d880b9b9f',
  'flash-crash': 'cff8d3f94b709fc64a8b2058a6ca4fb6920364904796e46906895e362d2bb16b',
};
/** The peer's time for the whole of "static" is minutes; beside it, the matcher plays the same shorter flow. */
const PEER_NEW_ORDERS = 100_000;

const PLAYS = {
  ring: { title: 'every event into a ring drained by another thread', player: 'ring', newOrders: NEW_ORDERS_DEFAULT },
  matcher: { title: 'matcher alone', player: 'matcher', newOrders: NEW_ORDERS_DEFAULT },
  short: { title: 'matcher alone, 100,000 new orders', player: 'matcher', newOrders: PEER_NEW_ORDERS },
  peer: { title: 'nodejs-order-book, 100,000 new orders', player: 'peer', newOrders: PEER_NEW_ORDERS },
} as const;
type Kind = keyof typeof PLAYS;
const KINDS = Object.keys(PLAYS) as Kind[];

export async function run({ quick }: BenchmarkOptions): Promise<Measured> {
  const runs = quick ? 1 : 5;
  const plays = new Map<string, Played[]>();
  const of = (kind: Kind, scenario: Scenario): Played[] => plays.get(`${kind} ${scenario}`) ?? [];
  // All take turns, so that a noisy minute does not fall on one of them.
  for (let index = 0; index < runs; index++) {
    for (const scenario of SCENARIO_NAMES) {
      for (const kind of KINDS) plays.set(`${kind} ${scenario}`, [...of(kind, scenario), await play(kind, scenario)]);
    }
  }
  for (const scenario of SCENARIO_NAMES) {
    for (const played of [...of('ring', scenario), ...of('matcher', scenario)]) {
      check(played.sha256 === REPORTS_SHA256[scenario], `${scenario}: the reports are not the published ones`);
      check(played.drained, `${scenario}: the other thread did not get the events`);
    }
    const hashes = [...of('short', scenario), ...of('peer', scenario)].map(({ sha256 }) => sha256);
    check(new Set(hashes).size === 1, `${scenario}: nodejs-order-book comes to other reports`);
  }
  const rates = (kind: Kind): number[] => SCENARIO_NAMES.map((scenario) => rateOf(of(kind, scenario)));
  const factors = (time: 'elapsedMs' | 'coreMs'): number[] =>
    SCENARIO_NAMES.map((scenario) => rateOf(of('short', scenario), time) / rateOf(of('peer', scenario), time));
  return {
    figures: KINDS.flatMap((kind): Figure[] => {
      const { title } = PLAYS[kind];
      const shares = SCENARIO_NAMES.flatMap((scenario) => of(kind, scenario)).map((one) => one.coreMs / one.elapsedMs);
      return [
        { name: `${title}: worst scenario`, value: Math.min(...rates(kind)), unit: 'messages/s' },
        ...SCENARIO_NAMES.map((scenario) => ({
          name: `${title}: ${scenario}`,
          value: rateOf(of(kind, scenario)),
          unit: 'messages/s',
        })),
        { name: `${title}: time with a core, worst run`, value: Math.min(...shares) * 100, unit: '%' },
      ];
    }),
    ratios: [
      {
        name: 'matcher alone / nodejs-order-book: worst scenario of each',
        value: Math.min(...rates('short')) / Math.min(...rates('peer')),
      },
      {
        name: 'matcher alone / nodejs-order-book: scenario with the smallest factor',
        value: Math.min(...factors('elapsedMs')),
      },
      { name: 'the same, counting only time with a core', value: Math.min(...factors('coreMs')) },
    ],
    notes: [
      `${runs === 1 ? 'one run' : `median of ${runs} runs`} of each scenario, each in a fresh process that also has to compile the code`,
      'the reports of every run have the published SHA-256 (1,000,000 new orders), or that of the peer (100,000): checked',
      'nodejs-order-book has no durable journal, replicas, canonical state or bounds; it returns its reports as objects',
      'where the time with a core is far below 100 %, the machine was busy with something else',
    ],
  };
}

function play(kind: Kind, scenario: Scenario): Promise<Played> {
  const { player, newOrders } = PLAYS[kind];
  return playApart('challenge-play.ts', player, scenario, String(newOrders));
}

function rateOf(plays: readonly Played[], time: 'elapsedMs' | 'coreMs' = 'elapsedMs'): number {
  return median(plays.map((played) => (played.messages * 1000) / played[time]));
}
