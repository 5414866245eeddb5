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
/** The peer's time for all of "static" is many minutes: there both play a shorter flow, of which compiling is a good part. */
const SHORT_NEW_ORDERS = 100_000;
const RUNS = 5;
const PEER_RUNS = 3;

const TITLES = {
  ring: 'every event into a ring drained by another thread',
  matcher: 'matcher alone',
  short: 'matcher alone, 100,000 new orders',
  peer: 'nodejs-order-book',
} as const;
type Kind = keyof typeof TITLES;

export async function run({ quick }: BenchmarkOptions): Promise<Measured> {
  const runs = quick ? 1 : RUNS;
  const plays = new Map<string, Played[]>();
  const of = (kind: Kind, scenario: Scenario): Played[] => plays.get(`${kind} ${scenario}`) ?? [];
  // All take turns, so that a noisy minute does not fall on one of them.
  for (let index = 0; index < runs; index++) {
    for (const scenario of SCENARIO_NAMES) {
      for (const kind of kindsOf(scenario)) {
        if (kind === 'peer' && index >= PEER_RUNS) continue;
        plays.set(`${kind} ${scenario}`, [...of(kind, scenario), await play(kind, scenario)]);
      }
    }
  }
  for (const scenario of SCENARIO_NAMES) {
    for (const kind of kindsOf(scenario)) {
      for (const { sha256, drained } of of(kind, scenario)) {
        const expected =
          newOrdersOf(kind, scenario) === SHORT_NEW_ORDERS
            ? of('short', scenario)[0]?.sha256
            : REPORTS_SHA256[scenario];
        check(sha256 === expected, `${scenario}, ${TITLES[kind]}: other reports than expected`);
        check(drained, `${scenario}: the other thread did not get the events`);
      }
    }
  }
  const rates = (kind: Kind): number[] => SCENARIO_NAMES.map((scenario) => rateOf(of(kind, scenario)));
  const factors = (time: 'elapsedMs' | 'coreMs'): number[] =>
    SCENARIO_NAMES.map((scenario) => {
      const ours = of(scenario === 'static' ? 'short' : 'matcher', scenario);
      return rateOf(ours, time) / rateOf(of('peer', scenario), time);
    });
  const figuresOf = (kind: Kind): Figure[] => {
    const scenarios = SCENARIO_NAMES.filter((scenario) => kindsOf(scenario).includes(kind));
    const shares = scenarios.flatMap((scenario) => of(kind, scenario)).map((one) => one.coreMs / one.elapsedMs);
    const each = scenarios.map((scenario) => ({
      name: `${TITLES[kind]}: ${scenario}`,
      value: rateOf(of(kind, scenario)),
      unit: 'messages/s',
    }));
    const worst = {
      name: `${TITLES[kind]}: worst scenario`,
      value: Math.min(...each.map(({ value }) => value)),
      unit: 'messages/s',
    };
    const share = { name: `${TITLES[kind]}: time with a core, worst run`, value: Math.min(...shares) * 100, unit: '%' };
    return [...(each.length > 1 ? [worst] : []), ...each, share];
  };
  return {
    figures: [...figuresOf('ring'), ...figuresOf('matcher'), ...figuresOf('short'), ...figuresOf('peer')],
    ratios: [
      {
        name: 'matcher alone / nodejs-order-book: scenario with the smallest factor',
        value: Math.min(...factors('elapsedMs')),
      },
      { name: 'the same, counting only time with a core', value: Math.min(...factors('coreMs')) },
      {
        name: 'matcher alone / nodejs-order-book: worst scenario of each',
        value: Math.min(...rates('matcher')) / Math.min(...rates('peer')),
      },
    ],
    notes: [
      `${runs === 1 ? 'one run' : `median of ${RUNS} runs, of nodejs-order-book ${PEER_RUNS}`}, each in a fresh process that also has to compile the code`,
      'every run comes to the published reports of 1,000,000 new orders, or to the same ones as the other (100,000): checked',
      'nodejs-order-book plays 100,000 new orders of "static", of the others 1,000,000',
      'nodejs-order-book has no durable journal, replicas, canonical state or bounds; it returns its reports as objects',
      'where the time with a core is far below 100 %, the machine was busy with something else',
    ],
  };
}

function kindsOf(scenario: Scenario): Kind[] {
  return scenario === 'static' ? ['ring', 'matcher', 'short', 'peer'] : ['ring', 'matcher', 'peer'];
}

function newOrdersOf(kind: Kind, scenario: Scenario): number {
  return kind === 'short' || (kind === 'peer' && scenario === 'static') ? SHORT_NEW_ORDERS : NEW_ORDERS_DEFAULT;
}

function play(kind: Kind, scenario: Scenario): Promise<Played> {
  const player = kind === 'short' ? 'matcher' : kind;
  return playApart('challenge-play.ts', player, scenario, String(newOrdersOf(kind, scenario)));
}

function rateOf(plays: readonly Played[], time: 'elapsedMs' | 'coreMs' = 'elapsedMs'): number {
  return median(plays.map((played) => (played.messages * 1000) / played[time]));
}
