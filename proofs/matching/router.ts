import { HEIGHT_LOG_MAX } from '../stark/parameters.ts';
import type { Calibration } from './calibration.ts';
import { proofCost } from './proof-cost.ts';
import { heightLogMin, type ProofShape, type ProvingPlan, planRows } from './prove-span.ts';
import { PROFILE_NAMES, type ProfileName, parametersOf } from './statement.ts';

/** What is to be proven, on what, and how it is wished. */
export interface ProvingWorkload {
  /** That wait to be proven. */
  readonly commands: number;
  /** Most commands of a span. */
  readonly commandsMax?: number | undefined;
  /** All must be proven by then, from the start. */
  readonly deadlineMs?: number | undefined;
  /** Bytes that each prover process may hold. */
  readonly memoryMax: number;
  /** Bytes that all of them together may hold, unless their number was chosen. */
  readonly memoryTotal: number;
  readonly cores: number;
  /** As few bytes as possible, rather than as quick as possible. */
  readonly small: boolean;
  readonly hidden: boolean;
  /** What somebody chose. */
  readonly profile?: ProfileName | undefined;
  readonly heightLog?: number | undefined;
  readonly processes?: number | undefined;
  readonly threads?: number | undefined;
  /** The proof that these must chain with: only those of one height and profile do. */
  readonly neighbor?: ProofShape | undefined;
}

/** A way to prove a workload, and what it would take. */
export interface Route {
  readonly plan: ProvingPlan;
  readonly processes: number;
  readonly threads: number;
  readonly spans: number;
  readonly timeMs: number;
  /** Of each process. */
  readonly memoryBytes: number;
  /** Of all proofs. */
  readonly bytes: number;
}

export interface Routing {
  readonly chosen: Route;
  /** Of each profile and height the best, those that need too much or take too long among them. */
  readonly candidates: readonly Route[];
  readonly why: string;
}

/** No way to prove the workload is as it was wished. */
export class RoutingError extends Error {
  override readonly name = 'RoutingError';
  readonly wish: 'memory' | 'deadline' | 'height';

  constructor(wish: RoutingError['wish'], rule: string) {
    super(rule);
    this.wish = wish;
  }
}

/** Rows that a command of usual order flow takes; a little above. */
const ROWS_PER_COMMAND = 1.13;
/** Until a prover process has read its first command. */
const START_MS = 1_000;
/** Of what a plan is thought to take, the part of a deadline that it may be thought to use up. */
const DEADLINE_SHARE = 0.8;
/** Plans that take so much longer than the quickest are as good, if their proofs are smaller. */
const TIME_TOLERANCE = 1.1;

/**
 * Chooses how to prove a workload. Without a wish: the quickest way to standard proofs. With a deadline that this does not
 * meet: fast ones. Small: the fewest bytes in the time there is. A pure function: the same workload and calibration give the
 * same plan.
 */
export function routeProving(workload: ProvingWorkload, calibration: Calibration): Routing {
  const neighbor = chains(workload) ? workload.neighbor : undefined;
  const all = routesOf(workload, calibration, neighbor);
  const candidates = bestOfEach(all, workload);
  const fitting = all.filter((route) => fits(route, workload));
  if (fitting.length === 0) {
    const [least] = all.toSorted((a, b) => a.memoryBytes - b.memoryBytes) as [Route];
    throw new RoutingError('memory', `too little: ${nameOf(least)} needs least, ${megabytes(least.memoryBytes)}`);
  }
  const { deadlineMs = Number.POSITIVE_INFINITY } = workload;
  const inTime = fitting.filter(({ timeMs }) => timeMs <= deadlineMs * DEADLINE_SHARE);
  if (inTime.length === 0) {
    const [quickest] = fitting.toSorted((a, b) => a.timeMs - b.timeMs) as [Route];
    throw new RoutingError('deadline', deadlineRule(quickest, workload, neighbor));
  }
  const because =
    neighbor === undefined ? '' : '; profile and height are those of the proof beside it, so that they chain';
  if (workload.small) {
    const [chosen] = inTime.toSorted((a, b) => a.bytes - b.bytes || a.timeMs - b.timeMs) as [Route];
    return { chosen, candidates, why: `the fewest bytes${inTimeOf(workload)}${because}` };
  }
  const usual = inTime.filter(({ plan }) => plan.profile === (workload.profile ?? neighbor?.profile ?? USUAL));
  const some = usual.length > 0 ? usual : inTime.filter(({ plan }) => plan.profile === HASTY);
  const chosen = quickestSmall(some);
  const why =
    usual.length > 0 ? `the quickest way to ${chosen.plan.profile} proofs` : 'only fast proofs meet the deadline';
  return { chosen, candidates, why: `${why}${because}` };
}

const USUAL: ProfileName = 'standard';
const HASTY: ProfileName = 'fast';

/** Whether the proofs can go with those beside them; else their plan is free. */
function chains({ neighbor, profile, heightLog, hidden }: ProvingWorkload): boolean {
  return (
    neighbor !== undefined &&
    neighbor.hidden === hidden &&
    (profile ?? neighbor.profile) === neighbor.profile &&
    (heightLog ?? neighbor.heightLog) === neighbor.heightLog
  );
}

function routesOf(workload: ProvingWorkload, calibration: Calibration, neighbor: ProofShape | undefined): Route[] {
  const { hidden, cores, small, deadlineMs } = workload;
  const profile = workload.profile ?? neighbor?.profile;
  const heightLog = workload.heightLog ?? neighbor?.heightLog;
  const usual = small ? PROFILE_NAMES : deadlineMs === undefined ? [USUAL] : [USUAL, HASTY];
  const routes: Route[] = [];
  for (const name of profile === undefined ? usual : [profile]) {
    const least = heightLogMin(parametersOf({ profile: name, hidden }));
    if (heightLog !== undefined && heightLog < least) {
      throw new RoutingError('height', `must be at least ${least} with --hide`);
    }
    const heights = heightLog === undefined ? range(least, Math.max(least, mostRowsLog(workload))) : [heightLog];
    for (const height of heights) {
      const plan: ProvingPlan = { profile: name, hidden, heightLog: height, memoryMax: workload.memoryMax };
      for (const processes of workload.processes === undefined ? range(1, cores) : [workload.processes]) {
        const threads = workload.threads ?? Math.max(1, Math.floor(cores / processes));
        routes.push(routeOf(plan, processes, threads, workload, calibration));
      }
    }
  }
  return routes;
}

/** More rows than all commands take make proofs larger and later, and nothing better. */
function mostRowsLog({ commands, commandsMax = commands }: ProvingWorkload): number {
  return Math.min(HEIGHT_LOG_MAX, Math.ceil(Math.log2(Math.min(commands, commandsMax) * ROWS_PER_COMMAND)));
}

/** Commands of usual order flow that a span of a plan takes. */
export function usualCommands(plan: ProofShape): number {
  return Math.max(1, Math.floor(planRows(plan) / ROWS_PER_COMMAND));
}

function routeOf(
  plan: ProvingPlan,
  processes: number,
  threads: number,
  { commands, commandsMax = commands, memoryMax, cores }: ProvingWorkload,
  calibration: Calibration,
): Route {
  const parameters = parametersOf(plan);
  const rows = planRows(plan);
  const perSpan = Math.max(1, Math.min(commands, commandsMax, usualCommands(plan)));
  const spans = Math.ceil(commands / perSpan);
  const used = Math.min(rows, perSpan * ROWS_PER_COMMAND);
  // Those that are too many for the cores wait for each other.
  const crowd = Math.max(1, (processes * threads) / cores);
  const cost = proofCost(parameters, plan.heightLog, used, threads, memoryMax, calibration);
  // Spans are cut one after the other, because each begins where the one before ends.
  const waits = (Math.min(spans, processes) - 1) * cost.readMs;
  const rounds = Math.ceil(spans / processes);
  return {
    plan,
    processes,
    threads,
    spans,
    timeMs: START_MS + waits + rounds * (cost.readMs + cost.proveMs) * crowd,
    memoryBytes: cost.memory.bytes,
    bytes: spans * cost.bytes,
  };
}

function fits(route: Route, { memoryMax, memoryTotal, processes }: ProvingWorkload): boolean {
  const { memoryBytes } = route;
  const together = memoryBytes * Math.min(route.processes, route.spans);
  return memoryBytes <= memoryMax && (processes !== undefined || together <= memoryTotal);
}

/** Of those that are about the quickest the one with the smallest proofs. */
function quickestSmall(routes: readonly Route[]): Route {
  const quickest = Math.min(...routes.map(({ timeMs }) => timeMs));
  const about = routes.filter(({ timeMs }) => timeMs <= quickest * TIME_TOLERANCE);
  const [chosen] = about.toSorted((a, b) => a.bytes - b.bytes || a.timeMs - b.timeMs || a.processes - b.processes) as [
    Route,
  ];
  return chosen;
}

function bestOfEach(routes: readonly Route[], workload: ProvingWorkload): Route[] {
  const best = new Map<string, Route>();
  for (const route of routes) {
    const name = `${route.plan.profile} ${route.plan.heightLog}`;
    const before = best.get(name);
    const better = before === undefined || (route.timeMs < before.timeMs && fits(route, workload));
    if (better) best.set(name, route);
  }
  return [...best.values()];
}

function inTimeOf({ deadlineMs }: ProvingWorkload): string {
  return deadlineMs === undefined ? '' : ' within the deadline';
}

function deadlineRule(quickest: Route, workload: ProvingWorkload, neighbor: ProofShape | undefined): string {
  const seconds = Math.ceil(quickest.timeMs / DEADLINE_SHARE / 1000);
  const { commands, deadlineMs = 0 } = workload;
  const share = ((deadlineMs * DEADLINE_SHARE - START_MS) * commands) / (quickest.timeMs - START_MS);
  const part = quickest.spans > 1 ? Math.floor(Math.max(0, share)) : 0;
  const rules = [`--deadline ${seconds}`];
  if (part > 0) rules.push(`about ${part} commands at a time`);
  if (neighbor !== undefined && neighbor.profile !== HASTY)
    rules.push(`--profile ${HASTY}, whose proofs do not chain with those there are`);
  return `too soon for ${commands} commands: ${nameOf(quickest)} is quickest, about ${(quickest.timeMs / 1000).toFixed(0)} s and some to spare; what would do: ${rules.join(', or ')}`;
}

function nameOf({ plan, processes }: Route): string {
  const hidden = plan.hidden ? ', zero knowledge' : '';
  return `${plan.profile}${hidden}, 2^${plan.heightLog} rows, ${processes} ${processes === 1 ? 'process' : 'processes'}`;
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)}M`;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}
