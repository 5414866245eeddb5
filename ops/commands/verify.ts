import { open, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readSecrets } from '../../proofs/matching/hiding-secrets.ts';
import type { Rules } from '../../proofs/matching/market-columns.ts';
import { ProofStore } from '../../proofs/matching/proof-store.ts';
import { ProofTies, type Tie } from '../../proofs/matching/ties.ts';
import {
  checkChain,
  type ProofChain,
  VerificationError,
  type VerifiedProof,
  verifyProof,
} from '../../proofs/matching/verify-proof.ts';
import { grouped, withExamples } from '../cli/arguments.ts';
import { Interruption } from '../cli/interruption.ts';
import { Progress } from '../cli/progress.ts';
import { printResult } from '../cli/result.ts';
import { ExitCode, UsageError } from '../exit-codes.ts';
import { writeVerifierPage } from '../verifier-page.ts';

/** Proofs have some hundred KiB; what is far larger is read by nobody. */
const PROOF_BYTES_MAX = 64 * 2 ** 20;

interface VerifyOptions {
  readonly journal?: string;
  readonly snapshot?: string;
  readonly page?: string;
  readonly explain?: boolean;
  readonly json?: boolean;
}

export function registerVerify(program: Command): void {
  const command = program
    .command('verify')
    .description(
      'Checks proofs of matching, with nothing else at hand, and that consecutive ones chain: sequences, books, block ' +
        'hashes. Exits with 1 if a proof is not valid, does not fit, or could not be compared with what was given.',
    )
    .argument('[proof...]', 'proof files; of a directory of a venue, all its proofs')
    .option('--journal <dir>', 'compare tape, books and block hashes with this journal, by replaying it')
    .option('--snapshot <file>', 'compare the books before or after with this snapshot')
    .option('--page <file>', 'instead, write a page that verifies proofs in any browser: one file, no network needed')
    .option('--explain', 'say what is proven and what is not, and how sure it is')
    .option('--json', 'print the result as one JSON object')
    .action(verify);
  withExamples(
    command,
    'veritape verify first.vtp',
    'veritape verify ./data --journal ./data --json',
    'veritape verify --page verifier.html',
    'veritape verify first.vtp --snapshot ./data/snapshots/snapshot-0000000000050000.vts --explain',
  );
}

interface CheckedProof {
  readonly file: string;
  readonly valid: boolean;
  /** Why not. */
  readonly failure: string | undefined;
  readonly proof: VerifiedProof | undefined;
  readonly verifyMs: number;
  readonly ties: readonly ComparedTie[];
}

type ComparedTie = Tie & { readonly with: string; readonly by: 'journal' | 'snapshot' };

async function verify(paths: readonly string[], options: VerifyOptions): Promise<void> {
  if (options.page !== undefined) {
    if (paths.length > 0) throw new UsageError('page', options.page, 'must be given without proof files');
    const page = await writeVerifierPage(options.page);
    const told = `wrote      ${page.file}, ${grouped(page.bytes)} bytes: open it in a browser and drop proof files on it`;
    await printResult({ page }, options.json === true, () => told);
    return;
  }
  if (paths.length === 0) throw new UsageError('proof', undefined, 'name proof files or the directory of a venue');
  using interruption = new Interruption();
  using progress = await Progress.start('verify');
  const files = await filesOf(paths);
  const checked: CheckedProof[] = [];
  const { journal, snapshot } = options;
  const ties = journal === undefined && snapshot === undefined ? undefined : new ProofTies(availableParallelism());
  try {
    for (const file of files) {
      progress.update(() => `${checked.length} of ${files.length} proofs`);
      checked.push(await check(file, options, ties));
      await interruption.turn();
      if (interruption.requested) throw interruption.error(`stopped after ${checked.length} of ${files.length} proofs`);
    }
  } finally {
    ties?.close();
  }
  const chain = checkChain(checked.flatMap(({ proof }) => (proof === undefined ? [] : [proof])));
  if (
    snapshot !== undefined &&
    !checked.some(({ ties: found }) => found.some(({ by, compared }) => by === 'snapshot' && compared.length > 0))
  ) {
    throw new UsageError('snapshot', snapshot, 'must be of the sequence before or at the end of a proof');
  }
  const good = chain.breaks.length === 0 && checked.every(({ valid, ties: found }) => valid && found.every(holds));
  progress.stop();
  await printResult({ good, proofs: checked.map(fieldsOf), chain }, options.json === true, () =>
    describe(checked, chain, good, options.explain === true),
  );
  if (!good) process.exitCode = ExitCode.false;
}

/**
 * A snapshot is at the end of one or two proofs: of the others it says nothing. But a journal is compared with every proof: one that
 * could not be is not what was asked for.
 */
function holds({ compared, differences, by }: ComparedTie): boolean {
  return differences.length === 0 || (by === 'snapshot' && compared.length === 0);
}

async function filesOf(paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    if (!(await stat(path)).isDirectory()) files.push(path);
    else {
      const stored = await new ProofStore(resolve(path)).list();
      if (stored.length === 0) throw new UsageError('proof', path, 'has no proofs: run veritape prove on it first');
      files.push(...stored.map(({ file }) => file));
    }
  }
  return files;
}

/** Reads no more than a proof may have, whatever size the file says: of a pipe or a device it tells none. */
async function readProof(file: string): Promise<Buffer> {
  const handle = await open(file, 'r');
  if ((await handle.stat()).isDirectory()) {
    await handle.close();
    throw new VerificationError('a folder, not a proof of matching');
  }
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of handle.createReadStream({ end: PROOF_BYTES_MAX, highWaterMark: 2 ** 20 })) {
    pieces.push(piece);
    size += piece.length;
  }
  if (size > PROOF_BYTES_MAX)
    throw new UsageError('proof', file, `has more than ${PROOF_BYTES_MAX} bytes, which no file with a proof has`);
  return Buffer.concat(pieces);
}

async function check(file: string, options: VerifyOptions, ties: ProofTies | undefined): Promise<CheckedProof> {
  let started = performance.now();
  let proof: VerifiedProof;
  try {
    const bytes = await readProof(file);
    started = performance.now();
    proof = verifyProof(bytes);
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    return {
      file,
      valid: false,
      failure: error.message,
      proof: undefined,
      verifyMs: performance.now() - started,
      ties: [],
    };
  }
  const verifyMs = performance.now() - started;
  const secrets = ties !== undefined && proof.statement.hidden ? await readSecrets(file) : undefined;
  const found: ComparedTie[] = [];
  if (options.journal !== undefined && ties !== undefined) {
    found.push({
      by: 'journal',
      with: options.journal,
      ...(await ties.withJournal(proof, resolve(options.journal), secrets)),
    });
  }
  if (options.snapshot !== undefined && ties !== undefined) {
    found.push({
      by: 'snapshot',
      with: options.snapshot,
      ...(await ties.withSnapshot(proof, options.snapshot, secrets)),
    });
  }
  return { file, valid: true, failure: undefined, proof, verifyMs, ties: found };
}

function fieldsOf({ file, valid, failure, proof, verifyMs, ties }: CheckedProof): object {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  const told =
    proof === undefined
      ? {}
      : {
          ...proof.statement,
          genesisHash: hex(proof.statement.genesisHash),
          chainBefore: hex(proof.statement.chainBefore),
          chainAfter: hex(proof.statement.chainAfter),
          commands: proof.commands,
          heightLog: proof.heightLog,
          bytes: proof.bytes,
          tape: hex(proof.commitments.tape),
          booksBefore: hex(proof.commitments.before),
          booksAfter: hex(proof.commitments.after),
          soundnessBits: Number(proof.soundness.least.toFixed(1)),
        };
  return { file, valid, failure: failure ?? null, verifyMs: Number(verifyMs.toFixed(1)), ...told, ties };
}

function describe(checked: readonly CheckedProof[], chain: ProofChain, good: boolean, explains: boolean): string {
  const lines: string[] = [];
  for (const { file, failure, proof, verifyMs, ties } of checked) {
    if (proof === undefined) {
      lines.push(`NOT VALID  ${file}: ${failure}`);
      continue;
    }
    const { statement, commands, bytes } = proof;
    lines.push(
      `valid      sequences ${statement.firstSequence} to ${statement.lastSequence}, ${grouped(commands)} commands, ` +
        `${statement.rules} circuit, ${grouped(bytes)} bytes, ${verifyMs.toFixed(0)} ms: ${file}`,
    );
    for (const { with: what, compared, differences } of ties) {
      if (differences.length === 0) lines.push(`           agrees with ${what}: ${compared.join(', ')}`);
      for (const text of differences)
        lines.push(`           ${compared.length > 0 ? 'DIFFERS' : 'not compared'} with ${what}: ${text}`);
    }
    if (explains) lines.push(...explanationOf(proof));
  }
  for (const text of chain.breaks) lines.push(`BREAK      ${text}`);
  const range = `sequences ${chain.firstSequence} to ${chain.lastSequence}`;
  if (good) {
    const verifyMs = checked.reduce((sum, one) => sum + one.verifyMs, 0);
    const proofs = chain.proofs === 1 ? 'one proof' : `${chain.proofs} proofs that chain`;
    lines.push(
      `good       ${range}: ${grouped(chain.commands)} commands were matched by the rules; ${proofs}, ${grouped(chain.bytes)} bytes`,
      `           ${(chain.bytes / chain.commands).toFixed(2)} bytes and ${((verifyMs * 1000) / chain.commands).toFixed(2)} µs a command`,
    );
  } else lines.push('NOT GOOD');
  return lines.join('\n');
}

/** What the circuits differ in. */
const RULES_TOLD: Readonly<Record<Rules, string>> = {
  plain: 'no order of the tape has a self-trade prevention, and none waits for a stop price',
  ruled: 'and self-trade prevention by account; no order of the tape waits for a stop price',
  stops: 'self-trade prevention by account, and stops: which a trade triggers, in which order, and what they do',
};

function explanationOf({ statement, heightLog, commitments, soundness, commands }: VerifiedProof): string[] {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  const bits = Object.entries(soundness)
    .filter(([name]) => name !== 'm' && name !== 'least')
    .map(([name, value]) => `${name} ${value.toFixed(1)}`);
  return [
    `  proven   the ${grouped(commands)} commands of the tape, in its order, applied to the books before, give the reports of`,
    '           the tape and the books after: price-time priority, sizes, prices, time in force, post-only, cancels,',
    '           reduces, replaces, and who may touch which order',
    `           ${RULES_TOLD[statement.rules]}`,
    `  circuit  ${statement.rules}`,
    '  taken    as given: the sequence itself, times, which commands the sessions admitted, what settings, phases and',
    '           limits of accounts refused, that a mass cancel left nothing out, the last price; see docs/proofs.md',
    `  tape     ${hex(commitments.tape)}`,
    `  before   ${hex(commitments.before)}`,
    `  after    ${hex(commitments.after)}`,
    `  genesis  ${hex(statement.genesisHash)}`,
    `  chain    ${hex(statement.chainBefore)} before block ${statement.firstBlock}`,
    `           ${hex(statement.chainAfter)} after block ${statement.lastBlock}`,
    `  bits     ${soundness.least.toFixed(1)} proven (2^${heightLog} rows, profile ${statement.profile}${statement.hidden ? ', zero knowledge' : ''}): ${bits.join(', ')}`,
  ];
}
