import { statSync } from 'node:fs';
import { BlockView } from '../journal/block.ts';
import { type Finding, JournalError } from '../journal/findings.ts';
import { decodeGenesis, type Genesis, genesisHash } from '../journal/genesis.ts';
import { blockScratch, pointOf, SegmentFile, type SegmentState } from '../journal/segmentfile.ts';
import {
  type ChainPoint,
  dataPath,
  isThere,
  journalPath,
  samePoint,
  segmentFinding,
  segmentsIn,
} from '../journal/segments.ts';

/** A segment as it is found. */
export interface SurveyedSegment {
  readonly segment: number;
  readonly file: string;
  readonly fileBytes: number;
  /** Bytes in use; the rest was written out ahead. */
  readonly usedBytes: number;
  /** Undefined if it can not be read. */
  readonly state: SegmentState | undefined;
}

/**
 * What there is of a journal. Unlike journal/reader.ts, which gives out nothing that is not whole, this looks at each
 * segment by itself, so that it can say what is left of a damaged one. It reads files only; the journal may be in use.
 */
export interface JournalSurvey {
  readonly root: string;
  /** Oldest first. */
  readonly segments: readonly SurveyedSegment[];
  readonly genesis: Genesis | undefined;
  /** What is wrong with segments as a whole. */
  readonly findings: readonly Finding[];
}

/** Throws a JournalError 'not-a-journal' if there is nothing, or nothing that was begun. */
export function surveyJournal(directory: string): JournalSurvey {
  const root = journalPath(directory);
  const findings: Finding[] = [];
  let segments = surveySegments(root, findings);
  const next = segments.at(-1)?.state?.next;
  // Its writer may have gone on to another segment after they were listed.
  if (next !== undefined && isThere(dataPath(root, next))) segments = surveySegments(root, findings);
  if (findings.length === 0 && !segments.some(({ state }) => state?.begun)) {
    throw new JournalError('not-a-journal', `${root} holds no journal`);
  }
  for (const [index, { segment }] of segments.entries()) {
    const before = segments[index - 1];
    if (before !== undefined && segment !== before.segment + 1) {
      findings.push(missing(before.segment + 1, segment - 1));
    }
  }
  const end = segments.at(-1)?.state?.next;
  if (end !== undefined) findings.push(missing(end, end));
  return { root, segments, genesis: genesisOf(segments, findings), findings };
}

function surveySegments(root: string, findings: Finding[]): SurveyedSegment[] {
  findings.length = 0;
  return segmentsIn(root).map((segment) => surveySegment(root, segment, findings));
}

function surveySegment(root: string, segment: number, findings: Finding[]): SurveyedSegment {
  const file = dataPath(root, segment);
  if (!isThere(file)) {
    findings.push(segmentFinding(segment, 'missing-segment', `${file}: there is no such file`));
    return { segment, file, fileBytes: 0, usedBytes: 0, state: undefined };
  }
  const fileBytes = statSync(file).size;
  const pages = new SegmentFile(root, segment);
  try {
    return { segment, file, fileBytes, state: pages.state(), usedBytes: pages.usedBytes() };
  } catch (error) {
    findings.push(findingOf(error));
    return { segment, file, fileBytes, usedBytes: 0, state: undefined };
  } finally {
    pages.close();
  }
}

function missing(from: number, to: number): Finding {
  const text = from === to ? `segment ${from} is missing` : `segments ${from} to ${to} are missing`;
  return { kind: 'missing-segment', text, segment: from };
}

function genesisOf(segments: readonly SurveyedSegment[], findings: Finding[]): Genesis | undefined {
  for (const { state } of segments) {
    if (!state?.begun) continue;
    try {
      return decodeGenesis(state.genesis);
    } catch (error) {
      findings.push(findingOf(error));
    }
  }
  return undefined;
}

/** Where what is kept of the journal begins, as far as can be told. */
export function beginOf(survey: JournalSurvey): ChainPoint | undefined {
  return survey.segments.find(({ state }) => state?.begun)?.state?.start;
}

/** All that LMDB would trust in a segment, and that its block numbers have no gap. */
export function checkPages(survey: JournalSurvey, segment: number): Finding | undefined {
  const file = new SegmentFile(survey.root, segment);
  try {
    file.check();
    return undefined;
  } catch (error) {
    return findingOf(error);
  } finally {
    file.close();
  }
}

/** A block checked by itself, not as one of a chain; undefined if no segment has it. The view has its own memory. */
export function readBlock(survey: JournalSurvey, block: number): BlockView | Finding | undefined {
  const holder = survey.segments.find(
    ({ state }) => state !== undefined && state.start.block < block && block <= state.lastBlock,
  );
  if (holder === undefined) return undefined;
  const file = new SegmentFile(survey.root, holder.segment);
  try {
    const ref = file.refs(block)[0];
    return ref && file.read(ref, { shard: survey.genesis?.shard }, blockScratch());
  } catch (error) {
    return findingOf(error);
  } finally {
    file.close();
  }
}

/** Blocks of one epoch in one segment. */
export interface EpochRange {
  readonly segment: number;
  readonly epoch: number;
  readonly firstBlock: number;
  readonly lastBlock: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/**
 * Which blocks were written in which epoch. Epochs never go down along the chain, so few headers need to be read; only
 * a walk along the chain shows that it is so.
 */
export function readEpochs(survey: JournalSurvey, findings: Finding[]): EpochRange[] {
  return survey.segments.flatMap(({ segment, state }) => {
    if (state === undefined) return [];
    const file = new SegmentFile(survey.root, segment);
    try {
      return epochsOf(file, state, findings);
    } catch (error) {
      findings.push(findingOf(error));
      return [];
    } finally {
      file.close();
    }
  });
}

function epochsOf(file: SegmentFile, { start, lastBlock }: SegmentState, findings: Finding[]): EpochRange[] {
  const ranges: EpochRange[] = [];
  const scratch = blockScratch();
  const headers = new Map<number, Omit<EpochRange, 'segment'> | undefined>();
  const header = (block: number) => {
    if (headers.has(block)) return headers.get(block);
    const ref = file.refs(block)[0];
    const view = ref && file.readHeader(ref, scratch);
    if (view === undefined || !(view instanceof BlockView)) {
      findings.push(view ?? segmentFinding(file.segment, 'segment', `block ${block} is missing`, { block }));
      headers.set(block, undefined);
      return undefined;
    }
    const { epoch, firstSequence, lastSequence } = view;
    const range = { epoch, firstBlock: block, lastBlock: block, firstSequence, lastSequence };
    headers.set(block, range);
    return range;
  };
  const visit = (from: number, to: number): void => {
    let [first, last] = [from, to];
    while (first <= last && header(first) === undefined) first++;
    while (last > first && header(last) === undefined) last--;
    const [begin, end] = [header(first), header(last)];
    if (first > last || begin === undefined || end === undefined) return;
    if (begin.epoch !== end.epoch) {
      const middle = first + Math.floor((last - first) / 2);
      visit(first, middle);
      visit(middle + 1, last);
      return;
    }
    const joined = ranges.at(-1)?.epoch === begin.epoch ? ranges.pop() : undefined;
    const range = { ...begin, segment: file.segment, lastBlock: last, lastSequence: end.lastSequence };
    ranges.push(joined === undefined ? range : { ...joined, lastBlock: last, lastSequence: end.lastSequence });
  };
  if (lastBlock > start.block) visit(start.block + 1, lastBlock);
  return ranges;
}

/**
 * Every block in order, checked against the one before it, and whatever is wrong on the way. A block that is good by
 * itself but does not follow the one before it is given after its finding. A block is valid until the next step.
 */
export function* walkChain(survey: JournalSurvey): Generator<BlockView | Finding, void, undefined> {
  let last: ChainPoint | undefined;
  let before: SegmentState | undefined;
  let number = 0;
  const shard = survey.genesis?.shard;
  for (const { segment, state } of survey.segments) {
    if (state === undefined || segment !== number + 1) {
      last = undefined;
      before = undefined;
    }
    number = segment;
    if (state === undefined) continue;
    const wrong = (text: string): Finding => segmentFinding(segment, 'segment', text);
    const named = before?.next === segment;
    if (!state.begun) {
      if (named) yield wrong('was never begun, but the segment before it names it');
      continue;
    }
    const { start } = state;
    if (before !== undefined && !before.genesis.equals(state.genesis)) yield wrong('created with another genesis');
    if (before !== undefined && !named) yield wrong('the segment before it was not given up for it');
    if (last !== undefined && !samePoint(start, last)) {
      yield wrong(`begins after block ${start.block}, but not after block ${last.block} as the one before it ends`);
    }
    if (start.block === 0 && survey.genesis !== undefined && !start.hash.equals(genesisHash(survey.genesis))) {
      yield wrong('does not begin with the hash of its genesis record');
    }
    before = state;
    last = yield* walkSegment(survey.root, segment, state, shard);
  }
}

/** Gives the last block, if all of the segment could be read to there. */
function* walkSegment(
  root: string,
  segment: number,
  state: SegmentState,
  shard: number | undefined,
): Generator<BlockView | Finding, ChainPoint | undefined, undefined> {
  const scratch = blockScratch();
  const file = new SegmentFile(root, segment);
  let last: ChainPoint | undefined = state.start;
  try {
    for (let block = state.start.block + 1; block <= state.lastBlock; ) {
      const refs = file.refs(block);
      if (refs.length === 0) {
        yield segmentFinding(segment, 'segment', `block ${block} is missing`, { block });
        return undefined;
      }
      for (const ref of refs) {
        // A living writer may have appended since the segment's state was read.
        if (ref.block > state.lastBlock) break;
        const chained = last && { firstSequence: last.sequence + 1, previousHash: last.hash, epochMin: last.epoch };
        let view = file.read(ref, { ...chained, shard }, scratch);
        if (!(view instanceof BlockView)) {
          yield view;
          view = file.read(ref, { shard }, scratch);
        }
        last = view instanceof BlockView ? pointOf(view) : undefined;
        if (view instanceof BlockView) yield view;
        block++;
      }
    }
    if (last === undefined) return undefined;
    if (last.epoch > state.epoch) {
      yield segmentFinding(segment, 'epoch', `holds epoch ${last.epoch}, but its writer had epoch ${state.epoch}`);
    }
    if (state.sealed !== undefined && !samePoint(state.sealed, last)) {
      yield segmentFinding(segment, 'segment', `sealed after another block than its last, ${last.block}`);
    }
    return last;
  } catch (error) {
    yield findingOf(error);
    const from = (last?.block ?? state.start.block) + 1;
    yield segmentFinding(segment, 'unchecked', `blocks ${from} to ${state.lastBlock} could not all be checked`);
    return undefined;
  } finally {
    file.close();
  }
}

/** What a JournalError says of the journal; throws errors that say something else. */
export function findingOf(error: unknown, file?: string): Finding {
  if (!(error instanceof JournalError)) throw error;
  if (error.finding !== undefined) return error.finding;
  return { kind: error.code, text: error.message, ...(file === undefined ? {} : { file }) };
}
