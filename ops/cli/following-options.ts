import { type Command, Option } from 'commander';
import { UsageError } from '../exit-codes.ts';
import { readSecret } from '../named-file.ts';
import type { ProverBounds } from '../proving/prover-count.ts';
import type { VenuePlace } from '../proving/venue-strain.ts';
import { readingsUrl } from '../telemetry/remote-readings.ts';
import { positiveSeconds, wholeNumber } from './arguments.ts';
import { ackTargetOption } from './tuning-options.ts';

/** How `prove --follow` proves beside a venue. */
export interface FollowingOptions {
  readonly follow?: boolean;
  readonly work?: boolean;
  readonly behind?: number;
  readonly processes?: number;
  readonly processesMin?: number;
  readonly processesMax?: number;
  readonly venue?: URL;
  readonly venueToken?: string;
  readonly ackTargetMs?: number;
  readonly nice?: number;
}

const PROCESSES_MAX = 1024;
export const BEHIND_SECONDS_DEFAULT = 300;
/** The lowest priority there is: a prover takes what nobody else wants. */
export const NICE_DEFAULT = 19;

export function addFollowingOptions(command: Command): Command {
  return command
    .option('--follow', 'go on with what the venue journals, until stopped; a log on stderr')
    .addOption(
      new Option(
        '--behind <seconds>',
        `with --follow: prove each command so long after it was journaled, in as few proofs as that allows (default: ${BEHIND_SECONDS_DEFAULT})`,
      ).argParser(positiveSeconds),
    )
    .addOption(
      new Option(
        '--processes-min <count>',
        'with --follow: provers at work even with nothing to do, or when the venue needs the cores (default: 0)',
      ).argParser(wholeNumber(0, PROCESSES_MAX)),
    )
    .addOption(
      new Option(
        '--processes-max <count>',
        'with --follow: most provers at work (default: as many as there are cores for)',
      ).argParser(wholeNumber(1, PROCESSES_MAX)),
    )
    .addOption(
      new Option(
        '--venue <place>',
        'with --follow: the --telemetry of a venue on this host, to which provers give way: HOST:PORT, PORT or a URL',
      ).argParser(readingsUrl),
    )
    .option('--venue-token <file>', 'the token that this telemetry wants, in a file')
    .addOption(
      ackTargetOption(
        "with --venue: hold the 99th percentile of its acknowledgements below this (default: the venue's own target)",
      ),
    )
    .addOption(
      new Option(
        '--nice <level>',
        `with --follow: niceness of provers, 0 to 19, which takes the least (default: ${NICE_DEFAULT})`,
      ).argParser(wholeNumber(0, 19)),
    );
}

/** Refuses what makes no sense together. Of what is not followed only options are refused: settings are of those that are. */
export function checkFollowing(command: Command, options: FollowingOptions): void {
  const isGiven = (key: string): boolean => command.getOptionValueSource(key) === 'cli';
  const refuse = (keys: Readonly<Record<string, string>>, rule: string): void => {
    for (const [key, field] of Object.entries(keys))
      if (isGiven(key)) throw new UsageError(field, command.getOptionValue(key), rule);
  };
  const own = {
    behind: 'behind',
    venue: 'venue',
    venueToken: 'venue-token',
    ackTargetMs: 'ack-target-ms',
    nice: 'nice',
  };
  const count = { processesMin: 'processes-min', processesMax: 'processes-max' };
  const telemetry = {
    telemetry: 'telemetry',
    telemetryName: 'telemetry-name',
    telemetryToken: 'telemetry-token',
    telemetryTlsCert: 'telemetry-tls-cert',
    telemetryTlsKey: 'telemetry-tls-key',
    telemetryUnprotected: 'telemetry-unprotected',
    drills: 'drills',
    otlp: 'otlp',
  };
  if (options.follow !== true && options.work !== true) refuse(telemetry, 'is of use only with --follow or --work');
  if (options.follow !== true) return refuse({ ...own, ...count }, 'is of use only with --follow');
  const once = { to: 'to', out: 'out', deadline: 'deadline', explain: 'explain', nats: 'nats', work: 'work' };
  refuse(once, 'not with --follow, which has no end and proves itself');
  const { processes, processesMin = 0, processesMax = PROCESSES_MAX } = options;
  if (processes !== undefined && (options.processesMin ?? options.processesMax) !== undefined)
    throw new UsageError('processes', processes, 'not with --processes-min or --processes-max: it fixes the number');
  if (processesMin > processesMax)
    throw new UsageError('processes-min', processesMin, `must not be above --processes-max, ${processesMax}`);
  if (options.venue === undefined)
    refuse({ venueToken: 'venue-token', ackTargetMs: 'ack-target-ms' }, 'is of use only with --venue');
}

/** @param most as many provers as there are cores for */
export function boundsOf({ processes, processesMin = 0, processesMax }: FollowingOptions, most: number): ProverBounds {
  if (processes !== undefined) return { min: processes, max: processes };
  return { min: processesMin, max: processesMax ?? Math.max(most, processesMin) };
}

export function venuePlaceOf({ venue, venueToken, ackTargetMs }: FollowingOptions): VenuePlace | undefined {
  if (venue === undefined) return undefined;
  const token = venueToken === undefined ? undefined : readSecret(venueToken, 'venue-token').trim();
  return { place: venue, token, ackTargetMs };
}
