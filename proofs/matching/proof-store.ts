import { mkdirSync } from 'node:fs';
import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isThere, syncFolder } from '../../journal/segments.ts';
import { decodeProof } from '../stark/proof-encoding.ts';
import { decodeStatement, parametersOf, type SpanStatement, STATEMENT_BYTES } from './statement.ts';
import { provenCircuit, VerificationError } from './verify-proof.ts';

const NAME = /^proof-(\d{16})-(\d{16})\.vtp$/;
/** Behind the name that the file is to have: host and process that write it. */
const TEMPORARY = /\.([^.]+)\.(\d+)\.tmp$/;
/** Nobody takes this long to write a proof: what another host has not touched since then, it has left behind. */
const WRITING_MS_MAX = 600_000;

export interface StoredProof {
  readonly file: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/** Commands from the first to the last sequence number. */
export interface SequenceRange {
  readonly from: number;
  readonly to: number;
}

/** Proof files of a venue, in DIR/proofs/proof-<first sequence>-<last sequence>.vtp. */
export class ProofStore {
  readonly folder: string;

  constructor(directory: string) {
    this.folder = join(directory, 'proofs');
  }

  /** Proofs there are, by first sequence, those of the same one by last sequence. Unchecked. */
  async list(): Promise<StoredProof[]> {
    if (!isThere(this.folder)) return [];
    const found: StoredProof[] = [];
    for (const name of await readdir(this.folder)) {
      const match = NAME.exec(name);
      if (match === null) continue;
      found.push({ file: join(this.folder, name), firstSequence: Number(match[1]), lastSequence: Number(match[2]) });
    }
    return found.sort((a, b) => a.firstSequence - b.firstSequence || a.lastSequence - b.lastSequence);
  }

  /** Those commands of a range that no proof there is covers. */
  async unproven(range: SequenceRange): Promise<SequenceRange[]> {
    return uncovered(range, await this.list());
  }

  has(firstSequence: number, lastSequence: number): boolean {
    return isThere(this.pathOf(firstSequence, lastSequence));
  }

  /** Removes what writers that died left behind; other writers may be at work. */
  async clean(): Promise<void> {
    if (!isThere(this.folder)) return;
    for (const name of await readdir(this.folder)) {
      const match = TEMPORARY.exec(name);
      if (match === null) continue;
      const path = join(this.folder, name);
      const own = match[1] === HOST;
      if (own ? !isAlive(Number(match[2])) : await isOld(path)) await rm(path, { force: true });
    }
  }

  /** Writes a proof under its own name: it is there whole, and on disk, when this resolves. */
  async write(firstSequence: number, lastSequence: number, bytes: Uint8Array): Promise<string> {
    mkdirSync(this.folder, { recursive: true });
    const path = this.pathOf(firstSequence, lastSequence);
    await writeWhole(path, bytes);
    syncFolder(this.folder);
    return path;
  }

  /** Where the proof of these commands is, or would be. */
  pathOf(firstSequence: number, lastSequence: number): string {
    const [first, last] = [firstSequence, lastSequence].map((sequence) => String(sequence).padStart(16, '0'));
    return join(this.folder, `proof-${first}-${last}.vtp`);
  }
}

/** Those commands of a range that none of these covers. */
export function uncovered(
  { from, to }: SequenceRange,
  proofs: readonly Pick<StoredProof, 'firstSequence' | 'lastSequence'>[],
): SequenceRange[] {
  const gaps: SequenceRange[] = [];
  let next = from;
  for (const { firstSequence, lastSequence } of proofs.toSorted((a, b) => a.firstSequence - b.firstSequence)) {
    if (firstSequence > next) gaps.push({ from: next, to: Math.min(to, firstSequence - 1) });
    next = Math.max(next, lastSequence + 1);
    if (next > to) break;
  }
  if (next <= to) gaps.push({ from: next, to });
  return gaps.filter((gap) => gap.from <= gap.to);
}

/** What a stored proof says of itself. Its form is checked, but not whether it is valid. */
export interface ProofForm {
  readonly statement: SpanStatement;
  /** Rows of its trace, as a power of two. */
  readonly heightLog: number;
  readonly bytes: number;
}

/** Throws a {@link VerificationError} if the file has not the form of a proof, or not the range in its name. */
export async function readProofForm({ file, firstSequence, lastSequence }: StoredProof): Promise<ProofForm> {
  const bytes = await readFile(file);
  const statement = decodeStatement(bytes);
  const { proof } = decodeProof(
    provenCircuit(statement.rules),
    parametersOf(statement),
    bytes.subarray(STATEMENT_BYTES),
  );
  if (statement.firstSequence !== firstSequence || statement.lastSequence !== lastSequence) {
    throw new VerificationError(
      `it says sequences ${statement.firstSequence} to ${statement.lastSequence}, not those of its name`,
    );
  }
  return { statement, heightLog: proof.heightLog, bytes: bytes.length };
}

const HOST = hostname().replaceAll('.', '-');

/** Where {@link writeWhole} of a process of this host writes first. */
export function temporaryName(path: string, pid: number): string {
  return `${path}.${HOST}.${pid}.tmp`;
}

/** Writes a file under a temporary name, flushes it, and gives it its name. */
export async function writeWhole(path: string, bytes: Uint8Array, mode = 0o666): Promise<void> {
  const temporary = temporaryName(path, process.pid);
  try {
    const file = await open(temporary, 'w', mode);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    // Of a write, Node does not tell which file it was.
    if (error instanceof Error && !error.message.includes(path)) error.message = `writing ${path}: ${error.message}`;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It lives, and is somebody else's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

async function isOld(path: string): Promise<boolean> {
  try {
    return Date.now() - (await stat(path)).mtimeMs > WRITING_MS_MAX;
  } catch {
    // It has its name by now.
    return false;
  }
}
