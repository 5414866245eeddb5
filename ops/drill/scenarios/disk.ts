import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ExitCode } from '../../exit-codes.ts';
import type { Preparation, Scenario } from '../scenario.ts';
import { SlowFlush } from '../slow-flush.ts';

const MIB = 2 ** 20;
const DISK_BYTES = 24 * MIB;
/** Short, so that a full disk is noticed soon: the next segment does not fit. */
const SEGMENT_BYTES = MIB;
/** Longer than usual, and shorter than a lease. */
const SLOW_MS = [20, 100] as const;
/** Longer than a lease. */
const STALL_MS = [1_000, 2_500] as const;

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
  const unmount = (): void => {
    process.off('exit', unmount);
    execFileSync('umount', ['--lazy', disk]);
  };
  // A mount outlives whoever made it.
  process.once('exit', unmount);
  return { folder: disk, means: disk, undo: unmount };
}

export const diskScenarios: readonly Scenario[] = [
  {
    name: 'slow-disk',
    what: 'every flush takes some tens of milliseconds longer for a while, and then longer than a lease',
    promise: 'acknowledgements wait for the disk; whoever serves afterwards has all that was acknowledged',
    placement: 'standby',
    processes: 2,
    prepare: (folder) => SlowFlush.prepare(folder, () => true),
    round: async (round) => {
      const flush = round.means as SlowFlush;
      await round.atWork(100, 400);
      const slowMs = round.chance.between(...SLOW_MS);
      await round.inject(`every flush takes ${slowMs} ms longer`, () => flush.set(slowMs));
      await round.atWork(800, 1_200);
      const stallMs = round.chance.between(...STALL_MS);
      round.timeline.mark('fault', `a flush takes ${stallMs} ms longer`);
      flush.set(stallMs);
      await round.pause(stallMs / 2);
      flush.set(0);
      round.note('the disk is as before');
      await round.resumed();
    },
  },
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
      await round.endsWith(primary, ExitCode.environment, /no space left|ENOSPC/i);
      rmSync(filler);
      round.note('there is room again');
      round.cluster.restart(primary);
      await round.takenOver();
    },
  },
];
