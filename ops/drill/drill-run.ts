import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Interruption } from '../cli/interruption.ts';
import { EnvironmentFault, ExitCode } from '../exit-codes.ts';
import { JournalAudit } from '../journal-audit.ts';
import { Random } from '../simulate/random.ts';
import { AckTimeline } from './ack-timeline.ts';
import { DrillCluster, memberNames } from './drill-cluster.ts';
import { DrillIdentities, INTRUDER } from './drill-identities.ts';
import { DrillLoad, loadAccounts } from './drill-load.ts';
import { DrillRound } from './drill-round.ts';
import { Intruder } from './intruder.ts';
import { JournalChecker, longestOf } from './journal-check.ts';
import { type JournalReport, pictureOf, ScenarioReport } from './report.ts';
import type { Preparation, Scenario } from './scenario.ts';

export interface DrillOptions {
  /** Of all scenarios; each has a folder of its own in it. */
  readonly folder: string;
  readonly rounds: number;
  /** Of all that is left to chance. */
  readonly seed: number;
  readonly clients: number;
  readonly commandsPerSecond: number;
  readonly leaseMs: number;
  /** In every scenario, clients also send what makes an instrument ruled. */
  readonly isRuled?: boolean | undefined;
  /** Identities are bound to accounts, and an intruder tries to act for those of others. */
  readonly isBound?: boolean | undefined;
  /** How long service may stay away before that breaks the promise. */
  readonly patienceMs: number;
  /** Journals stay also if nothing was wrong. */
  readonly keep: boolean;
  readonly interruption: Interruption;
  readonly onProgress: (text: string) => void;
}

/** Commands of each client that are acknowledged before anything is done to the venue. */
const COMMANDS_BEFORE = 200;
const BEFORE_MS_MAX = 30_000;
/** How long the load goes on once service is back, so that a picture shows it. */
const AFTERWARDS_MS = 300;
const SAME_END_MS_MAX = 30_000;
const LOOK_MS = 20;

/** Runs a scenario on a venue of its own, and says what came of it. */
export async function runScenario(scenario: Scenario, options: DrillOptions): Promise<ScenarioReport> {
  const folder = join(options.folder, scenario.name);
  mkdirSync(folder, { recursive: true });
  const report = new ScenarioReport(scenario, folder);
  const preparation: Preparation = (await scenario.prepare?.(folder)) ?? {};
  try {
    if (preparation.lacking !== undefined) report.couldNotRun(preparation.lacking);
    else await new Drill(scenario, options, preparation, folder, report).run();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    // Its processes hear of Ctrl-C as it does: what they say of that is no finding.
    if (options.interruption.requested) report.interrupted();
    else if (error instanceof EnvironmentFault) report.couldNotRun(why);
    else report.broken(why);
  } finally {
    preparation.undo?.();
  }
  if (report.outcome === 'held' && !options.keep) rmSync(join(folder, 'venue'), { recursive: true, force: true });
  await pictureOf(report);
  return report;
}

class Drill {
  readonly #scenario: Scenario;
  readonly #options: DrillOptions;
  readonly #preparation: Preparation;
  readonly #folder: string;
  readonly #report: ScenarioReport;
  /** Rejects when somebody wants the drill to end. */
  readonly #stopped: Promise<never>;
  #timeline = new AckTimeline();
  #checkers: JournalChecker[] = [];
  #load: DrillLoad | undefined;
  #intruder: Intruder | undefined;

  constructor(
    scenario: Scenario,
    options: DrillOptions,
    preparation: Preparation,
    folder: string,
    report: ScenarioReport,
  ) {
    this.#scenario = scenario;
    this.#options = options;
    this.#preparation = preparation;
    this.#folder = folder;
    this.#report = report;
    const { signal } = options.interruption;
    this.#stopped = new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(new Error('interrupted')), { once: true });
    });
    this.#stopped.catch(() => undefined);
  }

  async run(): Promise<void> {
    const { placement, processes, serve = [] } = this.#scenario;
    const { serve: more = [], processOptions } = this.#preparation;
    const { clients, commandsPerSecond, leaseMs, interruption, onProgress } = this.#options;
    onProgress('starts its venue');
    const isRuled = this.#scenario.isRuled === true || this.#options.isRuled === true;
    const identities = this.#options.isBound === true ? this.#identities(loadAccounts(clients, isRuled)) : undefined;
    const cluster = await DrillCluster.start({
      folder: this.#preparation.folder ?? join(this.#folder, 'venue'),
      logFolder: this.#folder,
      placement,
      processes,
      leaseMs,
      serve: [...serve, ...more],
      processOptions,
      identities,
      onEvent: (kind, text) => this.#timeline.mark(kind, text),
      onState: (state) => {
        for (const checker of this.#checkers) checker.report(state);
      },
    });
    try {
      const { before } = this.#preparation;
      const load = await DrillLoad.open({
        nats: cluster.clientUrl,
        spread: cluster.hostClientUrls,
        clients,
        commandsPerSecond,
        isRuled,
        told: before?.told,
        identities,
      });
      this.#load = load;
      if (identities !== undefined)
        this.#intruder = await Intruder.open(cluster.clientUrl, identities.seedFile(INTRUDER), load.told);
      // Also of clients that do not come back.
      const absent = before?.told.filter((told) => !load.told.includes(told)) ?? [];
      this.#checkers = cluster.directories.map((directory) => new JournalChecker(directory, [...load.told, ...absent]));
      if (before !== undefined) for (const checker of this.#checkers) checker.report(before.state);
      for (let round = 1; round <= this.#options.rounds && !interruption.requested; round++) {
        await this.#round(cluster, load, round);
      }
      await this.#end(cluster);
      if (this.#intruder !== undefined) this.#report.takeIntrusion(this.#intruder, cluster.refusalsLogged);
    } catch (error) {
      if (error instanceof EnvironmentFault) throw error;
      if (!interruption.requested) this.#report.broken(error instanceof Error ? error.message : String(error));
    } finally {
      await this.#intruder?.close();
      await this.#load?.close();
      await cluster.kill();
    }
    if (interruption.requested) this.#report.interrupted();
    if (this.#report.outcome === 'broken') this.#checkWhatIsThere();
    if (this.#load !== undefined) this.#report.refusals = this.#load.refusals;
  }

  /** Made anew for each drill. */
  #identities(accounts: readonly number[]): DrillIdentities {
    const { placement, processes } = this.#scenario;
    const folder = join(this.#folder, 'access');
    rmSync(folder, { recursive: true, force: true });
    return new DrillIdentities(folder, memberNames(processes), placement === 'hosts' ? 'node' : 'venue', accounts);
  }

  async #round(cluster: DrillCluster, load: DrillLoad, number: number): Promise<void> {
    const { seed, rounds, patienceMs, onProgress } = this.#options;
    // Of its name and number, so that a round makes the same choices alone as among all others.
    const chance = new Random(seed, `${this.#scenario.name} ${number}`);
    const told = (what: string): void => onProgress(rounds === 1 ? what : `round ${number} of ${rounds}: ${what}`);
    const timeline = new AckTimeline();
    this.#timeline = timeline;
    const { means } = this.#preparation;
    const intruder = this.#intruder;
    const round = new DrillRound({ cluster, load, timeline, chance, means, intruder, patienceMs });
    try {
      load.start(timeline);
      told('under load');
      await Promise.race([this.#underLoad(round), this.#stopped]);
      told('waits for the last answers');
      await Promise.race([load.stop(patienceMs), this.#stopped]);
    } finally {
      this.#report.takeRound(round);
      // What happens from here on is not of this round.
      this.#timeline = new AckTimeline();
    }
    await cluster.full();
    timeline.mark('recovery', 'all processes are at work again');
    told('checks the journals');
    await this.#check();
    load.forget();
  }

  async #underLoad(round: DrillRound): Promise<void> {
    await round.load.acknowledgedMore(COMMANDS_BEFORE, BEFORE_MS_MAX);
    await round.intruder?.tryInPeace(round.patienceMs);
    await this.#scenario.round(round);
    await round.resumed();
    round.timeline.mark('recovery', 'every client is answered again');
    await round.intruder?.tryInPeace(round.patienceMs);
    await round.pause(AFTERWARDS_MS);
  }

  /**
   * Compares what clients were told with every journal, up to the end that all of them have. Journals may end in different
   * places once the venue is closed, as nodes are closed one after the other; then the longest has everything.
   */
  async #check(mayDiffer = false): Promise<void> {
    const told = this.#load?.sequenceMax ?? 0;
    if (mayDiffer) for (const checker of this.#checkers) checker.advance();
    else await this.#readToSameEnd();
    this.#report.takeChecks(this.#checkers);
    const longest = longestOf(this.#checkers);
    if (longest.sequence < told)
      this.#report.find(`lost: ${longest.directory} ends at sequence ${longest.sequence}, clients were told ${told}`);
  }

  /** In turns, because the links between the processes are served by this one. */
  async #readToSameEnd(): Promise<void> {
    const until = performance.now() + SAME_END_MS_MAX;
    for (;;) {
      for (const checker of this.#checkers) await checker.advanceInTurns(() => this.#options.interruption.turn());
      const blocks = this.#checkers.map(({ last }) => last?.block ?? 0);
      if (new Set(blocks).size === 1) return;
      if (performance.now() > until) {
        const ends = this.#checkers.map(({ directory }, index) => `${directory} ends with block ${blocks[index]}`);
        throw new Error(`the journals do not have the same end after ${SAME_END_MS_MAX} ms: ${ends.join(', ')}`);
      }
      await pause(LOOK_MS);
    }
  }

  /** Ends the venue in good order, and audits what it leaves. */
  async #end(cluster: DrillCluster): Promise<void> {
    this.#options.onProgress('ends its venue');
    const { name, ending } = await cluster.stop();
    if (ending?.code !== ExitCode.done)
      throw new Error(`${name} was told to end, and ended with code ${ending?.code}: ${ending?.said.trim()}`);
    await this.#check(true);
    this.#options.onProgress('audits the journals');
    for (const checker of this.#checkers) {
      const journal = await this.#audit(checker);
      if (journal !== undefined) this.#report.takeJournal(journal);
    }
  }

  /** Undefined if somebody wanted the drill to end: an audit that was cut short comes to the state of where it was. */
  async #audit(checker: JournalChecker): Promise<JournalReport | undefined> {
    const { interruption } = this.#options;
    const audit = new JournalAudit(checker.directory);
    await audit.run(interruption);
    const stateHash = checker.stateHash();
    for (const { text } of audit.findings) this.#report.find(`contradicted: an audit of ${checker.directory}: ${text}`);
    if (interruption.requested) return undefined;
    if (audit.stateHash !== stateHash && audit.findings.length === 0)
      this.#report.find(`contradicted: an audit comes to state hash ${audit.stateHash}, the drill to ${stateHash}`);
    const { sequence, statesCompared, directory } = checker;
    return { directory, sequence, stateHash, statesCompared, snapshotsCompared: audit.snapshotsCompared };
  }

  /** After something went wrong: what the journals hold is compared all the same. */
  #checkWhatIsThere(): void {
    try {
      for (const checker of this.#checkers) checker.advance();
      if (this.#checkers.length > 0) this.#report.takeChecks(this.#checkers);
    } catch (error) {
      this.#report.find(error instanceof Error ? error.message : String(error));
    }
  }
}
