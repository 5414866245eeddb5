import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from '@jest/globals';

// The formal models of docs/protocol.md, searched by spin: as they are without an error and to the end, and with any one
// rule left out to a run that breaks a property.

/** With VERITAPE_MODEL=long the bounds are wider: minutes instead of seconds. */
const LONG = process.env['VERITAPE_MODEL'] === 'long';
const MODEL_MS_MAX = LONG ? 1_800_000 : 120_000;
const DEPTH_MAX = 10_000;
const OUTPUT_BYTES_MAX = 2 ** 24;

interface Bounds {
  readonly runs: readonly string[];
  readonly longRuns: readonly string[];
  /** Small ones, in which a rule that is left out is missed. */
  readonly least: (rule: string) => string;
}

/** By file. A long run does the short ones, too. */
const MODELS: Readonly<Record<string, Bounds>> = {
  'one-host.pml': {
    runs: ['LIVES=2', 'LIVES=3 LIFE_BLOCKS=1 LOSSES=0 SEGMENTS=1'],
    longRuns: ['LIVES=3 LIFE_BLOCKS=1', 'LIVES=2 LIFE_BLOCKS=3 LOSSES=2'],
    least: () => 'LIVES=2',
  },
  'several-hosts.pml': {
    runs: ['LIVES=2', 'LIVES=3 REPEATS=0', 'LIVES=3 LOG_CHECKS=1 IN_FLIGHT=1'],
    longRuns: [
      'LIVES=3 LOG_CHECKS=1',
      'LIVES=3 HOSTS=3 REPEATS=0',
      'LIVES=3 HOSTS=3 LOG_CHECKS=1',
      'LIVES=2 LIFE_BLOCKS=3 IN_FLIGHT=3 REPEATS=0',
      'LIVES=2 REPEATS=2',
    ],
    // Only a life on another host goes on for long without seeing what is in the log.
    least: (rule) => (rule === 'BREAK_FENCE_OVERLOOKED' ? 'LIVES=2' : 'LIVES=2 HOSTS=1'),
  },
};

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const lacks = ['spin', 'gcc'].filter((program) => spawnSync(program, ['-V']).error !== undefined);
const testWithSpin = lacks.length === 0 ? test : test.skip;
if (lacks.length > 0) process.stderr.write(`no ${lacks.join(' and no ')} on the PATH: the models are not searched\n`);

interface Search {
  readonly errors: number;
  readonly states: number;
  /** What was violated, if anything. */
  readonly violated: string | undefined;
  /** Whether all states within the bounds were looked at. */
  readonly complete: boolean;
  /** Lines of the model that were never reached. */
  readonly unreached: readonly string[];
}

async function search(model: string, defines: string): Promise<Search> {
  const folder = mkdtempSync(join(tmpdir(), 'veritape-model-'));
  folders.push(folder);
  const run = async (program: string, args: string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)(program, args, { cwd: folder, maxBuffer: OUTPUT_BYTES_MAX });
    return stdout;
  };
  const flags = defines.split(' ').map((define) => `-D${define}`);
  await run('spin', [...flags, '-a', join(import.meta.dirname, 'model', model)]);
  // States are kept whole, in compressed form: no hashing that could take two of them for one. To find them it hashes, in a
  // table of 2^w places. A short search takes less time than it would take to make it faster.
  await run('gcc', [LONG ? '-O1' : '-O0', '-w', '-DSAFETY', '-DCOLLAPSE', '-o', 'search', 'pan.c']);
  const said = await run(join(folder, 'search'), [`-m${DEPTH_MAX}`, `-w${LONG ? 24 : 20}`]);
  const number = (pattern: RegExp): number => Number(pattern.exec(said)?.[1] ?? Number.NaN);
  return {
    errors: number(/errors: (\d+)/),
    states: number(/(\d+) states, stored/),
    violated: /^pan:1: (.*) \(at depth/m.exec(said)?.[1],
    complete: !/Search not completed|max search depth too small|out of memory/.test(said),
    unreached: [...said.matchAll(/^\t\S+:(\d+), state \d+, "(?!-end-)(.*)"$/gm)].map(
      (match) => `${match[1]}: ${match[2]}`,
    ),
  };
}

describe.each(Object.keys(MODELS))('%s', (model) => {
  const { runs, longRuns, least } = MODELS[model] as Bounds;
  const text = readFileSync(join(import.meta.dirname, 'model', model), 'utf8');
  const breaks = new Set(text.match(/\bBREAK_[A-Z_]+\b/g));

  testWithSpin.each(LONG ? [...runs, ...longRuns] : runs)(
    'no run within %s breaks a property',
    async (bounds) => {
      const { states, ...found } = await search(model, bounds);
      expect(found).toEqual({ errors: 0, violated: undefined, complete: true, unreached: expect.any(Array) });
      expect(states).toBeGreaterThan(50_000);
      if (LONG) process.stderr.write(`${model} ${bounds}: ${states} states\n`);
    },
    MODEL_MS_MAX,
  );

  testWithSpin.each([...breaks])(
    '%s breaks one',
    async (rule) => {
      expect(await search(model, `${least(rule)} ${rule}`)).toMatchObject({
        errors: 1,
        violated: expect.stringMatching(/^assertion violated \((?!invalid)/),
      });
    },
    MODEL_MS_MAX,
  );
});
