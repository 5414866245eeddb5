import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Preparation, Scenario } from '../scenario.ts';

const MIB = 2 ** 20;
const DISK_BYTES = 24 * MIB;
/** Short, so that a full disk is noticed soon: the next segment does not fit. */
const SEGMENT_BYTES = MIB;
const ENVIRONMENT = 3;

/** A file system of its own in memory, of a known size. */
function smallDisk(folder: string): Preparation {
  const disk = join(folder, 'disk');
  mkdirSync(disk, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', disk], { stdio: 'pipe' });
  } catch (error) {
    const why = error instanceof Error ? (error.message.trim().split('\n').at(-1) ?? '') : String(error);
    return { lacking: `a file system of a known size can not be mounted, which root may do: ${why}` };
  }
  return {
    folder: disk,
    means: disk,
    undo: () => {
      execFileSync('umount', ['--lazy', disk]);
    },
  };
}

export const diskScenarios: readonly Scenario[] = [
  {
    name: 'full-disk',
    what: 'the disk of a venue without a standby is full, and has room again after it has ended',
    promise: 'it acknowledges nothing that it can not keep, ends with code 3 and the reason, and serves again',
    placement: 'alone',
    processes: 1,
    serve: ['--segment-bytes', String(SEGMENT_BYTES), '--snapshot-every', '0'],
    prepare: smallDisk,
    round: async (round) => {
      const disk = String(round.means);
      const filler = join(disk, 'filler');
      await round.atWork(100, 400);
      const { primary } = round.cluster;
      await round.inject('the disk is full', () => {
        const { bavail, bsize } = statfsSync(disk);
        writeFileSync(filler, Buffer.alloc(bavail * bsize));
      });
      await round.endsWith(primary, ENVIRONMENT, /no space left|ENOSPC/i);
      rmSync(filler);
      round.note('there is room again');
      round.cluster.restart(primary);
      await round.takenOver();
    },
  },
];
