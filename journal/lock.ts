import { readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asJournalError, JournalError } from './findings.ts';

/**
 * A courtesy between servers: a file that names the process writing a journal, so that a second one started by mistake
 * is refused with a clear error. It fences nobody; that is done by the epoch, in LMDB.
 *
 * The file holds one line: process id, start time of the process in clock ticks since boot, id of the boot. The last two
 * tell a living holder from a process that was given the same id later; they are "-" where /proc does not exist.
 */
const LOCK_FILE = 'writer.lock';

export interface LockHolder {
  readonly pid: number;
  readonly line: string;
}

export class WriterLock {
  readonly #path: string;
  readonly #line: string;

  private constructor(path: string, line: string) {
    this.#path = path;
    this.#line = line;
  }

  /** Throws 'in-use' if a process that is alive holds the lock. */
  static refuseIfHeld(root: string): void {
    const holder = lockHolder(root);
    if (holder === undefined || !isAlive(holder)) return;
    const text = `the journal in ${root} is written by process ${holder.pid}; stop it, or take over`;
    throw new JournalError('in-use', text);
  }

  /** Puts this process's name in the place of whoever had the lock. */
  static take(root: string): WriterLock {
    const path = join(root, LOCK_FILE);
    const line = lockLine(process.pid);
    // Renamed into place, so that a reader never sees half a line.
    const temporary = `${path}.${process.pid}`;
    try {
      writeFileSync(temporary, line);
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw asJournalError(error, `writing ${path}`);
    }
    return new WriterLock(path, line);
  }

  release(): void {
    if (readLine(this.#path) === this.#line) rmSync(this.#path, { force: true });
  }
}

/** Who the lock names, alive or not. */
export function lockHolder(root: string): LockHolder | undefined {
  const line = readLine(join(root, LOCK_FILE));
  return line === undefined ? undefined : holderOf(line);
}

export function isAlive(holder: LockHolder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const { state, startTicks } = processStat(holder.pid);
  // A process that ended stays listed until its parent has asked how.
  return !ENDED_STATES.includes(state) && lineOf(holder.pid, startTicks) === holder.line;
}

/** Reads one line of a lock, wherever it is kept; undefined if it names no process. */
export function holderOf(line: string): LockHolder | undefined {
  const pid = Number(line.split(' ')[0]);
  return Number.isSafeInteger(pid) && pid > 0 ? { pid, line } : undefined;
}

/** What the lock holds when the process `pid` has it. */
export function lockLine(pid: number): string {
  return lineOf(pid, processStat(pid).startTicks);
}

function lineOf(pid: number, startTicks: string): string {
  bootId ??= readLine('/proc/sys/kernel/random/boot_id')?.trim() ?? '-';
  return `${pid} ${startTicks} ${bootId}\n`;
}

/** Names the PID namespace of this process: ids of processes mean nothing outside of it. 0 where /proc does not tell. */
export function pidNamespace(): number {
  ownPidNamespace ??= readPidNamespace();
  return ownPidNamespace;
}

function readPidNamespace(): number {
  try {
    return Number(/^pid:\[(\d+)\]$/.exec(readlinkSync('/proc/self/ns/pid'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Zombie, dead. */
const ENDED_STATES = ['Z', 'X', 'x'];
let bootId: string | undefined;
let ownPidNamespace: number | undefined;

/** Fields 3 and 22 of /proc/PID/stat. The name in field 2 may hold spaces, so counting begins behind its bracket. */
function processStat(pid: number): { readonly state: string; readonly startTicks: string } {
  const stat = readLine(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return { state: fields[0] ?? '-', startTicks: fields[19] ?? '-' };
}

function readLine(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
