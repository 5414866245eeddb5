import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { JournalReader } from '../../journal/reader.ts';
import { BIN_MS, type Gap, type TimelineEvent } from './ack-timeline.ts';
import type { Refusals } from './drill-load.ts';
import type { DrillRound, TakeOver } from './drill-round.ts';
import type { Intruder, Intrusion } from './intruder.ts';
import { isStill, type JournalCheck, type JournalChecker, longestOf } from './journal-check.ts';
import { type Outcome, type Spread, spreadOf } from './outcome.ts';
import { pngOf } from './png.ts';
import type { Scenario } from './scenario.ts';
import { type TimelineData, timelinePicture } from './timeline-picture.ts';

const FINDINGS_MAX = 20;

export interface JournalReport {
  readonly directory: string;
  readonly sequence: number;
  /** Of the drill's replay, the audit's, and what the processes said. */
  readonly stateHash: string;
  /** State hashes that processes reported and that a replay was compared with. */
  readonly statesCompared: number;
  readonly snapshotsCompared: number;
}

/** What came of the attempts to act for others, and how many of the refusals logs tell of. */
interface IntrusionReport extends Intrusion {
  readonly loggedByVenue: number;
  readonly loggedByNats: number;
}

interface RoundReport {
  readonly acknowledged: number;
  readonly gap: Gap;
  readonly takeOvers: readonly TakeOver[];
  readonly events: readonly TimelineEvent[];
  readonly figures: Readonly<Record<string, number>>;
}

/** What came of the rounds of a scenario. Grows as they are played. */
export class ScenarioReport {
  readonly scenario: Scenario;
  readonly folder: string;
  readonly rounds: RoundReport[] = [];
  readonly journals: JournalReport[] = [];
  /** Differences between what was told and what is there, in words. */
  readonly findings: string[] = [];
  readonly pictures: string[] = [];
  outcome: Outcome = 'held';
  why: string | undefined;
  refusals: Refusals = { refused: 0, unanswered: 0 };
  /** Of the round with the longest time without acknowledgements; of the last one if something went wrong in it. */
  timeline: TimelineData | undefined;
  /** Where identities were bound. */
  intrusion: IntrusionReport | undefined;
  #check: JournalCheck = NOTHING;

  constructor(scenario: Scenario, folder: string) {
    this.scenario = scenario;
    this.folder = folder;
  }

  get check(): JournalCheck {
    return this.#check;
  }

  couldNotRun(why: string): void {
    this.outcome = 'could not run';
    this.why = why;
  }

  /** Somebody wanted it to end. What was checked until then held. */
  interrupted(): void {
    if (this.outcome === 'held') this.outcome = 'interrupted';
  }

  broken(why: string): void {
    this.outcome = 'broken';
    this.why ??= why;
  }

  /** A difference; with it the promise is broken. */
  find(text: string): void {
    this.broken(text);
    if (this.findings.length < FINDINGS_MAX && !this.findings.includes(text)) this.findings.push(text);
  }

  takeRound({ timeline, takeOvers, figures }: DrillRound): void {
    const gap = timeline.longestGap;
    const longestBefore = Math.max(-1, ...this.rounds.map((round) => lengthOf(round.gap)));
    this.rounds.push({ acknowledged: timeline.count, gap, takeOvers, events: timeline.events, figures });
    if (lengthOf(gap) > longestBefore) {
      const title = `${this.scenario.name}, round ${this.rounds.length}`;
      this.timeline = { title, binMs: BIN_MS, acks: [...timeline.bins()], events: timeline.events, gap };
    }
  }

  /**
   * What the checks of all journals say. The longest one has to have everything; another one may lag behind, but all that it
   * has must be in the longest one, or else it is of another chain and only that is told of it.
   */
  takeChecks(checkers: readonly JournalChecker[]): void {
    const longest = longestOf(checkers);
    const checks: JournalCheck[] = [];
    for (const checker of checkers) {
      const check = checker.check();
      if (checker.last !== undefined && !isStill(JournalReader.open(longest.directory), checker.last)) {
        this.find(
          `contradicted: ${checker.directory} has a block ${checker.last.block} that ${longest.directory} has not`,
        );
        checks.push({ ...NOTHING, contradicted: 1 });
        continue;
      }
      const lags = checker.sequence < longest.sequence;
      checks.push(lags ? { ...check, lost: 0 } : check);
      for (const text of checker.findings) if (!lags || !text.startsWith('lost')) this.find(text);
    }
    const most = (field: keyof JournalCheck): number => Math.max(0, ...checks.map((check) => check[field]));
    this.#check = {
      acknowledged: most('acknowledged'),
      handled: most('handled'),
      passedOver: most('passedOver'),
      lost: most('lost'),
      duplicated: most('duplicated'),
      reordered: most('reordered'),
      contradicted: most('contradicted'),
    };
    const { lost, duplicated, reordered, contradicted } = this.#check;
    if (lost + duplicated + reordered + contradicted > 0) this.broken('what clients were told is not what is there');
  }

  takeJournal(journal: JournalReport): void {
    this.journals.push(journal);
  }

  /** Whoever is refused is told of in a log. `logged` is what the logs tell. */
  takeIntrusion(intruder: Intruder, logged: { readonly venue: number; readonly nats: number }): void {
    const { intrusion } = intruder;
    this.intrusion = { ...intrusion, loggedByVenue: logged.venue, loggedByNats: logged.nats };
    for (const finding of intruder.findings) this.find(finding);
    const missing = (where: string, refused: number, told: number): void => {
      if (told < refused) this.find(`${where} refused an intruder ${refused} times, and logged ${told} of them`);
    };
    missing('the venue', intrusion.refusedByVenue, logged.venue);
    missing('NATS', intrusion.refusedByNats, logged.nats);
  }

  /** The longest time without acknowledgements, in ms. */
  get longestGapMs(): number {
    return Math.round(Math.max(0, ...this.rounds.map((round) => lengthOf(round.gap))));
  }

  /** From the failure to the first acknowledgement by the new primary; undefined if there was no take-over. */
  get takeOverMs(): Spread | undefined {
    return spreadOf(this.#takeOvers.map((one) => one.acknowledgedMs));
  }

  /** Figures that the scenario gives, the largest of all rounds. */
  get figures(): Record<string, number> {
    const figures: Record<string, number> = {};
    for (const round of this.rounds)
      for (const [name, value] of Object.entries(round.figures)) figures[name] = Math.max(figures[name] ?? 0, value);
    return figures;
  }

  get #takeOvers(): TakeOver[] {
    return this.rounds.flatMap((round) => round.takeOvers);
  }

  /** For programs. */
  json(): object {
    const { name, what, promise, placement, processes } = this.scenario;
    const detected = this.#takeOvers.flatMap(({ detectedMs }) => (detectedMs === undefined ? [] : [detectedMs]));
    return {
      scenario: name,
      what,
      promise,
      placement,
      processes,
      outcome: this.outcome,
      why: this.why ?? null,
      rounds: this.rounds.length,
      ...this.#check,
      ...this.refusals,
      takeOverMs: this.takeOverMs ?? null,
      detectedMs: spreadOf(detected) ?? null,
      readyMs: spreadOf(this.#takeOvers.map((one) => one.readyMs)) ?? null,
      longestGapMs: this.longestGapMs,
      figures: this.figures,
      intrusion: this.intrusion ?? null,
      journals: this.journals,
      findings: this.findings,
      folder: this.folder,
      pictures: this.pictures,
      eachRound: this.rounds,
      timeline: this.timeline ?? null,
    };
  }
}

const NOTHING: JournalCheck = {
  acknowledged: 0,
  handled: 0,
  passedOver: 0,
  lost: 0,
  duplicated: 0,
  reordered: 0,
  contradicted: 0,
};

/** Writes the timeline of a scenario as pictures and as numbers, beside its logs. */
export async function pictureOf(report: ScenarioReport): Promise<void> {
  if (report.timeline === undefined) return;
  const picture = timelinePicture(report.timeline);
  for (const [ending, content] of [
    ['svg', picture.svg()],
    ['png', pngOf(picture.pixels())],
    ['json', `${JSON.stringify(report.timeline)}\n`],
  ] as const) {
    const path = join(report.folder, `timeline.${ending}`);
    writeFileSync(path, content);
    report.pictures.push(path);
  }
}

function lengthOf({ fromMs, toMs }: Gap): number {
  return toMs - fromMs;
}
