import { type Command, Option } from 'commander';
import type { AckPolicy } from '../../sequencer/command-port.ts';
import { COMMIT_WINDOW_MICROS_MAX, REPLICAS_MAX } from '../../sequencer/tuned-bounds.ts';
import { UsageError } from '../exit-codes.ts';
import type { VenueOptions } from '../venue/venue.ts';
import { positiveSeconds, wholeNumber } from './arguments.ts';
import { snapshotEveryOption } from './journal-options.ts';

/** What a venue holds by itself, and what is set for it. */
export interface TuningOptions {
  readonly ackTargetMs?: number;
  readonly commitWindowMicros?: number;
  readonly restartTarget?: number;
  readonly snapshotEvery: number;
  readonly replicas: number;
  readonly replicasMin?: number;
  readonly ack?: AckPolicy;
}

const ACK_TARGET_MS_MAX = 10_000;

export function addTuningOptions(command: Command): Command {
  return command
    .addOption(snapshotEveryOption())
    .addOption(
      new Option(
        '--restart-target <seconds>',
        'take snapshots so often that a restart replays no longer than this, instead of --snapshot-every',
      )
        .conflicts('snapshotEvery')
        .argParser(positiveSeconds),
    )
    .addOption(
      ackTargetOption(
        'hold the 99th percentile of acknowledgements below this at the least processor time: the commit window and looking around for work follow the load',
      ),
    )
    .addOption(
      new Option(
        '--replicas-min <count>',
        'with --ack-target-ms: so many replicas work even when it is missed for want of cores; the others make up for it later (default: 2)',
      ).argParser(wholeNumber(1, REPLICAS_MAX)),
    )
    .addOption(
      new Option(
        '--commit-window-micros <microseconds>',
        'a block is open for so long, or until it is full; 0 closes it as soon as the disk is idle (default: 0, or what --ack-target-ms finds)',
      ).argParser(wholeNumber(0, COMMIT_WINDOW_MICROS_MAX)),
    );
}

export function ackTargetOption(description: string): Option {
  return new Option('--ack-target-ms <milliseconds>', description).argParser(wholeNumber(1, ACK_TARGET_MS_MAX));
}

export function tuningSettingsOf(
  options: TuningOptions,
): Pick<VenueOptions, 'tuning' | 'blockBounds' | 'snapshotEvery' | 'replicasMin'> {
  const { ackTargetMs, commitWindowMicros, restartTarget, snapshotEvery, replicas, replicasMin, ack } = options;
  const refuse = (rule: string): never => {
    throw new UsageError('replicas-min', replicasMin, rule);
  };
  if (replicasMin !== undefined) {
    if (ackTargetMs === undefined) refuse('is of use only with --ack-target-ms');
    if (replicasMin > replicas) refuse(`must not be above --replicas, ${replicas}`);
    if (replicasMin < replicas && ack === 'memory') refuse('with --ack memory every replica is waited for');
  }
  return {
    replicasMin,
    tuning: { ackTargetMs, restartTargetSeconds: restartTarget },
    ...(commitWindowMicros === undefined ? {} : { blockBounds: { windowMicros: commitWindowMicros } }),
    ...(restartTarget === undefined ? { snapshotEvery } : {}),
  };
}
