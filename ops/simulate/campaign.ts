import { Cluster } from './cluster.ts';
import type { DecisionId, FaultKind } from './faults.ts';
import type { Violation } from './invariants.ts';
import { MUTANTS, mutantParts } from './mutants.ts';
import { PROFILE_NAMES, PROFILES, type ProfileName } from './profiles.ts';
import { shrink } from './shrink.ts';
import { SingleHost } from './single-host.ts';
import type { Profile, RunOptions, RunResult } from './world.ts';

export interface CampaignOptions {
  /** Of the first run; each run after it has the next one. */
  readonly seed: number;
  readonly runs: number;
  /** Runs begin until this much time has passed. */
  readonly millisecondsMax: number;
  /** All of them in turn unless given. */
  readonly profile?: ProfileName | undefined;
  readonly mutant?: string | undefined;
  readonly only?: ReadonlySet<DecisionId> | undefined;
  readonly onTell?: RunOptions['onTell'];
  /** Time to look for a smaller failure; 0 for none. */
  readonly shrinkMillisecondsMax: number;
}

export interface Failure {
  readonly seed: number;
  readonly profile: ProfileName;
  readonly violation: Violation;
  /** What was done before it was found. */
  readonly decisions: number;
  /** What of it is enough, if that was looked for. */
  readonly needed: readonly DecisionId[] | undefined;
  readonly attempts: number;
  /** Runs this failure again. */
  readonly replay: string;
}

export interface CampaignResult {
  readonly seed: number;
  readonly runs: number;
  readonly simulatedSeconds: number;
  readonly elapsedSeconds: number;
  readonly simulatedHoursPerHour: number;
  readonly faults: number;
  readonly faultsByKind: Readonly<Partial<Record<FaultKind, number>>>;
  readonly events: number;
  readonly messages: number;
  readonly acknowledged: number;
  readonly repeats: number;
  readonly eventsLetOut: number;
  readonly blocks: number;
  readonly epochs: number;
  /** Ticks that brought the time because nothing else did. */
  readonly ticks: number;
  readonly hashesCompared: number;
  /** Of everything that happened in all runs: the same again for the same seed and release. */
  readonly hash: number;
  readonly failure: Failure | undefined;
}

/** Needed decisions are named in a command up to so many; more make no readable command. */
const NAMED_MAX = 24;

/** Runs simulations until one fails, or there were enough. `turn` is awaited between runs and says whether to go on. */
export async function runCampaign(
  options: CampaignOptions,
  turn: (runs: number, faults: number) => Promise<boolean>,
): Promise<CampaignResult> {
  const started = performance.now();
  const kinds = new Map<FaultKind, number>();
  const sum = {
    simulated: 0,
    faults: 0,
    events: 0,
    messages: 0,
    acknowledged: 0,
    repeats: 0,
    out: 0,
    blocks: 0,
    epochs: 0,
    ticks: 0,
    hashes: 0,
  };
  let hash = 0x811c_9dc5;
  let runs = 0;
  let failure: Failure | undefined;
  while (runs < options.runs && performance.now() - started < options.millisecondsMax && failure === undefined) {
    const seed = options.seed + runs;
    const profile = options.profile ?? (PROFILE_NAMES[seed % PROFILE_NAMES.length] as ProfileName);
    const result = simulate(seed, profile, options.mutant, options.only, options.onTell);
    runs++;
    for (const [kind, count] of result.faults) {
      kinds.set(kind, (kinds.get(kind) ?? 0) + count);
      sum.faults += count;
    }
    sum.simulated += result.simulatedMicros / 1e6;
    sum.events += result.events;
    sum.messages += result.messages;
    sum.acknowledged += result.counts.acknowledged;
    sum.repeats += result.counts.repeats;
    sum.out += result.counts.events;
    sum.blocks += result.counts.blocks;
    sum.epochs += result.counts.epochs;
    sum.ticks += result.counts.ticks;
    sum.hashes += result.counts.hashes;
    hash = Math.imul(hash ^ result.hash, 0x0100_0193);
    if (result.violation !== undefined) failure = explain(options, profile, result, result.violation);
    if (!(await turn(runs, sum.faults))) break;
  }
  const elapsed = (performance.now() - started) / 1000;
  return {
    seed: options.seed,
    runs,
    simulatedSeconds: Math.round(sum.simulated),
    elapsedSeconds: Math.round(elapsed * 10) / 10,
    simulatedHoursPerHour: Math.round((sum.simulated / elapsed) * 100) / 100,
    faults: sum.faults,
    faultsByKind: Object.fromEntries([...kinds].sort((a, b) => b[1] - a[1])),
    events: sum.events,
    messages: sum.messages,
    acknowledged: sum.acknowledged,
    repeats: sum.repeats,
    eventsLetOut: sum.out,
    blocks: sum.blocks,
    epochs: sum.epochs,
    ticks: sum.ticks,
    hashesCompared: sum.hashes,
    hash: hash >>> 0,
    failure,
  };
}

export function simulate(
  seed: number,
  profile: ProfileName,
  mutant?: string,
  only?: ReadonlySet<DecisionId>,
  onTell?: RunOptions['onTell'],
): RunResult {
  const planted = mutant === undefined ? undefined : MUTANTS[mutant];
  const parts = planted === undefined ? undefined : mutantParts(planted);
  const options = { seed, profile: PROFILES[profile] as Profile, only, parts, onTell };
  return (options.profile.hosts === undefined ? new SingleHost(options) : new Cluster(options)).run();
}

/** How a mutant was found. */
export interface MutantFound {
  readonly mutant: string;
  readonly summary: string;
  readonly profile: ProfileName;
  readonly seedsMax: number;
  /** The first seed that found it; undefined if none of them did. */
  readonly seed: number | undefined;
  readonly invariant: string | undefined;
  readonly text: string | undefined;
}

/** Looks for a mutant in as many seeds as are said to be enough, from `first` on, which may be one that is known to find it. */
export function findMutant(name: string, first = 1): MutantFound {
  const mutant = MUTANTS[name];
  if (mutant === undefined) throw new RangeError(`mutant: ${name} is not known`);
  const { summary, profile, seedsMax } = mutant;
  for (let seed = first; seed < first + seedsMax; seed++) {
    const { violation } = simulate(seed, profile, name);
    if (violation !== undefined)
      return { mutant: name, summary, profile, seedsMax, seed, invariant: violation.invariant, text: violation.text };
  }
  return { mutant: name, summary, profile, seedsMax, seed: undefined, invariant: undefined, text: undefined };
}

function explain(options: CampaignOptions, profile: ProfileName, result: RunResult, violation: Violation): Failure {
  const { seed, done } = result;
  const until = performance.now() + options.shrinkMillisecondsMax;
  const { needed, attempts } = shrink(
    done,
    (only) => simulate(seed, profile, options.mutant, only).violation?.invariant === violation.invariant,
    () => performance.now() > until,
  );
  const shrunk = options.shrinkMillisecondsMax > 0;
  const words = ['veritape simulate', `--seed ${seed}`, '--runs 1', `--profile ${profile}`];
  if (options.mutant !== undefined) words.push(`--mutant ${options.mutant}`);
  if (shrunk && needed.length <= NAMED_MAX) words.push(`--only '${needed.join(' ')}'`);
  else if (options.only !== undefined) words.push(`--only '${[...options.only].join(' ')}'`);
  return {
    seed,
    profile,
    violation,
    decisions: done.length,
    needed: shrunk ? needed : undefined,
    attempts,
    replay: words.join(' '),
  };
}
