import { setTimeout as pause } from 'node:timers/promises';
import { ExitCode } from '../exit-codes.ts';
import type { Random } from '../simulate/random.ts';
import type { AckTimeline } from './ack-timeline.ts';
import { type DrillCluster, type Member, type Opening, waitUntil } from './drill-cluster.ts';
import type { DrillLoad } from './drill-load.ts';
import type { Intruder } from './intruder.ts';
import type { Ending } from './veritape-process.ts';

const FENCED = /(another writer took the journal over|fenced: .* leads) with epoch \d+/;
const END_MS_MAX = 30_000;
/** Commands of each client that must be acknowledged before the service counts as running. */
const RUNNING_COMMANDS = 50;

/** A take-over as it was seen from outside. Milliseconds since the failure. */
export interface TakeOver {
  /** When a standby said that it takes over; undefined if it did not, as one that is started by hand. */
  readonly detectedMs: number | undefined;
  /** When it said that it serves. */
  readonly readyMs: number;
  /** When a client first had an answer of the new primary; one that asks every few milliseconds takes the time. */
  readonly acknowledgedMs: number;
}

/** What a scenario has at hand in one round: the venue, its clients, and what it takes to tell the time of it all. */
export class DrillRound {
  readonly cluster: DrillCluster;
  readonly load: DrillLoad;
  readonly timeline: AckTimeline;
  readonly chance: Random;
  /** What {@link Scenario.prepare} made. */
  readonly means: unknown;
  /** Who tries to act for others, if clients have identities. */
  readonly intruder: Intruder | undefined;
  /** How long service may stay away before that breaks the promise. */
  readonly patienceMs: number;
  readonly takeOvers: TakeOver[] = [];
  /** Figures of its own that a scenario gives. */
  readonly figures: Record<string, number> = {};
  #openingsBefore = 0;
  #injectedAt = 0;

  constructor(
    parts: Pick<DrillRound, 'cluster' | 'load' | 'timeline' | 'chance' | 'means' | 'intruder' | 'patienceMs'>,
  ) {
    this.cluster = parts.cluster;
    this.load = parts.load;
    this.timeline = parts.timeline;
    this.chance = parts.chance;
    this.means = parts.means;
    this.intruder = parts.intruder;
    this.patienceMs = parts.patienceMs;
  }

  /** Does the damage. The time of a take-over counts from here. */
  async inject<T>(text: string, act: () => T | Promise<T>): Promise<T> {
    this.#openingsBefore = this.cluster.openings.length;
    this.#injectedAt = performance.now();
    this.timeline.mark('fault', text);
    this.intruder?.tryAtFault();
    return act();
  }

  note(text: string): void {
    this.timeline.mark('note', text);
  }

  /**
   * Lets the venue be at work for some time, of which chance decides. Before the failure it is then at full strength: on a busy
   * machine a standby may have taken over without need meanwhile, and the process that it fenced has ended.
   */
  async atWork(msMin: number, msMax: number): Promise<void> {
    await pause(this.chance.between(msMin, msMax));
    if (this.#injectedAt === 0) await this.cluster.full();
  }

  pause(ms: number): Promise<void> {
    return pause(ms);
  }

  /** Resolves when a process that began to serve after the failure has acknowledged something. Its time is reported. */
  async takenOver(): Promise<Opening> {
    const { opening, acknowledgedAt } = await this.#servedAnew();
    this.takeOvers.push({
      detectedMs: opening.takingOverAt === undefined ? undefined : opening.takingOverAt - this.#injectedAt,
      readyMs: opening.readyAt - this.#injectedAt,
      acknowledgedMs: acknowledgedAt - this.#injectedAt,
    });
    return opening;
  }

  /** Like {@link takenOver}, after something that was no failure, so that the time means nothing. */
  async handedOver(): Promise<Opening> {
    return (await this.#servedAnew()).opening;
  }

  /** Resolves when a standby has taken the place of a process. */
  async replaced(member: Member, opening = this.takenOver()): Promise<void> {
    if ((await opening).member === member.name)
      throw new Error(`${member.name} serves again, and no standby took over`);
  }

  /** Resolves when a primary that was passed has said so and ended; or the one who waited for its lock has ended it. */
  async fenced(member: Member): Promise<void> {
    const { code, signal, said } = await this.ended(member);
    if (signal === 'SIGKILL' || (code === ExitCode.environment && FENCED.test(said))) return;
    throw new Error(`${member.name} was passed and ended with ${JSON.stringify({ code, signal, said: said.trim() })}`);
  }

  async #servedAnew(): Promise<{ opening: Opening; acknowledgedAt: number }> {
    const waitMsMax = this.patienceMs;
    const since = (): Opening | undefined => this.cluster.openings[this.#openingsBefore];
    await waitUntil(
      () => since() !== undefined && this.#acknowledgedBy(since()) !== undefined,
      waitMsMax,
      () =>
        since() === undefined
          ? `nobody took over in ${waitMsMax} ms`
          : `${since()?.member} took over, and acknowledged nothing in ${waitMsMax} ms`,
    );
    const opening = since() as Opening;
    const acknowledgedAt = this.#acknowledgedBy(opening) ?? 0;
    this.timeline.markAt(acknowledgedAt, 'recovery', `first acknowledgement of ${opening.member}`);
    return { opening, acknowledgedAt };
  }

  /** Resolves when every client is answered again. */
  async resumed(waitMsMax = this.patienceMs): Promise<void> {
    await this.load.acknowledgedMore(RUNNING_COMMANDS, waitMsMax);
  }

  /** Resolves when a process has ended by itself, with how it did. */
  ended(member: Member): Promise<Ending> {
    return member.process.end(undefined, END_MS_MAX);
  }

  /** Resolves when a process has ended by itself with this exit code; rejects if it ends otherwise, or does not. */
  async endsWith(member: Member, code: number, said: RegExp): Promise<void> {
    const ending = await this.ended(member);
    if (ending.code === code && said.test(ending.said)) return;
    const how = JSON.stringify({ code: ending.code, signal: ending.signal, said: ending.said.trim() });
    throw new Error(`${member.name} ended with ${how}, and not with code ${code} and ${said}`);
  }

  /**
   * Counts take-overs since a number of them that nobody needed. They break no promise, as on a machine that is so busy that
   * the lease of a living primary lapses; elsewhere there are none.
   */
  countNeedless(since: number): void {
    const needless = this.cluster.openings.length - since;
    if (needless > 0) this.figures['needlessTakeOvers'] = (this.figures['needlessTakeOvers'] ?? 0) + needless;
  }

  #acknowledgedBy(opening: Opening | undefined): number | undefined {
    return opening === undefined ? undefined : this.timeline.firstOfEpoch(opening.epoch, this.#injectedAt);
  }
}
