import { availableParallelism } from 'node:os';
import { calibrate } from '../../proofs/matching/calibration.ts';
import type { ProofShape } from '../../proofs/matching/prove-span.ts';
import { type Route, type Routing, RoutingError, routeProving } from '../../proofs/matching/router.ts';
import type { ProfileName } from '../../proofs/matching/statement.ts';
import { grouped } from '../cli/arguments.ts';
import { UsageError } from '../exit-codes.ts';
import type { ProvenSpan } from './prover-process.ts';

/** What the options of `veritape prove` say of the way. */
export interface RouteOptions {
  readonly profile?: ProfileName;
  readonly hide?: boolean;
  readonly small?: boolean;
  readonly height?: number;
  readonly commands?: number;
  readonly processes?: number;
  readonly threads?: number;
  /** In seconds. */
  readonly deadline?: number;
  /** In bytes. */
  readonly memory: number;
}

/** Chooses the way to prove so many commands on this machine. Throws a UsageError if there is none as it was wished. */
export function chooseRoute(options: RouteOptions, commands: number, neighbor: ProofShape | undefined): Routing {
  const { profile, hide = false, small = false, height, processes, threads, deadline, memory } = options;
  try {
    return routeProving(
      {
        commands,
        commandsMax: options.commands,
        deadlineMs: deadline === undefined ? undefined : deadline * 1000,
        memoryMax: memory,
        memoryTotal: Math.max(memory, process.availableMemory()),
        cores: availableParallelism(),
        small,
        hidden: hide,
        profile,
        heightLog: height,
        processes,
        threads,
        neighbor,
      },
      calibrate(),
    );
  } catch (error) {
    if (!(error instanceof RoutingError)) throw error;
    const { wish, message } = error;
    throw new UsageError(wish, { memory, deadline, height }[wish], message);
  }
}

/** What a run took, in the units of a route. */
export interface RunCost {
  readonly timeMs: number;
  readonly memoryBytes: number;
  readonly bytes: number;
}

export function costOf(spans: readonly ProvenSpan[], elapsedMs: number): RunCost {
  return {
    timeMs: Math.round(elapsedMs),
    memoryBytes: spans.reduce((most, { peakBytes }) => Math.max(most, peakBytes), 0),
    bytes: spans.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** The candidates with their estimates, the one that was chosen, why, and what it then took. */
export function explainRoute({ candidates, chosen, why }: Routing, actual: RunCost | undefined): string[] {
  const lines = candidates.map((route) => `considered ${describeRoute(route)}`);
  lines.push(`chosen     ${describeRoute(chosen)}`, `because    ${why}`, `estimate   ${describeCost(chosen)}`);
  if (actual !== undefined) lines.push(`actual     ${describeCost(actual)}`);
  return lines;
}

function describeRoute(route: Route): string {
  const { plan, processes, threads, spans } = route;
  const shape = `${plan.profile}${plan.hidden ? ', zero knowledge' : ''}, 2^${plan.heightLog} rows`;
  const at = `${processes} × ${threads} threads, ${spans} ${spans === 1 ? 'proof' : 'proofs'}`;
  return `${shape}, ${at}: ${describeCost(route)}`;
}

function describeCost({ timeMs, memoryBytes, bytes }: RunCost): string {
  const mebibytes = grouped(memoryBytes / 2 ** 20);
  return `${(timeMs / 1000).toFixed(1)} s, ${mebibytes} MiB a process, ${grouped(bytes)} bytes of proofs`;
}
