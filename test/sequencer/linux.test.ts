import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { hostCores, parseList } from '../../sequencer/host-cores.ts';
import {
  adviseHugePages,
  allowedCores,
  currentCore,
  keepOnCores,
  lockArray,
  preferNode,
  Refused,
  threadId,
} from '../../sequencer/linux.ts';

const onLinux = process.platform === 'linux' ? test : test.skip;
/** A view of the file system of one's own. */
const MOUNTS = ['--user', '--map-root-user', '--mount'];
const canMount = spawnSync('unshare', [...MOUNTS, 'mount', '-t', 'tmpfs', 'none', '/sys']).status === 0;
const ARRAY_BYTES = 2 ** 26;
/** Arrays that the collector must not take while another one's pages are counted. */
const held: Uint8Array[] = [];
const WASM_PAGE_BYTES = 2 ** 16;
/** The kernel may have no huge page for one. */
const ARRAYS_MAX = 5;

/** Does something to one new array after another, until a count of pages has changed as it should, or to the last. */
function withArrays<T>(act: (array: Uint8Array) => T, isAsItShould: (result: T) => boolean): T {
  for (let tries = 1; ; tries++) {
    // A WebAssembly memory is mapped anew; an array may lie where another has been, with pages that are there already.
    const pages = ARRAY_BYTES / WASM_PAGE_BYTES;
    const array = new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
    held.push(array);
    const result = act(array);
    if (isAsItShould(result) || tries === ARRAYS_MAX) return result;
  }
}

onLinux('a thread is kept on a core: the kernel says so itself', () => {
  const before = allowedCores();
  expect(before).toEqual(parseList(statusOf('Cpus_allowed_list')));
  const core = before.at(-1) as number;
  try {
    keepOnCores([core]);
    expect(statusOf('Cpus_allowed_list')).toBe(String(core));
    expect(currentCore()).toBe(core);
    expect(hostCores().cores.map(({ id }) => id)).toEqual([core]);
  } finally {
    keepOnCores(before);
  }
  expect(allowedCores()).toEqual(before);
});

onLinux('what the kernel refuses has the name of the error', () => {
  const before = allowedCores();
  expect(() => keepOnCores([])).toThrow(new Refused('EINVAL'));
  expect(allowedCores()).toEqual(before);
});

onLinux('the id of a thread is that of its folder in /proc', () => {
  expect(statusOf('Pid')).toBe(String(threadId()));
});

onLinux('an array gets huge pages where the kernel has any', () => {
  const { outcome, grown } = withArrays(
    (array) => {
      const before = advisedKiB();
      const outcome = granted(() => adviseHugePages(array, false));
      return { outcome, grown: advisedKiB() - before };
    },
    ({ outcome, grown }) => outcome instanceof Refused || grown === outcome / 1024,
  );
  if (outcome instanceof Refused) {
    expect(outcome.message).toMatch(/says never|^E[A-Z]+$/);
    return;
  }
  expect(outcome).toBeGreaterThanOrEqual(ARRAY_BYTES - 2 ** 22);
  // Whether the kernel has a huge page free at this moment is another matter.
  expect(grown).toBe(outcome / 1024);
  expect(adviseHugePages(new Uint8Array(1_000), true)).toBe(0);
});

(canMount ? test : test.skip)('books are matched without huge pages where the kernel tells nothing of them', () => {
  const command = fileURLToPath(new URL('../../bin/veritape.js', import.meta.url));
  const input = '{"op":"new","symbol":"ACME","account":1,"id":1,"side":"buy","price":100,"qty":5}\n';
  const script = `mount -t tmpfs none /sys && exec '${process.execPath}' '${command}' match`;
  const { status, stdout, stderr } = spawnSync('unshare', [...MOUNTS, 'sh', '-c', script], { input, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toContain('"ev":"accepted"');
});

onLinux.each([false, true])('an array is locked as far as the limit allows, at once: %s', (whole) => {
  const { outcome, locked, grown } = withArrays(
    (array) => {
      const [before, residentBefore] = [lockedKiB(), residentKiB()];
      const outcome = granted(() => lockArray(array, whole));
      return { outcome, locked: lockedKiB() - before, grown: residentKiB() - residentBefore };
    },
    ({ outcome, grown }) => outcome instanceof Refused || !whole || grown > (ARRAY_BYTES / 1024) * 0.9,
  );
  if (outcome instanceof Refused) expect(outcome.message).toMatch(/^(ENOMEM|EPERM|EAGAIN)$/);
  else {
    expect(outcome).toBeGreaterThan(ARRAY_BYTES - 2 ** 18);
    expect(locked).toBe(outcome / 1024);
    if (whole) expect(grown).toBeGreaterThan((ARRAY_BYTES / 1024) * 0.9);
    else expect(grown).toBeLessThan((ARRAY_BYTES / 1024) * 0.5);
    expect(held.at(-1)?.[0]).toBe(0);
  }
});

onLinux('a memory policy is set and put back', () => {
  const outcome = granted(() => preferNode(0));
  if (outcome instanceof Refused) expect(outcome.message).toMatch(/^(EPERM|ENOSYS)$/);
  else {
    expect(readFileSync('/proc/thread-self/numa_maps', 'utf8')).toMatch(/ prefer(?: \(many\))?:0 /);
    preferNode(undefined);
  }
});

onLinux('without koffi the reason is told, and nothing else is missing', () => {
  const folder = mkdtempSync(join(tmpdir(), 'veritape-linux-'));
  try {
    copyFileSync(fileURLToPath(new URL('../../sequencer/linux.ts', import.meta.url)), join(folder, 'linux.ts'));
    const program = `
      import { allowedCores, threadId } from './linux.ts';
      try { allowedCores(); } catch (error) { console.log(error.name, error.message, threadId() === process.pid); }
    `;
    const ending = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(ending).toMatchObject({
      signal: null,
      stderr: '',
      stdout: 'Refused the optional package koffi is not installed true\n',
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("the kernel's lists", () => {
  expect(parseList('0-2,5\n')).toEqual([0, 1, 2, 5]);
  expect(parseList('7')).toEqual([7]);
  expect(parseList('\n')).toEqual([]);
});

/** A field of the calling thread. */
function statusOf(field: string): string {
  return new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(readFileSync('/proc/thread-self/status', 'utf8'))?.[1] ?? '';
}

/** Of mappings for which huge pages were asked: their flag is "hg". */
function advisedKiB(): number {
  const mappings = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  return mappings
    .filter((mapping) => /^VmFlags:.* hg( |$)/m.test(mapping))
    .reduce((sum, mapping) => sum + Number(/^Size:\s+(\d+)/m.exec(mapping)?.[1]), 0);
}

function lockedKiB(): number {
  return Number.parseInt(statusOf('VmLck'), 10);
}

function residentKiB(): number {
  return Number.parseInt(statusOf('VmRSS'), 10);
}

function granted<T>(call: () => T): T | Refused {
  try {
    return call();
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
}
