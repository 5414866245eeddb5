import type { Gap, TimelineEvent, TimelineEventKind } from '../drill/ack-timeline.ts';
import type { Outcome, Spread } from '../drill/outcome.ts';

/** What the page shows of a `report.json` that `veritape drill` wrote: docs/drills.md. */
export interface DrillReport {
  readonly seed: number;
  readonly drills: readonly ReportedDrill[];
}

/** A scenario and what came of its rounds, without the rounds. */
export interface DrillSummary {
  readonly name: string;
  readonly what: string;
  readonly promise: string;
  readonly outcome: Outcome;
  readonly why: string | undefined;
  readonly rounds: number;
  readonly acknowledged: number;
  /** Lost, duplicated, reordered or contradicted. */
  readonly wrong: number;
  /** From the failure to the first acknowledgement by the new primary, in ms; undefined if there was no take-over. */
  readonly takeOverMs: Spread | undefined;
  readonly longestGapMs: number;
}

export interface ReportedRound {
  readonly acknowledged: number;
  /** The longest time without an acknowledgement. */
  readonly gap: Gap;
  readonly events: readonly TimelineEvent[];
}

export interface ReportedDrill extends DrillSummary {
  /** The first ones, if there are very many. */
  readonly eachRound: readonly ReportedRound[];
  /** Acknowledged commands of one of them over time. */
  readonly load: ReportedLoad | undefined;
}

export interface ReportedLoad {
  /** From 1. */
  readonly round: number;
  readonly binMs: number;
  /** In each bin, from the begin of the round. */
  readonly acks: readonly number[];
}

const OUTCOMES: readonly Outcome[] = ['held', 'broken', 'could not run', 'interrupted'];
const KINDS: readonly TimelineEventKind[] = ['fault', 'recovery', 'note'];
const DRILLS_MAX = 100;
const ROUNDS_MAX = 100_000;
const ROUNDS_SHOWN = 100;
const EVENTS_MAX = 10_000;
const EVENTS_SHOWN = 32;
const BINS_MAX = 1_000_000;
const BINS_SHOWN = 400;
const TEXT_MAX = 400;

/** Throws a RangeError that names the place in the report and the rule that it breaks. */
export function drillReportOf(json: unknown): DrillReport {
  const report = Part.of(json, 'the report');
  return { seed: report.number('seed'), drills: report.list('scenarios', DRILLS_MAX).map(drillOf) };
}

/** The drill without its rounds. */
export function summaryOf({ eachRound: _, load: __, ...summary }: ReportedDrill): DrillSummary {
  return summary;
}

function drillOf(drill: Part): ReportedDrill {
  const name = drill.text('scenario');
  const eachRound = drill.list('eachRound', ROUNDS_MAX);
  const wrong = ['lost', 'duplicated', 'reordered', 'contradicted'].map((kind) => drill.number(kind));
  return {
    name,
    what: drill.text('what'),
    promise: drill.text('promise'),
    outcome: drill.oneOf('outcome', OUTCOMES),
    why: drill.has('why') ? drill.text('why') : undefined,
    rounds: eachRound.length,
    acknowledged: drill.number('acknowledged'),
    wrong: wrong.reduce((sum, count) => sum + count, 0),
    takeOverMs: drill.has('takeOverMs') ? spreadIn(drill.part('takeOverMs')) : undefined,
    longestGapMs: drill.number('longestGapMs'),
    eachRound: eachRound.slice(0, ROUNDS_SHOWN).map(roundOf),
    load: drill.has('timeline') ? loadIn(drill.part('timeline')) : undefined,
  };
}

function spreadIn(part: Part): Spread {
  return {
    samples: part.number('samples'),
    p50: part.number('p50'),
    p99: part.number('p99'),
    max: part.number('max'),
  };
}

function roundOf(round: Part): ReportedRound {
  const gap = round.part('gap');
  return {
    acknowledged: round.number('acknowledged'),
    gap: { fromMs: gap.number('fromMs'), toMs: gap.number('toMs') },
    events: round
      .list('events', EVENTS_MAX)
      .slice(0, EVENTS_SHOWN)
      .map((event) => ({
        atMs: event.number('atMs'),
        kind: event.oneOf('kind', KINDS),
        text: event.text('text'),
      })),
  };
}

/** In no more bins than a picture has room for. */
function loadIn(part: Part): ReportedLoad {
  const [, digits] = /, round (\d{1,6})$/.exec(part.text('title')) ?? [];
  const acks = part.numbers('acks', BINS_MAX);
  const together = Math.max(1, Math.ceil(acks.length / BINS_SHOWN));
  const bins = Array.from({ length: Math.ceil(acks.length / together) }, (_, index) =>
    acks.slice(index * together, (index + 1) * together).reduce((sum, count) => sum + count, 0),
  );
  return { round: Number(digits ?? 0), binMs: part.number('binMs') * together, acks: bins };
}

/** An object of the report, whose fields are looked at one by one. */
class Part {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #place: string;

  static of(value: unknown, place: string): Part {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new RangeError(`${place} must be an object`);
    return new Part(value as Record<string, unknown>, place);
  }

  private constructor(fields: Readonly<Record<string, unknown>>, place: string) {
    this.#fields = fields;
    this.#place = place;
  }

  has(name: string): boolean {
    return this.#own(name) !== null && this.#own(name) !== undefined;
  }

  part(name: string): Part {
    return Part.of(this.#own(name), this.#placeOf(name));
  }

  list(name: string, lengthMax: number): Part[] {
    return this.#array(name, lengthMax).map((value, index) => Part.of(value, `${this.#placeOf(name)}[${index}]`));
  }

  numbers(name: string, lengthMax: number): number[] {
    return this.#array(name, lengthMax).map((value, index) => numberOf(value, `${this.#placeOf(name)}[${index}]`));
  }

  number(name: string): number {
    return numberOf(this.#own(name), this.#placeOf(name));
  }

  /** Its beginning, if it is very long. */
  text(name: string): string {
    const value = this.#own(name);
    if (typeof value !== 'string') throw new RangeError(`${this.#placeOf(name)} must be a text`);
    return value.slice(0, TEXT_MAX);
  }

  oneOf<T extends string>(name: string, values: readonly T[]): T {
    const value = values.find((one) => one === this.#own(name));
    if (value === undefined) throw new RangeError(`${this.#placeOf(name)} must be one of ${values.join(', ')}`);
    return value;
  }

  #array(name: string, lengthMax: number): unknown[] {
    const value = this.#own(name);
    if (!Array.isArray(value) || value.length > lengthMax)
      throw new RangeError(`${this.#placeOf(name)} must be a list of at most ${lengthMax}`);
    return value;
  }

  #own(name: string): unknown {
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
  }

  #placeOf(name: string): string {
    return this.#place === 'the report' ? name : `${this.#place}.${name}`;
  }
}

function numberOf(value: unknown, place: string): number {
  if (typeof value !== 'number' || !(value >= 0) || value > Number.MAX_SAFE_INTEGER)
    throw new RangeError(`${place} must be a number from 0`);
  return value;
}
