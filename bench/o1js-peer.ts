import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Figure, median } from './benchmark.ts';

/** A package of its own, so that neither `npm ci` nor CI has it to install. */
const FOLDER = fileURLToPath(new URL('./peers/o1js/', import.meta.url));
const INSTALL_MS_MAX = 300_000;
/** For all that is measured. What is known by then is told, and the rest left out. */
const MEASURE_MS_MAX = 1_200_000;
/** As many as fit the 2^16 rows of its largest circuit: there it is at its best, for a proof has costs of its own. */
const STEPS = 500;
const VERIFICATIONS = 5;

/** What one process told. */
export interface PeerTold {
  backend?: string;
  compileMs?: number;
  proveMs?: number;
  proofBytes?: number;
  verifyMs?: number[];
  peakBytes?: number;
}

export interface PeerFigures {
  readonly figures: readonly Figure[];
  readonly notes: readonly string[];
  /** Undefined if it was left out, or did not get so far. */
  readonly stepsPerSecond: number | undefined;
}

/** Proves steps with o1js, which is installed if it is not there. Never fails: what did not work is in the notes. */
export async function measureO1js(directory: string): Promise<PeerFigures> {
  const failure = await install();
  if (failure !== undefined) return { figures: [], notes: [`o1js: left out, ${failure}`], stepsPerSecond: undefined };
  const ends = performance.now() + MEASURE_MS_MAX;
  const cache = join(directory, 'o1js');
  const [cold, coldFailure] = await runSteps([String(STEPS), cache, String(VERIFICATIONS)], ends);
  const [cached, cachedFailure] = coldFailure === undefined ? await runSteps([String(STEPS), cache, '0'], ends) : [{}];
  return describePeer(cold, cached, coldFailure ?? cachedFailure);
}

/** The figures that there are, of a process that compiled everything and of one that found it compiled. */
export function describePeer(cold: PeerTold, cached: PeerTold, failure: string | undefined): PeerFigures {
  const version = wantedVersion();
  const stepsPerSecond = cold.proveMs === undefined ? undefined : (STEPS * 1000) / cold.proveMs;
  const figure = (name: string, value: number | undefined, unit: string): Figure[] =>
    value === undefined ? [] : [{ name: `o1js: ${name}`, value, unit }];
  return {
    figures: [
      ...figure('proven', stepsPerSecond, 'steps/s'),
      ...figure('proof', over(cold.proofBytes, 1024), 'KiB'),
      ...figure('verification, warm, p50', cold.verifyMs && median(cold.verifyMs), 'ms'),
      ...figure('compiling the circuit, cold', over(cold.compileMs, 1000), 's'),
      ...figure('compiling the circuit, cached', over(cached.compileMs, 1000), 's'),
      ...figure('peak memory', over(cold.peakBytes, 2 ** 20), 'MiB'),
    ],
    notes: [
      `o1js ${version}${cold.backend === undefined ? '' : `, backend ${cold.backend}`}: one proof of ${STEPS} steps; a step is what a row of ours does, made cheaper: six Poseidon permutations for six memory accesses that nothing ties together, ten comparisons of 64-bit numbers; its compiling is not counted`,
      ...(failure === undefined ? [] : [`o1js: not all was measured: ${failure}`]),
    ],
    stepsPerSecond,
  };
}

function over(value: number | undefined, unit: number): number | undefined {
  return value === undefined ? undefined : value / unit;
}

function wantedVersion(): string {
  return JSON.parse(readFileSync(join(FOLDER, 'package.json'), 'utf8')).dependencies.o1js;
}

/** Undefined if the package is there afterwards, else why it is not. */
async function install(): Promise<string | undefined> {
  const version = wantedVersion();
  // Written when all of an installation is there.
  const installed = join(FOLDER, 'node_modules', '.package-lock.json');
  const packages = existsSync(installed) ? JSON.parse(readFileSync(installed, 'utf8')).packages : {};
  if (packages['node_modules/o1js']?.version === version) return undefined;
  process.stderr.write(`bench: installing o1js ${version} in bench/peers/o1js (some 200 MB)\n`);
  const quietly = ['--loglevel=error', '--no-audit', '--no-fund'];
  // One retry: without a network, npm's own number of them takes a minute.
  const ci = ['--prefix', FOLDER, 'ci', '--ignore-scripts', '--fetch-retries=1', ...quietly];
  // npm names itself to the scripts that it runs; on Windows a bare `npm` is a batch file that spawn refuses.
  const npm = process.env['npm_execpath'];
  const [program, args] = npm === undefined ? ['npm', ci] : [process.execPath, [npm, ...ci]];
  const how = await ended(spawn(program, args, { stdio: ['ignore', 2, 2], timeout: INSTALL_MS_MAX }));
  return how === 0 ? undefined : `it could not be installed from the npm registry (npm ci: ${how})`;
}

/** What the process told until it ended or `ends` was there, and why it did not come to its end. */
async function runSteps(args: readonly string[], ends: number): Promise<[PeerTold, string?]> {
  const child = spawn(process.execPath, [join(FOLDER, 'steps.js'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: Math.max(1, Math.round(ends - performance.now())),
    killSignal: 'SIGKILL',
  });
  const told: PeerTold = {};
  createInterface(child.stdout).on('line', (line) => takeNews(told, line));
  const how = await ended(child);
  if (how === 0) return [told];
  const late = performance.now() >= ends;
  return [told, late ? `it was ended after ${MEASURE_MS_MAX / 1000} s` : `its process ended with ${how}`];
}

/** Exit code, signal, or why it did not start. */
function ended(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal ?? code ?? -1));
  });
}

/** One line that the process printed; o1js may print others. */
export function takeNews(told: PeerTold, line: string): void {
  if (!line.startsWith('{')) return;
  const { verifyMs, ...news } = JSON.parse(line) as Omit<PeerTold, 'verifyMs'> & { verifyMs?: number };
  Object.assign(told, news);
  if (verifyMs !== undefined) told.verifyMs = [...(told.verifyMs ?? []), verifyMs];
}
