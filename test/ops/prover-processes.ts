import { readdirSync, readFileSync } from 'node:fs';
import { until as untilFound } from '../until.ts';

/** Proofs take their time. */
const WAIT_MS_MAX = 120_000;

/** Processes that `pid` has started and that live. */
export function childrenOf(pid: number): number[] {
  const children: number[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // The name in brackets may hold anything; then come the state and the parent.
      const [state, parent] = readFileSync(`/proc/${name}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      if (Number(parent) === pid && state !== 'Z') children.push(Number(name));
    } catch {
      // It has ended by now.
    }
  }
  return children;
}

export function isAlive(pid: number): boolean {
  try {
    return !/^.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Seconds of processor time that a process has used. */
function processorSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Waits until `found` gives something that is neither undefined nor false; tells in vain what is `seen`. */
export function until<T>(what: string, found: () => T | undefined | false, seen?: () => unknown): Promise<T> {
  return untilFound(what, found, { ...(seen === undefined ? {} : { seen }), waitMsMax: WAIT_MS_MAX });
}

/** A process that `pid` has started and that has proven for a while. */
export function proverAtWork(pid: number, not: readonly number[] = []): Promise<number> {
  return until('a prover is at work', () =>
    childrenOf(pid).find((child) => !not.includes(child) && isAlive(child) && secondsOf(child) > 1.5),
  );
}

function secondsOf(pid: number): number {
  try {
    return processorSeconds(pid);
  } catch {
    return 0;
  }
}
