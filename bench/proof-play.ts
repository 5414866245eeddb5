import { JournalReader } from '../journal/reader.ts';
import { writeWhole } from '../proofs/matching/proof-store.ts';
import { planRows, proveSpan } from '../proofs/matching/prove-span.ts';
import { SpanReader } from '../proofs/matching/span.ts';
import { provenCircuit } from '../proofs/matching/verify-proof.ts';
import { createSimdKernels } from '../proofs/stark/kernels/simd-kernels.ts';
import { EventBuffer } from '../replicas/event-buffer.ts';
import { createMatcher } from '../replicas/matcher.ts';
import { applyBlock } from '../replicas/replay.ts';

/**
 * node proof-play.ts prove JOURNAL HEIGHT THREADS PROOF: proves the first span of a journal as `veritape prove` does.
 * node proof-play.ts replay JOURNAL LAST-SEQUENCE: what an auditor does who has no proof.
 *
 * Each in a fresh process, its outcome as JSON. Times count from the start of the process.
 */
export interface PlayedProof {
  readonly commands: number;
  readonly lastSequence: number;
  readonly rows: number;
  readonly bytes: number;
  readonly elapsedMs: number;
  /** Of all threads. */
  readonly processorMs: number;
  /** Most memory the process has held. */
  readonly peakBytes: number;
  /** In their order. */
  readonly stagesMs: Readonly<Record<string, number>>;
}

export interface PlayedReplay {
  readonly commands: number;
  /** Without the start of Node and the loading of the code. */
  readonly replayMs: number;
  readonly elapsedMs: number;
}

/** What `veritape prove` holds at most unless it is told. */
const MEMORY_MAX = 2 ** 31;
const EVENT_SLOTS = 4096;

async function prove(directory: string, heightLog: number, threads: number, file: string): Promise<PlayedProof> {
  const stagesMs: Record<string, number> = {};
  let before = 0;
  const stage = (name: string): void => {
    const now = performance.now();
    stagesMs[name] = now - before;
    before = now;
  };
  stage('start of the process');
  const plan = { profile: 'standard', hidden: false, heightLog, memoryMax: MEMORY_MAX } as const;
  const spans = new SpanReader(directory, { rows: planRows(plan) });
  const span = await spans.next(1);
  if (span === undefined) throw new Error(`${directory}: there is nothing to prove`);
  stage('journal and witness');
  const kernels = createSimdKernels(provenCircuit(span.witness.rules), threads);
  stage('circuit and kernels');
  const bytes = proveSpan(span, spans.reader, plan, kernels, stage);
  await writeWhole(file, bytes);
  stage('file');
  kernels.close();
  const { user, system } = process.cpuUsage();
  return {
    commands: span.witness.commands,
    lastSequence: span.lastSequence,
    rows: span.witness.rowsUsed,
    bytes: bytes.length,
    elapsedMs: before,
    processorMs: (user + system) / 1000,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    stagesMs,
  };
}

function replay(directory: string, lastSequence: number): PlayedReplay {
  const started = performance.now();
  const reader = JournalReader.open(directory);
  const events = new EventBuffer(EVENT_SLOTS);
  const matcher = createMatcher(reader.genesis.limits, events);
  let commands = 0;
  for (const block of reader.blocks()) {
    applyBlock(matcher, block, () => events.clear());
    commands = block.lastSequence;
    if (commands >= lastSequence) break;
  }
  const elapsedMs = performance.now();
  return { commands, replayMs: elapsedMs - started, elapsedMs };
}

if (import.meta.main) {
  const [kind, directory = '', number = '', threads = '', file = ''] = process.argv.slice(2);
  const played =
    kind === 'prove'
      ? await prove(directory, Number(number), Number(threads), file)
      : replay(directory, Number(number));
  process.stdout.write(JSON.stringify(played));
}
