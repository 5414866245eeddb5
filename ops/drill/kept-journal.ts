import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { Packr } from 'msgpackr';
import { Acknowledged, type ToldAnswers } from './acknowledged.ts';

/** What is kept of a venue of some release: its files, what its clients were told, and the state that it came to. */
export interface KeptJournal {
  /** Version of the package that wrote it. */
  readonly release: string;
  readonly sequence: number;
  readonly stateHash: string;
  /** By their path in the venue's directory. */
  readonly files: Readonly<Record<string, Uint8Array>>;
  readonly told: readonly ToldAnswers[];
}

const FILE_BYTES_MAX = 64 * 2 ** 20;
/** Processes leave these behind, and they mean nothing to others. */
const NOT_KEPT = /lock\.mdb$|writer\.lock$|\.tmp$/;
const packr = new Packr({ useRecords: false });

export function writeKeptJournal(
  file: string,
  directory: string,
  of: Pick<KeptJournal, 'release' | 'sequence' | 'stateHash'>,
  clients: readonly Acknowledged[],
): void {
  const files: Record<string, Uint8Array> = {};
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const path = join(directory, name);
    if (statSync(path).isFile() && !NOT_KEPT.test(name)) files[relative(directory, path)] = readFileSync(path);
  }
  const kept: KeptJournal = { ...of, files, told: clients.map((told) => told.export()) };
  const params = { [constants.ZSTD_c_compressionLevel]: 19 };
  writeFileSync(file, zstdCompressSync(packr.pack(kept), { params }));
}

/** Puts the files of a kept journal into a directory, and gives what else is known of it. */
export function unpackKeptJournal(
  file: string,
  directory: string,
): Pick<KeptJournal, 'release' | 'sequence' | 'stateHash'> & { readonly told: readonly Acknowledged[] } {
  const bytes = zstdDecompressSync(readFileSync(file), { maxOutputLength: FILE_BYTES_MAX });
  const kept = packr.unpack(bytes) as KeptJournal;
  for (const [name, content] of Object.entries(kept.files)) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
  const { release, sequence, stateHash } = kept;
  return { release, sequence, stateHash, told: kept.told.map((answers) => Acknowledged.from(answers)) };
}
