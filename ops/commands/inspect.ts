import { resolve } from 'node:path';
import type { Command } from 'commander';
import { SEQUENCE_MAX } from '../../journal/amounts.ts';
import { BlockView } from '../../journal/block.ts';
import type { Finding } from '../../journal/findings.ts';
import { genesisHash } from '../../journal/genesis.ts';
import { loadSnapshot, type SnapshotHeader, SnapshotStore } from '../../journal/snapshots.ts';
import { type ProofForm, ProofStore, readProofForm, type StoredProof } from '../../proofs/matching/proof-store.ts';
import { VerificationError } from '../../proofs/matching/verify-proof.ts';
import { grouped, wholeNumber, withExamples } from '../cli/arguments.ts';
import { printResult } from '../cli/result.ts';
import { TextOutput } from '../cli/text-output.ts';
import { ExitCode, systemCode, UsageError } from '../exit-codes.ts';
import { beginOf, findingOf, type JournalSurvey, readBlock, readEpochs, surveyJournal } from '../journal-survey.ts';
import { describeRecord } from '../ndjson/ndjson-records.ts';

export function registerInspect(program: Command): void {
  const command = program
    .command('inspect')
    .description(
      'Shows what a journal holds: segments, blocks, epochs, snapshots, proofs, limits; or one block with its commands, ' +
        'one a line. Shows what is left of a damaged one, and then exits with 1; what is whole is for `audit` to say, ' +
        'and what is valid for `verify`.',
    )
    .argument('<dir>', 'directory of the venue, which holds journal/, snapshots/ and proofs/')
    .option('--block <number>', 'show this block', wholeNumber(1, SEQUENCE_MAX))
    .option('--json', 'print the result as one JSON object')
    .action(inspect);
  withExamples(command, 'veritape inspect ./data', 'veritape inspect ./data --block 12');
}

interface InspectOptions {
  readonly block?: number;
  readonly json?: boolean;
}

async function inspect(path: string, options: InspectOptions): Promise<void> {
  const directory = resolve(path);
  const survey = surveyJournal(directory);
  if (options.block !== undefined) return inspectBlock(survey, options.block, options.json === true);
  const findings = [...survey.findings];
  const inspection = {
    genesis: genesisFields(survey),
    ...segmentFields(survey, findings),
    snapshots: await readSnapshots(directory, findings),
    proofs: await readProofs(directory, findings),
    findings,
  };
  await printResult(inspection, options.json === true, () => describe(inspection));
  if (findings.length > 0) process.exitCode = ExitCode.false;
}

type Inspection = ReturnType<typeof segmentFields> & {
  readonly genesis: ReturnType<typeof genesisFields>;
  readonly snapshots: readonly SnapshotFields[];
  readonly proofs: readonly ProofFields[];
  readonly findings: readonly Finding[];
};

function genesisFields({ genesis }: JournalSurvey) {
  if (genesis === undefined) return null;
  const createdAt = new Date(Number(genesis.createdAt / 1_000_000n)).toISOString();
  return { shard: genesis.shard, createdAt, limits: genesis.limits, hash: genesisHash(genesis).toString('hex') };
}

function segmentFields(survey: JournalSurvey, findings: Finding[]) {
  const epochs = readEpochs(survey, findings);
  const segments = survey.segments.map(({ segment, file, fileBytes, usedBytes, state }) => {
    const inside = epochs.filter((range) => range.segment === segment);
    const [first, last] = [inside[0], inside.at(-1)];
    return {
      segment,
      file,
      fileBytes,
      usedBytes,
      readable: state !== undefined,
      sealed: state?.sealed !== undefined,
      blocks: state === undefined ? 0 : state.lastBlock - state.start.block,
      firstBlock: first?.firstBlock ?? null,
      lastBlock: last?.lastBlock ?? null,
      firstSequence: first?.firstSequence ?? null,
      lastSequence: last?.lastSequence ?? null,
    };
  });
  const begin = beginOf(survey);
  return {
    /** The chain before what is kept. */
    begin: begin && { block: begin.block, sequence: begin.sequence, hash: begin.hash.toString('hex') },
    segments,
    blocks: segments.reduce((sum, { blocks }) => sum + blocks, 0),
    epochs: epochs.reduce<EpochFields[]>(joinEpochs, []),
  };
}

interface EpochFields {
  readonly epoch: number;
  readonly firstBlock: number;
  readonly lastBlock: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/** An epoch may go on in the next segment. */
function joinEpochs(joined: EpochFields[], { epoch, firstBlock, lastBlock, firstSequence, lastSequence }: EpochFields) {
  const before = joined.at(-1);
  if (before?.epoch !== epoch) return [...joined, { epoch, firstBlock, lastBlock, firstSequence, lastSequence }];
  return [...joined.slice(0, -1), { ...before, lastBlock, lastSequence }];
}

interface SnapshotFields {
  readonly file: string;
  readonly sequence: number;
  readonly block: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
  readonly stateHash: string;
  readonly chainHash: string;
}

async function readSnapshots(directory: string, findings: Finding[]): Promise<SnapshotFields[]> {
  const snapshots: SnapshotFields[] = [];
  for (const { file } of (await new SnapshotStore(directory).list()).reverse()) {
    try {
      const { header } = await loadSnapshot(file);
      snapshots.push(snapshotFields(file, header));
    } catch (error) {
      findings.push(findingOf(error, file));
    }
  }
  return snapshots;
}

function snapshotFields(file: string, header: SnapshotHeader): SnapshotFields {
  const { sequence, block, rawBytes, storedBytes } = header;
  const [stateHash, chainHash] = [header.stateHash.toString('hex'), header.chainHash.toString('hex')];
  return { file, sequence, block, rawBytes, storedBytes, stateHash, chainHash };
}

interface ProofFields {
  readonly file: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly bytes: number;
  readonly profile: string;
  /** Of its trace, as a power of two. */
  readonly heightLog: number;
  /** With zero knowledge. */
  readonly hidden: boolean;
}

async function readProofs(directory: string, findings: Finding[]): Promise<ProofFields[]> {
  const proofs: ProofFields[] = [];
  for (const stored of await new ProofStore(directory).list()) {
    try {
      proofs.push(proofFields(stored, await readProofForm(stored)));
    } catch (error) {
      const { file } = stored;
      if (!(error instanceof VerificationError) && systemCode(error) === undefined) throw error;
      findings.push({ kind: 'proof', text: `${file}: ${(error as Error).message}`, file });
    }
  }
  return proofs;
}

function proofFields({ file, firstSequence, lastSequence }: StoredProof, form: ProofForm): ProofFields {
  const { profile, hidden } = form.statement;
  return { file, firstSequence, lastSequence, bytes: form.bytes, profile, heightLog: form.heightLog, hidden };
}

function describe({ genesis, begin, segments, blocks, epochs, snapshots, proofs, findings }: Inspection): string {
  const lines: string[] = [];
  if (genesis !== null) {
    const limits = Object.entries(genesis.limits).map(([name, value]) => `${name} ${grouped(value)}`);
    lines.push(`genesis    shard ${genesis.shard}, created ${genesis.createdAt}, hash ${genesis.hash}`);
    lines.push(`limits     ${limits.join(', ')}`);
  }
  if (begin !== undefined && begin.block > 0) {
    lines.push(`begin      blocks to ${begin.block}, sequences to ${begin.sequence} are not kept`);
  }
  for (const one of segments) {
    const sealed = one.sealed ? ', sealed' : '';
    const range =
      one.firstBlock === null
        ? 'no blocks'
        : `blocks ${one.firstBlock} to ${one.lastBlock}, sequences ${one.firstSequence} to ${one.lastSequence}`;
    const what = one.readable ? `${grouped(one.usedBytes)} bytes used, ${range}${sealed}` : 'not readable';
    lines.push(`segment    ${one.segment}: ${one.file}, ${grouped(one.fileBytes)} bytes, ${what}`);
  }
  lines.push(`blocks     ${grouped(blocks)}`);
  for (const { epoch, firstBlock, lastBlock, firstSequence, lastSequence } of epochs) {
    lines.push(
      `epoch      ${epoch}: blocks ${firstBlock} to ${lastBlock}, sequences ${firstSequence} to ${lastSequence}`,
    );
  }
  for (const { sequence, block, rawBytes, storedBytes, stateHash } of snapshots) {
    const bytes = `${grouped(rawBytes)} bytes, ${grouped(storedBytes)} stored`;
    lines.push(`snapshot   sequence ${sequence}, after block ${block}, ${bytes}, state ${stateHash}`);
  }
  for (const { firstSequence, lastSequence, bytes, profile, heightLog, hidden } of proofs) {
    const shape = `${profile}${hidden ? ', zero knowledge' : ''}, 2^${heightLog} rows`;
    lines.push(`proof      sequences ${firstSequence} to ${lastSequence}, ${grouped(bytes)} bytes, ${shape}`);
  }
  for (const { kind, text } of findings) lines.push(`finding    [${kind}] ${text}`);
  return lines.join('\n');
}

async function inspectBlock(survey: JournalSurvey, number: number, asJson: boolean): Promise<void> {
  const view = readBlock(survey, number);
  if (view === undefined) {
    const [first] = survey.segments;
    const [from, to] = [(first?.state?.start.block ?? 0) + 1, survey.segments.at(-1)?.state?.lastBlock];
    throw new UsageError(
      'block',
      number,
      `no segment that can be read has it: there are ${from} to ${to ?? 'unknown'}`,
    );
  }
  if (!(view instanceof BlockView)) {
    await printResult({ block: number, finding: view }, asJson, () => JSON.stringify({ block: number, finding: view }));
    process.exitCode = ExitCode.false;
    return;
  }
  const header = blockFields(view);
  const commandAt = (index: number) => describeRecord(view.firstSequence + index, view.words, view.wordOf(index));
  if (asJson) {
    const commands = Array.from({ length: view.count }, (_, index) => commandAt(index));
    return printResult({ ...header, commands }, true, () => '');
  }
  const output = new TextOutput(process.stdout);
  output.add(`${JSON.stringify(header)}\n`);
  for (let index = 0; index < view.count && !output.gone; index++) {
    output.add(`${JSON.stringify(commandAt(index))}\n`);
    if (output.full) await output.flush();
  }
  await output.end();
}

function blockFields(view: BlockView): object {
  return {
    block: view.block,
    epoch: view.epoch,
    shard: view.shard,
    firstSequence: view.firstSequence,
    lastSequence: view.lastSequence,
    count: view.count,
    bytes: view.bytes.length,
    time: String(view.time),
    previousHash: view.previousHash.toString('hex'),
    hash: view.hash.toString('hex'),
  };
}
