import { setTimeout as pause } from 'node:timers/promises';
import { BlockLookup } from '../../journal/block-lookup.ts';
import { JournalReader } from '../../journal/reader.ts';
import type { SequenceRange } from '../../proofs/matching/proof-store.ts';
import { planRows } from '../../proofs/matching/prove-span.ts';
import { usualCommands } from '../../proofs/matching/router.ts';
import type { Points } from '../telemetry/points.ts';
import type { ProvingWatch } from '../telemetry/readings.ts';
import type { Notice } from '../venue/venue.ts';
import {
  type Ceiling,
  type ProverBounds,
  ProverCount,
  type ProverDecision,
  type ProvingTurn,
  type VenueStrain,
} from './prover-count.ts';
import type { ProvenSpan, ProverSettings } from './prover-process.ts';
import { Proving } from './proving.ts';
import { ProvingCounts } from './proving-counts.ts';

export interface FollowingOptions extends ProverSettings {
  /** What is to be proven of the commands up to `end`; all behind it is, too. */
  readonly ranges: readonly SequenceRange[];
  readonly end: number;
  readonly bounds: ProverBounds;
  readonly behindSeconds: number;
  /** What a prover is thought to take for a span, until one is done. */
  readonly spanSeconds: number;
  readonly memoryOfProver: number;
  readonly strain: () => Promise<VenueStrain>;
  readonly onNotice: (notice: Notice) => void;
}

const TURN_MS = 1_000;
/** How much of a mean is of the newest turn, and of the newest span. */
const RATE_SHARE = 0.2;
const SPAN_SHARE = 0.3;
/** Provers are too few for so many turns before that is told. */
const ALERT_TURNS = 5;
/** Decisions that are kept to be looked at. */
const DECISIONS_KEPT = 64;
/** Commands without a proof that are told one by one; the others are counted. */
const NOTICES_TOLD_MAX = 100;
const NS_PER_MS = 1_000_000n;

const SUGGESTIONS: Readonly<Record<Ceiling, string>> = {
  max: 'all provers that may be are at work: a higher --processes-max, or other hosts (--nats, --work)',
  memory: 'memory is too short for one more: a smaller --memory or --height, or another host',
  venue: "the venue needs the cores: prove a follower's copy on another host, or give it a higher --ack-target-ms",
};

/** Proves what a venue journals, as it comes, with as many provers as that takes. */
export class FollowingProving implements ProvingWatch {
  readonly #options: FollowingOptions;
  readonly #reader: JournalReader;
  readonly #lookup: BlockLookup;
  readonly #proving: Proving;
  readonly #count: ProverCount;
  readonly decisions: (ProverDecision & { readonly at: string })[] = [];
  readonly counts = new ProvingCounts();
  /** What was told of commands that are in no proof. */
  notices = 0;
  #end: number;
  #provers: number;
  #rate = 0;
  #spanSeconds: number;
  #pausedAt = Number.NEGATIVE_INFINITY;
  #first: { readonly sequence: number; readonly atMs: number } | undefined;
  #short = 0;
  #isShort = false;
  #isOver = false;

  constructor(options: FollowingOptions) {
    const { directory, plan, commandsMax, commandsMin, threads, nice, ranges, end, bounds } = options;
    this.#options = options;
    this.#reader = JournalReader.open(directory);
    this.#lookup = new BlockLookup(this.#reader);
    this.#end = end;
    this.#provers = bounds.min;
    this.#spanSeconds = options.spanSeconds;
    this.#count = new ProverCount(bounds, options.behindSeconds);
    this.#proving = new Proving({
      ...{ directory, plan, commandsMax, commandsMin, threads, nice, ranges },
      processes: bounds.min,
      isDue: (first) => this.#isDue(first),
      onSpan: (span) => this.#take(span),
      onEnded: () => this.counts.failures++,
      onStage: () => undefined,
      onNotice: (text) => {
        if (++this.notices <= NOTICES_TOLD_MAX) this.#tell('warn', text, { notices: this.notices });
      },
    });
  }

  /** The last sequence of the journal, as far as it was looked at. */
  get sequence(): number {
    return this.#end;
  }

  addTo(points: Points): void {
    const unproven = this.#unproven();
    points.add('veritape.prover.backlog', commandsOf(unproven));
    points.add('veritape.prover.oldest', this.#ageOf(unproven));
    points.add('veritape.prover.target', this.#options.behindSeconds);
    points.add('veritape.prover.processes', this.#provers, { state: 'allowed' });
    points.add('veritape.prover.processes', this.#proving.atWork, { state: 'atWork' });
    this.counts.addTo(points);
  }

  /** Resolves when `signal` aborted and all provers have ended. */
  async run(signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const parts = [this.#proving.run(either), this.#turns(either)].map((part) => part.finally(() => over.abort()));
    try {
      await Promise.all(parts);
    } finally {
      await Promise.allSettled(parts);
      this.#isOver = true;
      this.#lookup.close();
    }
  }

  async #turns(signal: AbortSignal): Promise<void> {
    for (let before = performance.now(); !signal.aborted; ) {
      const strain = await this.#options.strain();
      const now = performance.now();
      this.#turn(strain, Math.max(1, now - before) / 1000);
      before = now;
      await pause(TURN_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #turn(venue: VenueStrain, seconds: number): void {
    const end = this.#reader.last.sequence;
    this.#rate += ((end - this.#end) / seconds - this.#rate) * RATE_SHARE;
    if (end > this.#end) this.#proving.extend({ from: this.#end + 1, to: end });
    this.#end = end;
    const { plan, commandsMax, memoryOfProver } = this.#options;
    const unproven = this.#unproven();
    const turn: ProvingTurn = {
      backlogCommands: commandsOf(unproven),
      oldestSeconds: this.#ageOf(unproven),
      commandsPerSecond: this.#rate,
      spanCommands: Math.min(commandsMax ?? Number.MAX_SAFE_INTEGER, usualCommands(plan)),
      spanSeconds: this.#spanSeconds,
      memoryFree: process.availableMemory(),
      memoryOfProver,
      venue,
    };
    const decision = this.#count.decide(turn, this.#provers);
    if (decision !== undefined) this.#carryOut(decision);
    this.#watch(turn);
    // Commands that have waited long enough are due although nothing came.
    this.#proving.wake();
  }

  #carryOut(decision: ProverDecision): void {
    const { from, to, why, pauses } = decision;
    if (pauses) this.#pausedAt = performance.now();
    this.#provers = to;
    this.#proving.resize(to, pauses);
    this.decisions.push({ ...decision, at: new Date().toISOString() });
    if (this.decisions.length > DECISIONS_KEPT) this.decisions.shift();
    this.#tell('info', 'tuned', { bound: 'provers', from, to, why });
  }

  /** Tells once that there are too few provers, and once when there are enough again. */
  #watch(turn: ProvingTurn): void {
    const { behindSeconds } = this.#options;
    const ceiling = this.#count.ceiling(turn, this.#provers);
    const isOver = this.#isShort ? turn.oldestSeconds > behindSeconds : ceiling !== undefined;
    this.#short = isOver === this.#isShort ? 0 : this.#short + 1;
    if (this.#short < ALERT_TURNS) return;
    this.#short = 0;
    this.#isShort = isOver;
    const { oldestSeconds, backlogCommands } = turn;
    const fields = { oldestSeconds: Math.round(oldestSeconds), behindSeconds, backlogCommands, provers: this.#provers };
    if (ceiling === undefined) this.#tell('info', 'as usual again', fields);
    else this.#tell('warn', 'proofs are behind', { ...fields, suggestion: SUGGESTIONS[ceiling] });
  }

  /** A span is begun when it is whole, when its first command has waited for half of the time, or when nothing more can come to it. */
  #isDue(first: SequenceRange): boolean {
    const { plan, commandsMax, behindSeconds } = this.#options;
    if (first.to < this.#end) return true;
    // A command takes a row at least.
    const whole = Math.min(commandsMax ?? Number.MAX_SAFE_INTEGER, planRows(plan));
    return first.to - first.from + 1 >= whole || this.#ageOf([first]) >= behindSeconds / 2;
  }

  #unproven(): SequenceRange[] {
    return [...this.#proving.taken, ...this.#proving.waiting];
  }

  /** Seconds since the first command of these was journaled. */
  #ageOf(ranges: readonly SequenceRange[]): number {
    const sequence = ranges.reduce((first, { from }) => Math.min(first, from), Number.POSITIVE_INFINITY);
    if (sequence > this.#end || this.#isOver) return 0;
    if (this.#first?.sequence !== sequence) {
      const block = this.#lookup.read(this.#reader.blockOf(sequence));
      if (block === undefined) return 0;
      this.#first = { sequence, atMs: Number(block.time / NS_PER_MS) };
    }
    return Math.max(0, Date.now() - this.#first.atMs) / 1000;
  }

  #take(span: ProvenSpan): void {
    const { firstSequence, lastSequence, bytes, witnessMs, proveMs, file } = span;
    this.counts.take(span);
    const tookMs = witnessMs + proveMs;
    // One that stood still in between tells nothing of how long it takes.
    if (performance.now() - tookMs > this.#pausedAt)
      this.#spanSeconds += (tookMs / 1000 - this.#spanSeconds) * SPAN_SHARE;
    this.#tell('info', 'proven', { firstSequence, lastSequence, bytes, tookMs, file });
  }

  #tell(level: Notice['level'], text: string, fields: Notice['fields']): void {
    this.#options.onNotice({ level, text, fields });
  }
}

function commandsOf(ranges: readonly SequenceRange[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
}
