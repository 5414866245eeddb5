import { Option } from 'commander';
import { SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN } from '../../journal/segments.ts';
import { SNAPSHOT_EVERY_DEFAULT, SNAPSHOTS_KEPT } from '../../journal/snapshots.ts';
import { SNAPSHOT_EVERY_MAX } from '../../sequencer/tuned-bounds.ts';
import { wholeNumber } from './arguments.ts';

// Options of every command that writes a journal with snapshots.

export function snapshotEveryOption(more = ''): Option {
  return new Option('--snapshot-every <commands>', `commands between snapshots, 0 for none${more}`)
    .default(SNAPSHOT_EVERY_DEFAULT)
    .argParser(wholeNumber(0, SNAPSHOT_EVERY_MAX));
}

export function snapshotsKeptOption(): Option {
  return new Option(
    '--snapshots-kept <count>',
    'newest snapshots that are not deleted, beside one of each of eight days before',
  )
    .default(SNAPSHOTS_KEPT)
    .argParser(wholeNumber(1, 10_000));
}

/** @param of what the segments are of */
export function segmentBytesOption(of: string): Option {
  return new Option('--segment-bytes <bytes>', `length of a segment of ${of}; two are taken from the disk at once`)
    .default(SEGMENT_BYTES_DEFAULT)
    .argParser(wholeNumber(SEGMENT_BYTES_MIN, 2 ** 40));
}
