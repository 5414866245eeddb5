import { availableParallelism } from 'node:os';
import type { SequenceRange } from '../../proofs/matching/proof-store.ts';
import type { ProofShape } from '../../proofs/matching/prove-span.ts';
import { grouped } from '../cli/arguments.ts';
import {
  BEHIND_SECONDS_DEFAULT,
  boundsOf,
  type FollowingOptions,
  NICE_DEFAULT,
  venuePlaceOf,
} from '../cli/following-options.ts';
import { Interruption } from '../cli/interruption.ts';
import { printResult } from '../cli/result.ts';
import { openLog } from '../cli/server-log.ts';
import { type TelemetryCommandOptions, telemetrySettingsOf } from '../cli/telemetry-options.ts';
import { ProcessTelemetry } from '../telemetry/process-telemetry.ts';
import { FollowingProving } from './following-proving.ts';
import { chooseRoute, type RouteOptions } from './proving-route.ts';
import { VenueStrainWatch } from './venue-strain.ts';

type ProveFollowingOptions = RouteOptions &
  FollowingOptions &
  TelemetryCommandOptions & { readonly least?: number; readonly json?: boolean };

/** A plan is chosen for so many commands at least: there will be more. */
const COMMANDS_PLANNED_MIN = 2 ** 16;

/** `veritape prove --follow`: proves what a venue journals, until it is told to stop. */
export async function proveFollowing(
  directory: string,
  options: ProveFollowingOptions,
  found: {
    readonly ranges: readonly SequenceRange[];
    readonly end: number;
    readonly shard: number;
    readonly neighbor: ProofShape | undefined;
  },
): Promise<void> {
  using interruption = new Interruption();
  const { ranges, end, shard, neighbor } = found;
  const settings = telemetrySettingsOf(options);
  const telemetry = new ProcessTelemetry({ role: 'proving', shard });
  const { commands: commandsMax, least: commandsMin, behind: behindSeconds = BEHIND_SECONDS_DEFAULT } = options;
  const wanted = ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  // How many processes follows from what comes.
  const { processes: _, ...way } = options;
  const { chosen, why } = chooseRoute(way, Math.max(wanted, commandsMax ?? COMMANDS_PLANNED_MIN), neighbor);
  const { plan, threads } = chosen;
  const bounds = boundsOf(options, Math.max(1, Math.floor(availableParallelism() / threads)));
  const log = await openLog('veritape', () => telemetry.logFields());
  const place = venuePlaceOf(options);
  const watch =
    place &&
    new VenueStrainWatch(place, () =>
      log.warn('the venue has no target to hold, so provers give way by niceness alone: --ack-target-ms'),
    );
  // A wrong token is told before anything is begun.
  await watch?.look();
  await telemetry.open(settings, directory, log);
  const following = new FollowingProving({
    ...{ directory, plan, threads, commandsMax, commandsMin, ranges, end, bounds, behindSeconds },
    nice: options.nice ?? NICE_DEFAULT,
    spanSeconds: chosen.timeMs / 1000 / Math.ceil(chosen.spans / chosen.processes),
    memoryOfProver: chosen.memoryBytes,
    strain: async () => (await watch?.look()) ?? 'none',
    onNotice: ({ level, text, fields }) => log[level](fields, text),
  });
  telemetry.watch({ proving: following });
  log.info({ pid: process.pid, plan, threads, bounds, behindSeconds, why, commands: wanted }, 'ready');
  const started = performance.now();
  try {
    await following.run(interruption.signal);
  } finally {
    await telemetry.close();
  }
  const { counts, notices, decisions } = following;
  const { spans, commands, bytes } = counts;
  const result = {
    spans,
    commands,
    bytes,
    notices,
    plan,
    bounds,
    decisions,
    elapsedMs: Math.round(performance.now() - started),
  };
  const told = `${grouped(commands)} commands in ${grouped(spans)} proofs`;
  await printResult(result, options.json === true, () => `proved     ${told}, ${grouped(bytes)} bytes`);
  throw interruption.error(`stopped: ${told}; what is proven stays`);
}
