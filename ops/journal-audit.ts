import { BLOCK_HEADER_WORDS, BlockView } from '../journal/block.ts';
import { hashOf } from '../journal/chain.ts';
import { COMMAND_WORDS } from '../journal/commands.ts';
import type { Finding } from '../journal/findings.ts';
import type { Genesis } from '../journal/genesis.ts';
import { pointOf } from '../journal/segmentfile.ts';
import type { ChainPoint } from '../journal/segments.ts';
import { loadSnapshot, type SnapshotHeader, SnapshotStore } from '../journal/snapshots.ts';
import { encodeState, restoreState, StateError, StateScratch, whyNotReadable } from '../replicas/canonical-state.ts';
import { type AssetSums, sumAssets, whyNotConserved } from '../replicas/conservation.ts';
import { EventBuffer } from '../replicas/event-buffer.ts';
import { listInstruments } from '../replicas/instrument-table.ts';
import { createMatcher, type MarketState, type Matcher } from '../replicas/matcher.ts';
import { applyBlock } from '../replicas/replay.ts';
import type { Interruption } from './cli/interruption.ts';
import type { TextOutput } from './cli/text-output.ts';
import { systemCode, UsageError } from './exit-codes.ts';
import {
  beginOf,
  checkPages,
  findingOf,
  type JournalSurvey,
  readBlock,
  surveyJournal,
  walkChain,
} from './journal-survey.ts';
import { EventCounts, EventLines } from './ndjson/ndjson-events.ts';

/** Findings after these are counted and no more. */
const FINDINGS_MAX = 100;
const EVENT_SLOTS = 4_096;

export interface AuditOptions {
  /** Replay may begin at the newest snapshot before this sequence. */
  readonly from?: number | undefined;
  /** Replay ends with this sequence. */
  readonly to?: number | undefined;
  /** Takes the events of the commands from `from` to `to`, as NDJSON. */
  readonly events?: TextOutput | undefined;
}

export interface SequenceRange {
  readonly from: number;
  readonly to: number;
}

/** A snapshot whose file is good and which the chain bears out. */
interface FittingSnapshot {
  readonly file: string;
  readonly header: SnapshotHeader;
}

/**
 * Checks a journal from end to end, and the venue's state by replaying its commands on the way. Damage becomes a
 * finding, and checking goes on behind it as far as that can be.
 */
export class JournalAudit {
  readonly findings: Finding[] = [];
  /** All of them, also those that were not kept. */
  findingCount = 0;
  genesis: Genesis | undefined;
  segments = 0;
  blocks = 0;
  commands = 0;
  epochs = 0;
  /** The last block that is good, or where the kept journal begins. */
  last: ChainPoint | undefined;
  firstSequence = 0;
  /** Sequence of the snapshot that replay began from; 0 for the begin of the journal, undefined if it did not begin. */
  startedFrom: number | undefined;
  /** In order; more than one if damage ended a replay and a later snapshot began another. */
  readonly replayed: SequenceRange[] = [];
  replayedCommands = 0;
  readonly counts = new EventCounts();
  snapshotsFound = 0;
  snapshotsCompared = 0;
  /** After the last command that was replayed. */
  stateHash = '';
  /** What there was of each asset at the end of the replay. */
  assets: readonly AssetSums[] = [];
  readonly #directory: string;
  readonly #options: AuditOptions;
  readonly #lines = new EventLines();
  readonly #scratch = new StateScratch();
  /** By the block they were taken after. */
  readonly #snapshots = new Map<number, FittingSnapshot>();
  /** Block after which replay is to begin; undefined for any that has a snapshot. */
  #startBlock: number | undefined;
  #matcher: Matcher | undefined;
  #events = new EventBuffer(EVENT_SLOTS);
  #replayFrom = 0;

  constructor(directory: string, options: AuditOptions = {}) {
    this.#directory = directory;
    this.#options = options;
  }

  /** Ends early when it is interrupted. Throws a JournalError 'not-a-journal', or a UsageError for the options. */
  async run(interruption: Interruption, told: () => void = () => undefined): Promise<void> {
    // Listed first, so that none can be of a block that was written after the end was looked for.
    const files = await new SnapshotStore(this.#directory).list();
    const survey = surveyJournal(this.#directory);
    for (const finding of survey.findings) this.#find(finding);
    for (const { segment, state } of survey.segments) {
      const wrong = state && checkPages(survey, segment);
      if (wrong !== undefined) this.#find(wrong);
    }
    this.segments = survey.segments.length;
    this.genesis = survey.genesis;
    const begin = beginOf(survey);
    if (begin === undefined || this.genesis === undefined) return;
    const last = endOf(survey);
    checkOptions(this.#options, begin, last);

    this.snapshotsFound = files.length;
    for (const { file } of files.reverse()) await this.#takeSnapshot(file, survey, this.genesis, begin, last);
    this.#chooseStart(begin);
    this.firstSequence = begin.sequence + 1;
    this.last = begin;
    await this.#beginReplay(begin.block);
    for (const step of walkChain(survey)) {
      if (step instanceof BlockView) await this.#takeBlock(step);
      else this.#find(step);
      if (this.#lines.text.full) await this.#options.events?.write(this.#lines.text.take());
      told();
      await interruption.turn();
      if (interruption.requested) break;
    }
    this.#endReplay();
    await this.#options.events?.write(this.#lines.text.take());
    if (this.startedFrom !== undefined || this.findingCount > 0 || interruption.requested) return;
    const text = `nothing could be replayed: the journal begins after block ${begin.block}, and no snapshot fits it`;
    this.#find({ kind: 'no-start', text });
  }

  /** Checks a snapshot by itself and against the chain. */
  async #takeSnapshot(
    file: string,
    survey: JournalSurvey,
    genesis: Genesis,
    begin: ChainPoint,
    last: ChainPoint | undefined,
  ): Promise<void> {
    try {
      const { header } = await loadSnapshot(file);
      if (header.block < begin.block) return;
      const point = header.block === begin.block ? begin : pointAt(survey, header.block);
      const why = whyNotOf(header, genesis, point, last);
      if (why !== undefined) this.#find({ kind: 'snapshot', text: `${file}: ${why}`, file, block: header.block });
      else if (point !== undefined) this.#snapshots.set(header.block, { file, header });
    } catch (error) {
      // Its writer, which may be at work, has dropped it since the folder was listed.
      if (systemCode(error) === 'ENOENT') this.snapshotsFound--;
      else this.#find(findingOf(error, file));
    }
  }

  /** The begin of the journal if that is kept, unless only what comes after a snapshot is asked for. */
  #chooseStart(begin: ChainPoint): void {
    const { from } = this.#options;
    const fitting = [...this.#snapshots.values()].map(({ header }) => header);
    const before = from === undefined ? undefined : fitting.findLast((header) => header.sequence < from);
    if (before !== undefined) this.#startBlock = before.block;
    else if (begin.block === 0) this.#startBlock = 0;
    else if (from === undefined || this.findingCount > 0) this.#startBlock = fitting[0]?.block;
    else throw new UsageError('from', from, 'no snapshot before it is left to begin from');
  }

  /** Counts a good block, and replays it if there is a state to replay it on. */
  async #takeBlock(view: BlockView): Promise<void> {
    if (this.blocks === 0 || this.last?.epoch !== view.epoch) this.epochs++;
    this.blocks++;
    this.commands += view.count;
    this.last = pointOf(view);
    if (this.#follows(view)) this.#replay(view);
    else this.#endReplay();
    const snapshot = this.#snapshots.get(view.block);
    if (snapshot === undefined) return;
    if (this.#matcher === undefined) await this.#beginReplay(view.block);
    else if (this.#matcher.sequence() === view.lastSequence) this.#compare(this.#matcher, snapshot);
  }

  /** Whether a replay has come to this block, or has gone as far as it should. */
  #follows(view: BlockView): boolean {
    const sequence = this.#matcher?.sequence() ?? 0;
    return sequence === view.firstSequence - 1 || sequence === this.#options.to;
  }

  #replay(view: BlockView): void {
    const matcher = this.#matcher;
    if (matcher === undefined) return;
    const { from = 1, to = Number.MAX_SAFE_INTEGER, events: output } = this.#options;
    const events = this.#events;
    const count = Math.max(0, Math.min(view.count, to - view.firstSequence + 1));
    if (output === undefined) {
      applyBlock(matcher, view, () => this.#count(), count);
    } else {
      for (let index = 0; index < count; index++) {
        matcher.apply(view.words, BLOCK_HEADER_WORDS + index * COMMAND_WORDS);
        const sequence = view.firstSequence + index;
        if (sequence < from) this.#lines.learn(events.words, events.next);
        else this.#lines.command(sequence, events.words, events.next);
        this.#count();
      }
    }
    this.replayedCommands += count;
  }

  #count(): void {
    this.counts.add(this.#events.words, this.#events.next);
    this.#events.clear();
  }

  #compare(matcher: Matcher, { file, header }: FittingSnapshot): void {
    this.snapshotsCompared++;
    if (!this.#isConserved(matcher.state)) return;
    const hash = hashOf(encodeState(matcher.state, this.#scratch));
    if (hash.equals(header.stateHash)) return;
    const text =
      `${file}: after sequence ${header.sequence} the replayed state has hash ${hash.toString('hex')}, ` +
      `the snapshot has ${header.stateHash.toString('hex')}`;
    this.#find({ kind: 'state', text, file, block: header.block });
  }

  /** Makes a state for what comes after `block`, if replay may begin there. */
  async #beginReplay(block: number): Promise<void> {
    const snapshot = this.#snapshots.get(block);
    if (this.genesis === undefined || (this.#startBlock ?? block) !== block) return;
    if (block !== 0 && snapshot === undefined) return;
    if (snapshot !== undefined && snapshot.header.sequence >= (this.#options.to ?? Number.MAX_SAFE_INTEGER)) return;
    this.#startBlock = undefined;
    const events = new EventBuffer(EVENT_SLOTS);
    const matcher = createMatcher(this.genesis.limits, events);
    if (snapshot !== undefined) {
      try {
        const { state } = await loadSnapshot(snapshot.file);
        restoreState(matcher.state, state);
      } catch (error) {
        if (systemCode(error) === 'ENOENT') this.#startLater(block);
        else if (!(error instanceof StateError)) this.#find(findingOf(error, snapshot.file));
        else this.#find({ kind: 'state', text: `${snapshot.file}: ${error.message}`, file: snapshot.file });
        return;
      }
      for (const { symbol, name } of listInstruments(matcher.state.instruments)) this.#lines.name(symbol, name);
    }
    this.#matcher = matcher;
    this.#events = events;
    this.#replayFrom = matcher.sequence() + 1;
    this.startedFrom ??= matcher.sequence();
  }

  /** The snapshot of `block` was dropped by its writer: another one must do. */
  #startLater(block: number): void {
    this.snapshotsFound--;
    this.#snapshots.delete(block);
    for (const later of this.#snapshots.keys()) {
      if (later <= block) continue;
      this.#startBlock = later;
      return;
    }
  }

  /** Whether every asset adds up. A state in which one does not has no bytes, and so no hash. */
  #isConserved(state: MarketState): boolean {
    const why = whyNotConserved(state);
    if (why !== undefined) this.#find({ kind: 'balances', text: why });
    return why === undefined;
  }

  #endReplay(): void {
    const matcher = this.#matcher;
    if (matcher === undefined) return;
    this.#matcher = undefined;
    this.assets = sumAssets(matcher.state.accounts);
    if (this.#isConserved(matcher.state))
      this.stateHash = hashOf(encodeState(matcher.state, this.#scratch)).toString('hex');
    const to = matcher.sequence();
    if (to >= this.#replayFrom) this.replayed.push({ from: this.#replayFrom, to });
  }

  /** The same damage may be met more than once on the way. */
  #find(finding: Finding): void {
    if (this.findings.some(({ text }) => text === finding.text)) return;
    this.findingCount++;
    if (this.findings.length < FINDINGS_MAX) this.findings.push(finding);
  }
}

/** The last block; undefined if it can not be told, because something is damaged or missing. */
function endOf(survey: JournalSurvey): ChainPoint | undefined {
  if (survey.findings.length > 0) return undefined;
  const { start, lastBlock } = survey.segments.findLast(({ state }) => state?.begun)?.state ?? {};
  return lastBlock === undefined || lastBlock === start?.block ? start : pointAt(survey, lastBlock);
}

function checkOptions(options: AuditOptions, begin: ChainPoint, last: ChainPoint | undefined): void {
  const { from, to } = options;
  if (from !== undefined && to !== undefined && from > to)
    throw new UsageError('from', from, `must not be after ${to}`);
  for (const [name, value] of Object.entries({ from, to })) {
    // Of a damaged journal it can not be told what there was.
    if (value === undefined || last === undefined) continue;
    if (value > last.sequence) {
      throw new UsageError(name, value, `the last sequence of the journal is ${last.sequence}`);
    }
    if (value <= begin.sequence) throw new UsageError(name, value, `the first sequence kept is ${begin.sequence + 1}`);
  }
}

/** The chain at a block; undefined where it is damaged, which the walk along the chain finds. */
function pointAt(survey: JournalSurvey, block: number): ChainPoint | undefined {
  const view = readBlock(survey, block);
  return view instanceof BlockView ? pointOf(view) : undefined;
}

/** Why a snapshot is not one of this journal. */
function whyNotOf(
  header: SnapshotHeader,
  genesis: Genesis,
  point: ChainPoint | undefined,
  last: ChainPoint | undefined,
): string | undefined {
  if (header.shard !== genesis.shard) return `of shard ${header.shard}, the journal is of shard ${genesis.shard}`;
  const unreadable = whyNotReadable(header.codec);
  if (unreadable !== undefined) return unreadable;
  if (last !== undefined && header.block > last.block) {
    return `taken after block ${header.block}, the journal ends with block ${last.block}`;
  }
  if (point === undefined) return undefined;
  if (header.sequence !== point.sequence) {
    return `of sequence ${header.sequence}, but block ${point.block} ends with sequence ${point.sequence}`;
  }
  if (header.chainHash.equals(point.hash)) return undefined;
  const [here, there] = [point.hash, header.chainHash].map((hash) => hash.toString('hex'));
  return `of another chain: block ${point.block} has hash ${here}, not ${there}`;
}
