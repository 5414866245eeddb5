import { BlockView } from './block.ts';
import { type Finding, JournalError } from './findings.ts';
import { decodeGenesis, type Genesis, genesisHash } from './genesis.ts';
import { blockScratch, pointOf, SegmentFile, type SegmentState } from './segmentfile.ts';
import {
  type ChainPoint,
  dataPath,
  isThere,
  journalPath,
  missingSegment,
  samePoint,
  segmentFinding,
  segmentsIn,
} from './segments.ts';

/** More are not looked for: the journal is beyond help by then. */
const FINDINGS_MAX = 100;

export interface JournalReport {
  readonly genesis: Genesis | undefined;
  readonly segments: readonly SegmentReport[];
  /** Blocks that passed every check. */
  readonly blocks: number;
  readonly commands: number;
  /** The last block that passed. */
  readonly last: ChainPoint | undefined;
  readonly findings: readonly Finding[];
}

export interface SegmentReport {
  readonly segment: number;
  readonly firstBlock: number;
  readonly lastBlock: number;
  readonly sealed: boolean;
  readonly epoch: number;
}

/**
 * Checks a whole journal, page by page and block by block, and goes on behind damage: what a reader would throw at is
 * collected. For a journal that nobody writes; of one that is written it sees some moment of each segment.
 */
export function inspectJournal(dir: string): JournalReport {
  const root = journalPath(dir);
  const numbers = segmentsIn(root);
  if (numbers.length === 0) throw new JournalError('not-a-journal', `${root} holds no journal`);
  const inspection = new Inspection(root);
  for (const [i, segment] of numbers.entries()) {
    const expected = i === 0 ? segment : (numbers[i - 1] as number) + 1;
    for (let missing = expected; missing < segment; missing++) inspection.missing(missing);
    inspection.segment(segment);
  }
  return inspection.report();
}

class Inspection {
  readonly #root: string;
  readonly #findings: Finding[] = [];
  readonly #segments: SegmentReport[] = [];
  readonly #scratch = blockScratch();
  #genesisBytes: Buffer | undefined;
  #genesis: Genesis | undefined;
  #blocks = 0;
  #commands = 0;
  #last: ChainPoint | undefined;
  /** Where the chain stands; undefined behind damage, until a block is good by itself. */
  #before: ChainPoint | undefined;

  constructor(root: string) {
    this.#root = root;
  }

  missing(segment: number): void {
    this.#note(missingSegment(this.#root, segment).finding);
    this.#before = undefined;
  }

  segment(segment: number): void {
    if (!isThere(dataPath(this.#root, segment))) {
      this.missing(segment);
      return;
    }
    const file = new SegmentFile(this.#root, segment);
    try {
      const state = this.#state(file);
      if (state === undefined) this.#before = undefined;
      else if (state.begun) this.#walk(file, state);
    } finally {
      file.close();
    }
  }

  report(): JournalReport {
    return {
      genesis: this.#genesis,
      segments: this.#segments,
      blocks: this.#blocks,
      commands: this.#commands,
      last: this.#last,
      findings: this.#findings,
    };
  }

  /** The state of a segment, if it can be read, even though its pages are damaged elsewhere. */
  #state(file: SegmentFile): SegmentState | undefined {
    try {
      return file.check();
    } catch (error) {
      this.#noteError(error);
    }
    try {
      return file.state();
    } catch (error) {
      if (!(error instanceof JournalError)) throw error;
      return undefined;
    }
  }

  #walk(file: SegmentFile, state: SegmentState): void {
    const { segment } = file;
    const { start, sealed, lastBlock } = state;
    const wrong = (text: string): void => this.#note(segmentFinding(segment, 'segment', text));
    this.#segments.push({
      segment,
      firstBlock: start.block + 1,
      lastBlock,
      sealed: sealed !== undefined,
      epoch: state.epoch,
    });
    this.#checkGenesis(state, wrong);
    if (this.#before !== undefined && !samePoint(this.#before, start)) {
      wrong(`begins after block ${start.block}, but the segment before it ends with block ${this.#before.block}`);
    }
    this.#before = start;
    for (let block = start.block + 1; block <= lastBlock && this.#findings.length < FINDINGS_MAX; ) {
      const read = this.#readLeaf(file, block);
      if (read === 0) {
        wrong(`blocks ${block} to ${lastBlock} can not be found`);
        this.#before = undefined;
        return;
      }
      block += read;
    }
    if (this.#before !== undefined && sealed !== undefined && !samePoint(this.#before, sealed)) {
      wrong(`sealed after block ${sealed.block}, which is not its last`);
    }
    if (this.#last !== undefined && this.#last.epoch > state.epoch) {
      wrong(`holds a block of epoch ${this.#last.epoch}, but its writer had epoch ${state.epoch}`);
    }
    if (state.next !== undefined && !isThere(dataPath(this.#root, state.next))) this.missing(state.next);
  }

  #checkGenesis(state: SegmentState, wrong: (text: string) => void): void {
    if (this.#genesisBytes !== undefined) {
      if (!this.#genesisBytes.equals(state.genesis)) wrong('created with another genesis');
      return;
    }
    this.#genesisBytes = state.genesis;
    try {
      this.#genesis = decodeGenesis(state.genesis);
      if (state.start.block > 0 || state.start.hash.equals(genesisHash(this.#genesis))) return;
      wrong('does not begin with the hash of its genesis record');
    } catch (error) {
      if (!(error instanceof JournalError)) throw error;
      wrong(error.message);
    }
  }

  /** Reads the blocks of one leaf; the number of them, good or not. */
  #readLeaf(file: SegmentFile, block: number): number {
    let read = 0;
    try {
      for (const ref of file.refs(block)) {
        const before = this.#before;
        const expected = before && {
          firstSequence: before.sequence + 1,
          previousHash: before.hash,
          epochMin: before.epoch,
        };
        const view = file.read(ref, { ...expected, shard: this.#genesis?.shard }, this.#scratch);
        read++;
        if (view instanceof BlockView) {
          this.#before = pointOf(view);
          this.#last = this.#before;
          this.#blocks++;
          this.#commands += view.count;
        } else {
          this.#note(view);
          this.#before = undefined;
        }
      }
    } catch (error) {
      this.#noteError(error);
    }
    return read;
  }

  #noteError(error: unknown): void {
    if (!(error instanceof JournalError) || error.finding === undefined) throw error;
    this.#note(error.finding);
  }

  #note(finding: Finding | undefined): void {
    if (finding === undefined || this.#findings.length === FINDINGS_MAX) return;
    if (!this.#findings.some(({ text }) => text === finding.text)) this.#findings.push(finding);
  }
}
