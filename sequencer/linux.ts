import { readFileSync, readlinkSync } from 'node:fs';
import { createRequire } from 'node:module';

/**
 * Linux calls that Node has no interface for, through the FFI package koffi, loaded when the first of them is made. All
 * are synchronous and none belongs on the hot path: a call takes about 0.3 µs. A call that cannot be made, or that the
 * kernel does not grant, throws {@link Refused} with the reason.
 *
 * Numbers are those of Linux's headers: sched.h, sys/mman.h, linux/mempolicy.h, linux/perf_event.h,
 * linux/prctl.h.
 */

/** Why a call was not made or not granted: the name of the errno, or what is missing. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

/** The part of koffi that is used here. The package is optional, so nothing is imported from it. */
interface Ffi {
  load(path: null): { func(declaration: string): (...args: readonly unknown[]) => number };
  address(value: ArrayBufferView): bigint;
  errno(): number;
  readonly os: { readonly errno: Readonly<Record<string, number>> };
}

/** Cores that an affinity mask has room for. */
const MASK_CORES = 1024;
const MASK_BYTES = MASK_CORES / 8;
const MLOCK_ONFAULT = 1;
const MADV_HUGEPAGE = 14;
const MADV_POPULATE_WRITE = 23;
const MPOL_DEFAULT = 0;
const MPOL_PREFERRED = 1;
const NODE_MASK_BITS = 64;
/** The largest page size of arm64's Linux: on others whole multiples of the real one. */
const PAGE_BYTES = 2 ** 16;
const HUGE_PAGE_BYTES = 2 ** 21;
const HUGE_PAGES_SETTING = '/sys/kernel/mm/transparent_hugepage/enabled';
/** struct perf_event_attr, as of Linux 4.1. */
const PERF_ATTR_BYTES = 112;
const PERF_EXCLUDE_KERNEL = 1 << 5;
/** PERF_FORMAT_TOTAL_TIME_ENABLED and _RUNNING. */
const PERF_READ_TIMES = 3;
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

/** Numbers of system calls without a function in every C library, by process.arch. */
const SYSTEM_CALLS: Readonly<Record<string, Readonly<Record<SystemCall, number>>>> = {
  x64: { mlock2: 325, perfEventOpen: 298, setMempolicy: 238 },
  arm64: { mlock2: 284, perfEventOpen: 241, setMempolicy: 237 },
};
type SystemCall = 'mlock2' | 'perfEventOpen' | 'setMempolicy';

const DECLARATIONS = {
  schedSetAffinity: 'int sched_setaffinity(int, size_t, void *)',
  schedGetAffinity: 'int sched_getaffinity(int, size_t, void *)',
  schedGetCpu: 'int sched_getcpu()',
  mAdvise: 'int madvise(uintptr_t, size_t, int)',
  prCtl: 'int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)',
} as const;

let ffi: Ffi | undefined;

function loadFfi(): Ffi {
  if (ffi !== undefined) return ffi;
  if (process.platform !== 'linux') throw new Refused(`this is ${process.platform}, not Linux`);
  try {
    ffi = createRequire(import.meta.url)('koffi') as Ffi;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'MODULE_NOT_FOUND') throw new Refused('the optional package koffi is not installed');
    throw new Refused(`koffi does not load: ${error instanceof Error ? error.message.split('\n')[0] : error}`);
  }
  return ffi;
}

const functions = new Map<string, (...args: readonly unknown[]) => number>();

/** Makes a call of the C library in this process; `declaration` is C. */
function call(declaration: string, ...args: readonly unknown[]): number {
  const { load, errno, os } = loadFfi();
  let made = functions.get(declaration);
  if (made === undefined) {
    try {
      made = load(null).func(declaration);
    } catch (error) {
      throw new Refused(`the C library lacks it: ${error instanceof Error ? error.message : error}`);
    }
    functions.set(declaration, made);
  }
  const result = made(...args);
  if (result >= 0) return result;
  const number = errno();
  throw new Refused(Object.entries(os.errno).find(([, value]) => value === number)?.[0] ?? `errno ${number}`);
}

function systemCall(name: SystemCall): number {
  const numbers = SYSTEM_CALLS[process.arch];
  if (numbers === undefined) throw new Refused(`the numbers of system calls on ${process.arch} are not known here`);
  return numbers[name];
}

/** The kernel's id of the calling thread. Needs no FFI. */
export function threadId(): number {
  if (process.platform !== 'linux') throw new Refused(`this is ${process.platform}, not Linux`);
  try {
    return Number(readlinkSync('/proc/thread-self').split('/').at(-1));
  } catch (error) {
    throw new Refused(`/proc/thread-self: ${error instanceof Error ? error.message : error}`);
  }
}

/** The cores that the calling thread may run on, in rising order. */
export function allowedCores(): number[] {
  const mask = new Uint32Array(MASK_CORES / 32);
  call(DECLARATIONS.schedGetAffinity, 0, MASK_BYTES, mask);
  return Array.from({ length: MASK_CORES }, (_, core) => core).filter(
    (core) => ((mask[core >> 5] as number) >>> (core & 31)) & 1,
  );
}

/** Keeps the calling thread, and those that it will start, on these cores. */
export function keepOnCores(cores: readonly number[]): void {
  const mask = new Uint32Array(MASK_CORES / 32);
  for (const core of cores) mask[core >> 5] = (mask[core >> 5] as number) | (1 << (core & 31));
  call(DECLARATIONS.schedSetAffinity, 0, MASK_BYTES, mask);
}

/** The core that the calling thread runs on at this moment. */
export function currentCore(): number {
  return call(DECLARATIONS.schedGetCpu);
}

/**
 * Keeps the pages of an array in memory: all of them from now on, or each once it was touched. Not those of the whole process: V8 gives pages back with
 * madvise(MADV_DONTNEED), which the kernel refuses for locked ones, and V8 then ends the process.
 * @returns bytes locked
 */
export function lockArray(array: ArrayBufferView, whole: boolean): number {
  const { from, bytes } = pagesWithin(array, PAGE_BYTES);
  if (bytes > 0)
    call(
      'long syscall(long, uintptr_t, size_t, unsigned int)',
      systemCall('mlock2'),
      from,
      bytes,
      whole ? 0 : MLOCK_ONFAULT,
    );
  return bytes;
}

/**
 * Asks for huge pages under an array, as far as it covers whole ones. Pages that were touched before stay small until the
 * kernel gets round to them.
 * @param whole have them now: the first touch of a huge page clears 2 MiB, which an order should not wait for
 * @returns bytes asked for: 0 if no huge page fits
 */
export function adviseHugePages(array: ArrayBufferView, whole: boolean): number {
  const { from, bytes } = pagesWithin(array, HUGE_PAGE_BYTES);
  if (/\[never\]/.test(hugePagesSetting())) throw new Refused(`${HUGE_PAGES_SETTING} says never`);
  if (bytes === 0) return 0;
  call(DECLARATIONS.mAdvise, from, bytes, MADV_HUGEPAGE);
  if (whole) call(DECLARATIONS.mAdvise, from, bytes, MADV_POPULATE_WRITE);
  return bytes;
}

/** A kernel without huge pages has no such file, and neither has a container that sees no /sys. */
function hugePagesSetting(): string {
  try {
    return readFileSync(HUGE_PAGES_SETTING, 'utf8');
  } catch (error) {
    throw new Refused(`${HUGE_PAGES_SETTING}: ${error instanceof Error ? error.message : error}`);
  }
}

/** The whole pages of this size that an array covers. */
function pagesWithin(array: ArrayBufferView, pageBytes: number): { from: bigint; bytes: number } {
  const { address } = loadFfi();
  const start = address(array);
  const page = BigInt(pageBytes);
  const from = ((start + page - 1n) / page) * page;
  const end = ((start + BigInt(array.byteLength)) / page) * page;
  return { from, bytes: Math.max(0, Number(end - from)) };
}

/** From now on the kernel kills this process when the thread that started it has ended, stopped or not. */
export function endWithParent(): void {
  call(DECLARATIONS.prCtl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

/** Takes the calling thread's memory from this NUMA node while it has any; undefined for the kernel's own choice. */
export function preferNode(node: number | undefined): void {
  const nodes = new BigUint64Array(1);
  if (node !== undefined) nodes[0] = 1n << BigInt(node);
  const mode = node === undefined ? MPOL_DEFAULT : MPOL_PREFERRED;
  const declaration = 'long syscall(long, int, void *, unsigned long)';
  call(declaration, systemCall('setMempolicy'), mode, node === undefined ? null : nodes, NODE_MASK_BITS);
}

/**
 * Opens a counter of one thread of this process, on whichever core it runs. Reads of 24 bytes give the count, and for how
 * many nanoseconds it was wanted and was counting.
 * @returns a file descriptor
 */
export function openCounter(type: number, config: number, thread: number, userOnly: boolean): number {
  const attributes = new DataView(new ArrayBuffer(PERF_ATTR_BYTES));
  attributes.setUint32(0, type, true);
  attributes.setUint32(4, PERF_ATTR_BYTES, true);
  attributes.setUint32(8, config, true);
  attributes.setUint32(32, PERF_READ_TIMES, true);
  attributes.setUint32(40, userOnly ? PERF_EXCLUDE_KERNEL : 0, true);
  const declaration = 'long syscall(long, void *, int, int, int, unsigned long)';
  const bytes = new Uint8Array(attributes.buffer);
  return call(declaration, systemCall('perfEventOpen'), bytes, thread, -1, -1, 0);
}
