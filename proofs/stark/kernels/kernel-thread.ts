import { workerData } from 'node:worker_threads';
import { kernelsOf, serveJobs } from './job-queue.ts';

/** What {@link createSimdKernels} starts a thread with. */
export interface KernelThreadData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly names: readonly string[];
  readonly scratch: number;
}

const { module, memory, names, scratch } = workerData as KernelThreadData;
serveJobs(new Int32Array(memory.buffer), kernelsOf(module, memory, names), scratch);
