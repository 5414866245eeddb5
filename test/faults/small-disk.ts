import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from '@jest/globals';
import { temporaryFolder } from '../journal/temporary-journal.ts';

const mounts: string[] = [];

/** A file system of so many bytes, or undefined where mounting is not allowed. */
export function smallDisk(bytes: number): string | undefined {
  const dir = join(temporaryFolder(), 'disk');
  mkdirSync(dir);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', dir], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  mounts.push(dir);
  return dir;
}

/** Gives a {@link smallDisk} another size. */
export function resizeDisk(dir: string, bytes: number): void {
  execFileSync('mount', ['-o', `remount,size=${bytes}`, dir]);
}

export function unmountDisks(): void {
  for (const mount of mounts.splice(0)) execFileSync('umount', [mount]);
}

/** Where mounting is not allowed, tests on small disks are reported as skipped. */
export const testOnDisk = smallDisk(2 ** 20) === undefined ? test.skip : test;
