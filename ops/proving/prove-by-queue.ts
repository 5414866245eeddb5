import { availableParallelism } from 'node:os';
import { JournalReader } from '../../journal/reader.ts';
import type { SequenceRange } from '../../proofs/matching/proof-store.ts';
import type { Routing } from '../../proofs/matching/router.ts';
import { grouped } from '../cli/arguments.ts';
import { Interruption } from '../cli/interruption.ts';
import { Progress } from '../cli/progress.ts';
import { printResult } from '../cli/result.ts';
import { openLog } from '../cli/server-log.ts';
import { type TelemetryCommandOptions, telemetrySettingsOf } from '../cli/telemetry-options.ts';
import type { Points } from '../telemetry/points.ts';
import { ProcessTelemetry } from '../telemetry/process-telemetry.ts';
import type { ProvenSpan } from './prover-process.ts';
import { ProvingCounts } from './proving-counts.ts';
import { ProvingWorker } from './proving-worker.ts';
import { QueueWatch } from './queue-watch.ts';
import { QueuedProving } from './queued-proving.ts';
import { SpanQueue } from './span-queue.ts';

/** `veritape prove --nats`: cuts spans for others to prove. */
export async function proveByQueue(
  directory: string,
  url: string,
  { json = false, commands, least }: { readonly json?: boolean; readonly commands?: number; readonly least?: number },
  run: {
    readonly ranges: readonly SequenceRange[];
    readonly routing: Routing | undefined;
    readonly interruption: Interruption;
    readonly progress: Progress;
  },
): Promise<void> {
  const { ranges, routing, interruption, progress } = run;
  const started = performance.now();
  const notices: string[] = [];
  let state = 'nothing to prove';
  const proving =
    routing === undefined
      ? undefined
      : new QueuedProving({
          directory,
          url,
          ranges,
          shape: routing.chosen.plan,
          commandsMax: commands,
          commandsMin: least,
          onNotice: (text) => notices.push(text),
          onState: (text) => {
            state = text;
            progress.update(() => text);
          },
          turn: () => interruption.turn(),
        });
  const jobs = (await proving?.run(interruption.signal)) ?? [];
  const spans = jobs
    .map(({ from, to }) => ({ firstSequence: from, lastSequence: to }))
    .sort((a, b) => a.firstSequence - b.firstSequence);
  progress.stop();
  const elapsedMs = Math.round(performance.now() - started);
  const result = {
    complete: !interruption.requested,
    ranges,
    plan: routing?.chosen.plan ?? null,
    spans,
    notices,
    elapsedMs,
  };
  await printResult(result, json, () =>
    [
      ...notices.map((text) => `notice     ${text}`),
      ...spans.map(({ firstSequence, lastSequence }) => `proof      sequences ${firstSequence} to ${lastSequence}`),
      `proved     ${spans.length} spans in ${(elapsedMs / 1000).toFixed(1)} s, by workers`,
    ].join('\n'),
  );
  if (interruption.requested) {
    throw interruption.error(`stopped: ${state}; what is in the queue stays there, and workers go on with it`);
  }
}

interface WorkOptions extends TelemetryCommandOptions {
  readonly processes?: number;
  readonly threads?: number;
  readonly memory: number;
  readonly json?: boolean;
}

/** `veritape prove --nats --work`: proves what the queue holds, until it is told to stop. */
export async function workOnQueue(directory: string, url: string, options: WorkOptions): Promise<void> {
  const { processes = 1, memory, json = false } = options;
  const threads = options.threads ?? Math.max(1, Math.floor(availableParallelism() / processes));
  using interruption = new Interruption();
  using progress = await Progress.start('prove');
  const spans: ProvenSpan[] = [];
  const notices: string[] = [];
  const counts = new ProvingCounts();
  const { genesis, genesisHash } = JournalReader.open(directory);
  const settings = telemetrySettingsOf(options);
  const telemetry = new ProcessTelemetry({ role: 'proving', shard: genesis.shard });
  await telemetry.open(settings, directory, await openLog('veritape', () => telemetry.logFields()));
  const queue = await SpanQueue.open(url, genesisHash).catch(async (error: unknown) => {
    await telemetry.close();
    throw error;
  });
  using watch = telemetry.telemetry === undefined ? undefined : new QueueWatch(queue);
  const failed = new AbortController();
  const signal = AbortSignal.any([interruption.signal, failed.signal]);
  const workers = Array.from(
    { length: processes },
    () =>
      new ProvingWorker({
        directory,
        queue,
        memoryMax: memory,
        threads,
        onSpan: (span) => {
          spans.push(span);
          counts.take(span);
        },
        onStage: (stage) => progress.update(() => `${spans.length} spans proven; ${stage}`),
        onNotice: (text) => {
          notices.push(text);
          process.stderr.write(`prove: ${text}\n`);
        },
        onEnded: () => counts.failures++,
      }),
  );
  const addTo = (points: Points): void => {
    points.add('veritape.prover.processes', processes, { state: 'allowed' });
    points.add('veritape.prover.processes', workers.filter(({ isAtWork }) => isAtWork).length, { state: 'atWork' });
    counts.addTo(points);
    watch?.addTo(points);
  };
  telemetry.watch({ connection: queue.connection, proving: { addTo } });
  const works = workers.map((worker) => worker.run(signal).finally(() => failed.abort()));
  try {
    await Promise.all(works);
  } finally {
    failed.abort();
    await Promise.allSettled(works);
    await telemetry.close();
    await queue.close();
  }
  progress.stop();
  await printResult({ spans, notices }, json, () =>
    spans
      .map(({ firstSequence, lastSequence, bytes, file }) => {
        return `proof      sequences ${firstSequence} to ${lastSequence}, ${grouped(bytes)} bytes: ${file}`;
      })
      .join('\n'),
  );
  throw interruption.error(`stopped: ${spans.length} spans proven`);
}
