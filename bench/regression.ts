import { median } from './benchmark.ts';
import { type CheckRound, RULED_BY_PLAIN } from './check-forms.ts';
import type { BenchmarkRecord } from './suite.ts';

/** Falls up to this are let pass however quiet the machine is. */
const MARGIN_SHARE = 0.1;
/** The same when no record is of the same processor: the loop is not equally much slower on another one. */
const OTHER_CPU_MARGIN_SHARE = 0.35;
/** Standard errors that count as noise: 2 leave one false alarm in 40 falls of nothing. */
const NOISE_ERRORS = 2;
/** A noise above this is no excuse. */
const NOISE_SHARE_MAX = 0.35;
/** Newest records that are compared with. */
const RECORDS_MAX = 3;
/** Of normally spread values: standard deviation by median deviation, and error of a median by error of a mean. */
const DEVIATION_BY_MEDIAN_DEVIATION = 1.4826;
const MEDIAN_ERROR = 1.2533;
/** All forms of a check taken together, whose noise is smaller than that of each. */
export const TOGETHER = 'all together';

/** How much a form does in one step of the reference loop, over the rounds of a check. */
export interface FormScore {
  readonly name: string;
  /** Operations a second: the median. 0 for what is none. */
  readonly rate: number;
  /** Operations a step: the median. Of {@link RULED_BY_PLAIN} the ratio. */
  readonly steps: number;
  /** Its standard error, as a share. */
  readonly noise: number;
}

export interface Judged {
  readonly name: string;
  readonly steps: number;
  /** What the records come to; undefined if there are none of this form. */
  readonly before: number | undefined;
  /** By how much it fell, as a share; below 0 it rose. */
  readonly fall: number;
  readonly allowedFall: number;
  readonly holds: boolean;
}

export interface Judgement {
  readonly rows: readonly Judged[];
  readonly records: number;
  /** Whether the records are of this processor. */
  readonly sameCpu: boolean;
  readonly holds: boolean;
}

/** Each form has a yardstick on both sides in time; its rate is told in steps of the mean of the two. */
export function scoresOf(rounds: readonly CheckRound[], names: readonly string[]): FormScore[] {
  const steps = names.map((name) =>
    rounds.map(({ rates, before, after }) => ((rates[name] ?? 0) * (before.stepNs + after.stepNs)) / 2e9),
  );
  const together = rounds.map((_, round) => {
    const logs = steps.map((ofForm) => Math.log(ofForm[round] as number));
    return Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length);
  });
  return [
    ...names.map((name, index) => ({
      name,
      rate: median(rounds.map(({ rates }) => rates[name] ?? 0)),
      ...scoreOf(steps[index] as number[]),
    })),
    { name: TOGETHER, rate: 0, ...scoreOf(together) },
    { name: RULED_BY_PLAIN, rate: 0, ...scoreOf(rounds.map(({ ruledByPlain }) => ruledByPlain)) },
  ];
}

function scoreOf(values: readonly number[]): { steps: number; noise: number } {
  const middle = median(values);
  const deviation = DEVIATION_BY_MEDIAN_DEVIATION * median(values.map((value) => Math.abs(value - middle)));
  return { steps: middle, noise: (MEDIAN_ERROR * deviation) / Math.sqrt(values.length) / middle };
}

/** Compares with the newest records of the same form and extent: of the same processor if there are any, else of all. */
export function judge(
  scores: readonly FormScore[],
  history: readonly BenchmarkRecord[],
  quick: boolean,
  cpu: string,
): Judgement {
  const form = history.filter((record) => record.benchmark === 'check' && record.quick === quick);
  const same = form.filter((record) => record.machine.cpu === cpu);
  const sameCpu = same.length > 0;
  const records = (sameCpu ? same : form).slice(-RECORDS_MAX);
  const rows = scores.map((score): Judged => {
    const figures = records.flatMap((record) => record.figures?.filter(({ name }) => name === score.name) ?? []);
    const earlier = figures.flatMap(({ steps }) => (steps === undefined ? [] : [steps]));
    const margin = sameCpu ? MARGIN_SHARE : OTHER_CPU_MARGIN_SHARE;
    if (earlier.length === 0) {
      return { name: score.name, steps: score.steps, before: undefined, fall: 0, allowedFall: margin, holds: true };
    }
    const before = median(earlier);
    const noiseBefore = Math.max(median(figures.map(({ noise = 0 }) => noise)), scoreOf(earlier).noise);
    const noise = Math.min(NOISE_SHARE_MAX, NOISE_ERRORS * Math.hypot(score.noise, noiseBefore));
    const fall = 1 - score.steps / before;
    return {
      name: score.name,
      steps: score.steps,
      before,
      fall,
      allowedFall: margin + noise,
      holds: fall <= margin + noise,
    };
  });
  return { rows, records: records.length, sameCpu, holds: rows.every(({ holds }) => holds) };
}
