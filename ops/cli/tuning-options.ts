import { type Command, Option } from 'commander';
import { COMMIT_WINDOW_MICROS_MAX } from '../../sequencer/tuned-bounds.ts';
import type { VenueOptions } from '../venue.ts';
import { positiveSeconds, wholeNumber } from './arguments.ts';
import { snapshotEveryOption } from './journal-options.ts';

/** What a venue holds by itself, and what is set for it. */
export interface TuningOptions {
  readonly ackTargetMs?: number;
  readonly commitWindowMicros?: number;
  readonly restartTarget?: number;
  readonly snapshotEvery: number;
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
      new Option(
        '--ack-target-ms <milliseconds>',
        'hold the 99th percentile of acknowledgements below this at the least processor time: the commit window and looking around for work follow the load',
      ).argParser(wholeNumber(1, ACK_TARGET_MS_MAX)),
    )
    .addOption(
      new Option(
        '--commit-window-micros <microseconds>',
        'a block is open for so long, or until it is full; 0 closes it as soon as the disk is idle (default: 0, or what --ack-target-ms finds)',
      ).argParser(wholeNumber(0, COMMIT_WINDOW_MICROS_MAX)),
    );
}

export function tuningSettingsOf(
  options: TuningOptions,
): Pick<VenueOptions, 'tuning' | 'blockBounds' | 'snapshotEvery'> {
  const { ackTargetMs, commitWindowMicros, restartTarget, snapshotEvery } = options;
  return {
    tuning: { ackTargetMs, restartTargetSeconds: restartTarget },
    ...(commitWindowMicros === undefined ? {} : { blockBounds: { windowMicros: commitWindowMicros } }),
    ...(restartTarget === undefined ? { snapshotEvery } : {}),
  };
}
