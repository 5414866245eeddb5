import type { Benchmark } from './benchmark.ts';

/** Every benchmark by its name. Each is loaded in the process that runs it, and in no other. */
export const BENCHMARKS: Readonly<Record<string, () => Promise<Benchmark>>> = {
  snapshot: () => import('./snapshot.bench.ts'),
  journal: () => import('./journal.bench.ts'),
  hash: () => import('./hash.bench.ts'),
  book: () => import('./book.bench.ts'),
  ring: () => import('./ring.bench.ts'),
  challenge: () => import('./challenge.bench.ts'),
  pipeline: () => import('./pipeline.bench.ts'),
  multicast: () => import('./multicast.bench.ts'),
  nats: () => import('./nats.bench.ts'),
  'end-to-end': () => import('./end-to-end.bench.ts'),
  tuning: () => import('./tuning.bench.ts'),
  replay: () => import('./replay.bench.ts'),
  proof: () => import('./proof.bench.ts'),
};
