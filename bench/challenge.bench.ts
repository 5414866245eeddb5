import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type BenchmarkOptions, check, type Figure, type Measured, median } from './benchmark.ts';
import type { Played } from './challenge-play.ts';
import { NEW_ORDERS_DEFAULT, SCENARIO_NAMES, type Scenario } from './challenge-workload.ts';

export const description = 'the public matching-engine challenge, five scenarios, beside nodejs-order-book';

/** SHA-256 of the published report streams: seed 23, 1,000,000 new orders. */
export const REPORTS_SHA256: Readonly<Record<Scenario, string>> = {
  static: '9803843ee404fc29c9a0aa5614f8f0d5a58b5c44fcac9ef89067886fcaaa30d1',
  normal: 'e9b2e3926854410b01a035aeb25dd05f1e597c233be8263de9eb49b6713d367e',
  'swing-25': '61a84be9469661bd039e00dbc9a7c011e70b6ace37aadfe60045ea083b05f4df',
  'swing-40': '3cb0175e7982ff09ea220d1feaee3844cf9116a5ce455757879dea1d880b9b9f',
  'flash-crash': 'cff8d3f94b709fc64a8b2058a6ca4fb6920364904796e46906895e362d2bb16b',
};
const PROGRAM = fileURLToPath(new URL('./challenge-play.ts', import.meta.url));
/** The peer's time for the whole of "static" is minutes; beside it, the matcher plays the same shorter flow. */
const PEER_NEW_ORDERS = 100_000;

export async function run({ quick }: BenchmarkOptions): Promise<Measured> {
  const runs = quick ? 1 : 5;
  const figures: Figure[] = [];
  const full = {
    ring: await playAll('ring', NEW_ORDERS_DEFAULT, runs),
    matcher: await playAll('matcher', NEW_ORDERS_DEFAULT, runs),
  };
  const short = {
    matcher: await playAll('matcher', PEER_NEW_ORDERS, runs),
    peer: await playAll('peer', PEER_NEW_ORDERS, runs),
  };
  for (const scenario of SCENARIO_NAMES) {
    for (const played of [...full.ring[scenario], ...full.matcher[scenario]]) {
      check(played.sha256 === REPORTS_SHA256[scenario], `${scenario}: the reports are not the published ones`);
      check(played.drained, `${scenario}: the other thread did not get the events`);
    }
    const [ours] = short.matcher[scenario];
    for (const played of [...short.matcher[scenario], ...short.peer[scenario]])
      check(played.sha256 === ours?.sha256, `${scenario}: nodejs-order-book comes to other reports`);
  }
  const worst = (plays: Plays): number => Math.min(...SCENARIO_NAMES.map((scenario) => rateOf(plays[scenario])));
  const add = (name: string, plays: Plays): void => {
    figures.push({ name: `${name}, worst scenario`, value: worst(plays), unit: 'messages/s' });
    for (const scenario of SCENARIO_NAMES)
      figures.push({ name: `${name}, ${scenario}`, value: rateOf(plays[scenario]), unit: 'messages/s' });
  };
  add('every event into a ring drained by another thread', full.ring);
  add('matcher alone', full.matcher);
  add('matcher alone, 100,000 new orders', short.matcher);
  add('nodejs-order-book, 100,000 new orders', short.peer);
  const against = SCENARIO_NAMES.map((scenario) => rateOf(short.matcher[scenario]) / rateOf(short.peer[scenario]));
  return {
    figures,
    ratios: [
      { name: 'matcher alone / nodejs-order-book, closest scenario', value: Math.min(...against) },
      { name: 'matcher alone / nodejs-order-book, worst of each', value: worst(short.matcher) / worst(short.peer) },
    ],
    notes: [
      `${runs === 1 ? 'one run' : `median of ${runs} runs`} of each scenario, each in a fresh process that also compiles the code`,
      "the reports of every run have the published SHA-256 (1,000,000 new orders), or are the same as the peer's (100,000)",
      'nodejs-order-book has no sequence numbers, journal, replicas, canonical state or bounds; it returns its reports as objects',
    ],
  };
}

type Plays = Record<Scenario, readonly Played[]>;

async function playAll(player: string, newOrders: number, runs: number): Promise<Plays> {
  const plays: Record<Scenario, Played[]> = {
    static: [],
    normal: [],
    'swing-25': [],
    'swing-40': [],
    'flash-crash': [],
  };
  for (let index = 0; index < runs; index++) {
    for (const scenario of SCENARIO_NAMES) {
      const args = [PROGRAM, player, scenario, String(newOrders)];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      plays[scenario].push(JSON.parse(stdout) as Played);
    }
  }
  return plays;
}

function rateOf(plays: readonly Played[]): number {
  return median(plays.map(({ messages, elapsedMs }) => (messages * 1000) / elapsedMs));
}
