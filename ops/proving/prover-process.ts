import { setPriority } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { JournalError, type JournalErrorCode } from '../../journal/findings.ts';
import { drawSecrets, spendSecrets } from '../../proofs/matching/hiding-secrets.ts';
import type { Rules } from '../../proofs/matching/market-columns.ts';
import { ProofStore, writeWhole } from '../../proofs/matching/proof-store.ts';
import { type ProvingPlan, planRows, proveSpan } from '../../proofs/matching/prove-span.ts';
import { SpanReader } from '../../proofs/matching/span.ts';
import { provenCircuit } from '../../proofs/matching/verify-proof.ts';
import { SpanFullError } from '../../proofs/matching/witness-rows.ts';
import type { ProverKernels } from '../../proofs/stark/kernels/kernels.ts';
import { createSimdKernels } from '../../proofs/stark/kernels/simd-kernels.ts';
import { endWithParent, Refused } from '../../sequencer/linux.ts';
import { isExpected } from '../exit-codes.ts';

/** What the prover process is asked: the first span of these commands. */
export interface ProvingJob {
  readonly from: number;
  readonly to: number;
  /** Where the proof goes, if not among the venue's. */
  readonly out?: string | undefined;
}

export interface ProverSettings {
  readonly directory: string;
  readonly plan: ProvingPlan;
  readonly commandsMax?: number | undefined;
  readonly commandsMin?: number | undefined;
  readonly threads: number;
  /** Niceness of the process, 0 to 19; that of its parent unless given. */
  readonly nice?: number | undefined;
}

export interface ProvenSpan {
  readonly file: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly commands: number;
  readonly rows: number;
  readonly bytes: number;
  readonly witnessMs: number;
  readonly proveMs: number;
  /** Most memory the process has held. */
  readonly peakBytes: number;
}

/** What the prover process tells. */
export type ProverNews =
  /** With whether the kernel ends it with its parent, though it be stopped: only then it may be. */
  | { readonly kind: 'ready'; readonly endsWithParent: boolean }
  | { readonly kind: 'unprovable'; readonly text: string }
  | { readonly kind: 'stage'; readonly stage: string }
  /** Which commands the span takes: the next one can be asked for elsewhere. */
  | { readonly kind: 'cut'; readonly firstSequence: number; readonly lastSequence: number }
  | { readonly kind: 'done'; readonly span: ProvenSpan }
  /** There is nothing to prove among these commands. */
  | { readonly kind: 'none' }
  | ProverFailure;

export interface ProverFailure {
  readonly kind: 'failed';
  readonly text: string;
  /** What the journal said; a span without room; something else that the text says all about; or a fault of the program. */
  readonly cause: JournalErrorCode | 'span' | 'expected' | 'fault';
  readonly stack?: string | undefined;
}

/** Time in which the threads of kernels that were closed end, as they do by themselves. */
const THREADS_END_MS = 100;

/** What kernels of another circuit held would else be held beside what the next ones need: twice the memory. */
async function collectGarbage(): Promise<void> {
  await setTimeout(THREADS_END_MS);
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

/** The life of a prover process: jobs come in messages, one at a time, each behind the one before. */
export function runProverProcess(settings: ProverSettings): void {
  const { directory, plan, commandsMax, commandsMin, threads, nice } = settings;
  // Before the threads that prove are started, which take it over.
  if (nice !== undefined) setPriority(nice);
  const endsWithParent = isEndedWithParent();
  const tell = (news: ProverNews): void => {
    process.send?.(news);
  };
  const onUnprovable = (error: Error): void => tell({ kind: 'unprovable', text: error.message });
  const limits = { rows: planRows(plan), commandsMax, commandsMin, blockEnds: true, onUnprovable };
  const spans = new SpanReader(directory, limits);
  const { genesis, genesisHash } = spans.reader;
  const parent = process.ppid;
  const store = new ProofStore(directory);
  let kernels: { readonly of: ProverKernels; readonly rules: Rules } | undefined;
  const prove = async ({ from, to, out }: ProvingJob): Promise<void> => {
    const started = performance.now();
    tell({ kind: 'stage', stage: 'reading the journal' });
    const span = await spans.next(from, to);
    if (span === undefined) return tell({ kind: 'none' });
    const { firstSequence, lastSequence, witness } = span;
    const begun = performance.now();
    // Those of a circuit keep memory: one at a time.
    if (kernels?.rules !== witness.rules) {
      kernels?.of.close();
      const isChange = kernels !== undefined;
      kernels = undefined;
      if (isChange) await collectGarbage();
      kernels = { of: createSimdKernels(provenCircuit(witness.rules), threads), rules: witness.rules };
    }
    const place = out ?? store.pathOf(firstSequence, lastSequence);
    const secrets = plan.hidden ? await drawSecrets(place, firstSequence) : undefined;
    tell({ kind: 'cut', firstSequence, lastSequence });
    const told = (stage: string): void => {
      // Its parent was killed, and could not say so: this thread hears nothing while it proves.
      if (process.ppid !== parent) process.exit();
      tell({ kind: 'stage', stage });
    };
    const bytes = proveSpan(span, { genesis, genesisHash }, plan, kernels.of, told, secrets);
    const ended = performance.now();
    if (secrets !== undefined) await spendSecrets(place);
    if (out !== undefined) await writeWhole(out, bytes);
    const file = out ?? (await store.write(firstSequence, lastSequence, bytes));
    tell({
      kind: 'done',
      span: {
        file,
        firstSequence,
        lastSequence,
        commands: witness.commands,
        rows: witness.rowsUsed,
        bytes: bytes.length,
        witnessMs: Math.round(begun - started),
        proveMs: Math.round(ended - begun),
        peakBytes: process.resourceUsage().maxRSS * 1024,
      },
    });
  };
  process.on('message', (job: ProvingJob) => {
    prove(job).catch((error: unknown) => tell(failureOf(error)));
  });
  // Ctrl-C and a closed terminal reach the whole group: they are the parent's to answer.
  for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => undefined);
  // Its parent has ended, or wants no more.
  process.on('disconnect', () => process.exit());
  tell({ kind: 'ready', endsWithParent });
}

function isEndedWithParent(): boolean {
  try {
    endWithParent();
    return true;
  } catch (error) {
    if (error instanceof Refused) return false;
    throw error;
  }
}

function failureOf(error: unknown): ProverFailure {
  if (!(error instanceof Error)) return { kind: 'failed', text: String(error), cause: 'fault' };
  const text = error.message;
  if (error instanceof JournalError) return { kind: 'failed', text, cause: error.code };
  if (error instanceof SpanFullError) return { kind: 'failed', text, cause: 'span' };
  return { kind: 'failed', text, cause: isExpected(error) ? 'expected' : 'fault', stack: error.stack };
}
