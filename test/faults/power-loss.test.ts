import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { DiskRecord, type Fate } from './disk-record.ts';

// The power goes at any moment of a run that was recorded (programs/disk-recorder.c): whatever was not flushed by then is
// lost, kept, or a mixture. The journal that is left must open in the next boot, with all that was acknowledged.

/** More by VERITAPE_POWER_CUTS, which then also prints what came of them. */
const CUTS = Number(process.env['VERITAPE_POWER_CUTS'] ?? 40);
const LYING_CUTS = 24;
const SEED = Number(process.env['VERITAPE_POWER_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const CUT_MS_MAX = 2000;
const BLOCKS = 40;
const CUTS_AT_ONCE = 20;
const FATES: readonly Fate[] = ['random', 'dropped', 'random', 'kept'];

interface Loss {
  readonly cut: number;
  readonly fate: Fate;
  /** What is wrong with the journal that was left; empty if nothing is. */
  readonly wrong: string[];
}

const hasCompiler = process.platform === 'linux' && spawnSync('gcc', ['--version']).error === undefined;
const testRecorded = hasCompiler ? test : test.skip;
if (!hasCompiler) process.stderr.write('no gcc on the PATH, or no Linux: the tests of a loss of power are left out\n');

const programs = join(import.meta.dirname, 'programs');
let recorder = '';

beforeAll(async () => {
  if (!hasCompiler) return;
  recorder = join(temporaryFolder(), 'disk-recorder.so');
  const source = join(programs, 'disk-recorder.c');
  await promisify(execFile)('gcc', ['-shared', '-fPIC', '-O1', '-o', recorder, source, '-ldl']);
});
afterAll(removeTemporaryFolders);

/** Records a writer killed when it made the journal, one killed in the middle of a roll, and one that ends by itself. */
async function record(environment: Record<string, string> = {}): Promise<DiskRecord> {
  const folder = temporaryFolder();
  const dir = join(folder, 'venue');
  mkdirSync(dir);
  const bootId = join(folder, 'boot-id');
  writeFileSync(bootId, '11111111-2222-3333-4444-555555555555\n');
  const file = join(folder, 'record');
  const recorded = { LD_PRELOAD: recorder, DISK_FOLDER: dir, DISK_RECORD: file, DISK_BOOT_ID: bootId };
  for (const last of ['1', '3', '']) {
    const writer = join(programs, 'power-writer.ts');
    const run = promisify(execFile)(process.execPath, [writer, dir, String(BLOCKS), last], {
      env: { ...recorded, ...environment },
    });
    if (last !== '') await expect(run).rejects.toMatchObject({ signal: 'SIGKILL' });
    else await run;
  }
  return new DiskRecord(file, dir);
}

async function lose(run: DiskRecord, cuts: number, random: () => number): Promise<Loss[]> {
  const losses: Loss[] = [];
  while (losses.length < cuts) {
    const folder = temporaryFolder();
    const batch = Array.from({ length: Math.min(CUTS_AT_ONCE, cuts - losses.length) }, (_, i) => {
      const cut = Math.floor(random() * (run.length + 1));
      const fate = FATES[i % FATES.length] ?? 'random';
      const dir = join(folder, String(i));
      run.restore(cut, dir, fate, random);
      return { cut, fate, dir };
    });
    const dirs = batch.map(({ dir }) => dir);
    const options = { maxBuffer: 2 ** 28 };
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(programs, 'power-check.ts'), ...dirs],
      options,
    );
    const results = stdout.trim().split('\n');
    for (const [i, { cut, fate }] of batch.entries()) {
      losses.push({ cut, fate, wrong: whatIsWrong(run.told(cut), JSON.parse(results[i] ?? '{}')) });
    }
    rmSync(folder, { recursive: true });
  }
  return losses;
}

function whatIsWrong(
  told: readonly string[],
  left: { error?: string; hashes?: string[]; snapshot?: number; findings?: object[] },
): string[] {
  const wrong = left.error === undefined ? [] : [left.error];
  for (const line of told) {
    const [word, number, hash] = line.split(' ');
    if (word === 'ack' && left.hashes?.[Number(number) - 1] !== hash) wrong.push(`block ${number} is lost`);
    if (word === 'snapshot' && (left.snapshot ?? 0) < Number(number)) wrong.push(`snapshot ${number} is lost`);
  }
  return [...wrong, ...(left.findings ?? []).map((finding) => JSON.stringify(finding))];
}

/** Numbers from 0 to 1 that follow from the seed (mulberry32). */
function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

testRecorded(
  `when the power goes, nothing acknowledged is lost and the journal goes on: ${CUTS} times, seed ${SEED}`,
  async () => {
    const run = await record();
    const told = run.told(run.length);
    expect(told.filter((line) => line.startsWith('ack')).length).toBeGreaterThan(BLOCKS);
    expect(told.filter((line) => line.startsWith('snapshot')).length).toBeGreaterThan(2);
    const losses = await lose(run, CUTS, numbersFrom(SEED));
    expect({ seed: SEED, losses: losses.filter(({ wrong }) => wrong.length > 0) }).toEqual({ seed: SEED, losses: [] });
    if (process.env['VERITAPE_POWER_CUTS'] !== undefined) {
      process.stderr.write(`${JSON.stringify({ seed: SEED, cuts: losses.length, moments: run.length + 1 })}\n`);
    }
  },
  60_000 + CUTS * CUT_MS_MAX,
);

testRecorded(
  `a disk that only says that it flushed loses acknowledged blocks: seed ${SEED}`,
  async () => {
    const losses = await lose(await record({ DISK_LIES: '1' }), LYING_CUTS, numbersFrom(SEED));
    const lost = losses.filter(({ wrong }) => wrong.some((text) => /block \d+ is lost/.test(text)));
    expect(lost.length).toBeGreaterThan(LYING_CUTS / 8);
  },
  60_000 + LYING_CUTS * CUT_MS_MAX,
);
