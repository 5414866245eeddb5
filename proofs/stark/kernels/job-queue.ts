/**
 * Jobs that threads take from one queue in shared memory: each is a call of an exported function. Words from the start of
 * the memory:
 *
 * | word | what |
 * |-----:|------|
 * | 0 | round: raised when a new list of jobs is there |
 * | 1 | number of the next job to take |
 * | 2 | jobs in the list |
 * | 3 | threads that are done with this round, but for the caller |
 * | 4 | 1 if a job failed |
 * | 5 | 1 when the threads are to end |
 * | 16 | jobs, of {@link JOB_WORDS} each: function, arguments |
 */
const JOB_WORDS = 12;
const JOBS_MAX = 4_096;
export const QUEUE_BYTES: number = 64 + JOBS_MAX * JOB_WORDS * 4;

/** An argument that stands for the scratch memory of the thread that does the job. */
export const THREAD_SCRATCH = 0xffffffff;

const ROUND = 0;
const NEXT = 1;
const COUNT = 2;
const DONE = 3;
const FAILED = 4;
const ENDING = 5;
const JOBS = 16;

export interface Job {
  readonly name: string;
  readonly values: readonly number[];
}

type Kernel = (...values: readonly number[]) => void;

export function kernelsOf(module: WebAssembly.Module, memory: WebAssembly.Memory, names: readonly string[]): Kernel[] {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return names.map((name) => exports[name] as Kernel);
}

/** Takes jobs until there are none left. */
function work(queue: Int32Array, kernels: readonly Kernel[], scratch: number): void {
  for (;;) {
    const job = Atomics.add(queue, NEXT, 1);
    if (job >= Atomics.load(queue, COUNT)) return;
    const at = JOBS + job * JOB_WORDS;
    const kernel = kernels[queue[at] as number] as Kernel;
    const values = Array.from(queue.subarray(at + 1, at + JOB_WORDS), (value) =>
      value >>> 0 === THREAD_SCRATCH ? scratch : value,
    );
    kernel(...values);
  }
}

/** Runs all jobs, in no order, on this thread and `others`, and returns when they are done. */
export function runJobs(
  queue: Int32Array,
  names: readonly string[],
  kernels: readonly Kernel[],
  scratch: number,
  others: number,
  jobs: readonly Job[],
): void {
  for (let from = 0; from < jobs.length; from += JOBS_MAX) {
    const some = jobs.slice(from, from + JOBS_MAX);
    for (const [i, { name, values }] of some.entries()) {
      queue.set([names.indexOf(name), ...values], JOBS + i * JOB_WORDS);
    }
    Atomics.store(queue, COUNT, some.length);
    Atomics.store(queue, DONE, 0);
    Atomics.store(queue, NEXT, 0);
    if (others > 0) {
      Atomics.add(queue, ROUND, 1);
      Atomics.notify(queue, ROUND);
    }
    work(queue, kernels, scratch);
    for (let done = Atomics.load(queue, DONE); done < others; done = Atomics.load(queue, DONE)) {
      Atomics.wait(queue, DONE, done);
    }
    if (Atomics.load(queue, FAILED) !== 0) throw new Error('a kernel failed on another thread');
  }
}

/** What a thread does until it is told to end. */
export function serveJobs(queue: Int32Array, kernels: readonly Kernel[], scratch: number): void {
  for (let round = 0; ; ) {
    Atomics.wait(queue, ROUND, round);
    round = Atomics.load(queue, ROUND);
    if (Atomics.load(queue, ENDING) !== 0) return;
    try {
      work(queue, kernels, scratch);
    } catch (error) {
      Atomics.store(queue, FAILED, 1);
      throw error;
    } finally {
      Atomics.add(queue, DONE, 1);
      Atomics.notify(queue, DONE);
    }
  }
}

export function endThreads(queue: Int32Array): void {
  Atomics.store(queue, ENDING, 1);
  Atomics.add(queue, ROUND, 1);
  Atomics.notify(queue, ROUND);
}

/** Cuts `rows` in jobs. */
export function ranges(rows: number, most: number): [number, number][] {
  const cuts: [number, number][] = [];
  for (let from = 0; from < rows; from += most) cuts.push([from, Math.min(rows, from + most)]);
  return cuts;
}
