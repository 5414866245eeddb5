import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { threadId } from '../../sequencer/linux.ts';
import { COUNTERS, ThreadCounters } from '../../sequencer/thread-counters.ts';

const onLinux = process.platform === 'linux' ? test : test.skip;
const SLEEPS = 100;
const TOUCHED_PAGES = 256;
const PAGE_BYTES = 2 ** 16;
const BUSY_MS = 50;

onLinux('counts what a thread does: sleeps, touches memory, works', () => {
  const counters = new ThreadCounters('test', threadId());
  try {
    const before = counters.read();
    sleep();
    const slept = counters.read();
    expect(difference(before, slept, 'contextSwitches')).toBeGreaterThanOrEqual(SLEEPS);
    touch();
    const touched = counters.read();
    expect(difference(slept, touched, 'pageFaults')).toBeGreaterThan(0);
    work();
    const worked = counters.read();
    expect(difference(touched, worked, 'cpuMs')).toBeGreaterThan(BUSY_MS / 2);
    expect(worked.sinceMs).toBeGreaterThan(before.sinceMs);
    for (const name of COUNTERS) {
      if (worked.counts[name] === undefined) expect(worked.sources[name]).toMatch(/^perf_event_open: [A-Z]/);
      else expect(worked.sources[name]).toMatch(/^(perf_event_open|\/proc)/);
    }
  } finally {
    counters.close();
  }
  expect(counters.read().counts.cpuMs).toBeUndefined();
});

onLinux('a thread that is not there is counted by nobody, and the reason is told', () => {
  const { counts, sources } = new ThreadCounters('gone', 2 ** 22 - 1).read();
  expect(Object.values(counts).filter((count) => count !== undefined)).toEqual([]);
  expect(sources.contextSwitches).toMatch(/^perf_event_open: /);
});

onLinux('without FFI the kernel’s own files are read', () => {
  const folder = mkdtempSync(join(tmpdir(), 'veritape-counters-'));
  try {
    for (const name of ['linux.ts', 'thread-counters.ts'])
      copyFileSync(fileURLToPath(new URL(`../../sequencer/${name}`, import.meta.url)), join(folder, name));
    const program = `
      import { ThreadCounters } from './thread-counters.ts';
      const counters = new ThreadCounters('main', process.pid);
      const word = new Int32Array(new SharedArrayBuffer(4));
      for (let n = 0; n < ${SLEEPS}; n++) Atomics.wait(word, 0, 0, 1);
      const { counts, sources } = counters.read();
      console.log(JSON.stringify({ switches: counts.contextSwitches, cpuMs: counts.cpuMs, sources }));
    `;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: folder,
      encoding: 'utf8',
    });
    const { switches, cpuMs, sources } = JSON.parse(stdout);
    expect(switches).toBeGreaterThanOrEqual(SLEEPS);
    expect(cpuMs).toBeGreaterThan(0);
    expect(sources).toMatchObject({
      contextSwitches: '/proc',
      pageFaults: '/proc',
      cpuMs: '/proc',
      cycles: 'perf_event_open: the optional package koffi is not installed',
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

type Counts = ReturnType<ThreadCounters['read']>;

function difference(before: Counts, after: Counts, name: 'contextSwitches' | 'pageFaults' | 'cpuMs'): number {
  return (after.counts[name] ?? Number.NaN) - (before.counts[name] ?? Number.NaN);
}

function sleep(): void {
  const word = new Int32Array(new SharedArrayBuffer(4));
  for (let count = 0; count < SLEEPS; count++) Atomics.wait(word, 0, 0, 1);
}

/** A WebAssembly memory is mapped anew; an array may lie where another has been. */
function touch(): void {
  const bytes = new Uint8Array(new WebAssembly.Memory({ initial: TOUCHED_PAGES, maximum: TOUCHED_PAGES }).buffer);
  for (let at = 0; at < bytes.length; at += PAGE_BYTES) bytes[at] = 1;
}

/** In processor time, of which a busy machine gives less than its clock says. */
function work(): void {
  const started = process.threadCpuUsage();
  while (process.threadCpuUsage(started).user < 2_000 * BUSY_MS);
}
