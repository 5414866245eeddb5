import { exitCodeOf } from '../ops/exit-codes.ts';
import { CheckFailed, type Measured } from './benchmark.ts';
import { BENCHMARKS } from './benchmarks.ts';

/** node benchmark-process.ts NAME FOLDER full|quick: runs one benchmark, and sends the outcome to the process above. */
export type Outcome =
  | { readonly description: string; readonly measured: Measured }
  | { readonly description: string; readonly failure: string; readonly exitCode: number };

const [name = '', directory = '', extent] = process.argv.slice(2);
// The process above was killed: nobody waits for the outcome, or removes what is written from here on.
process.once('disconnect', () => process.exit());
const benchmark = await BENCHMARKS[name]?.();
if (benchmark === undefined) throw new Error(`no benchmark "${name}"`);
const { description } = benchmark;
let outcome: Outcome;
try {
  outcome = { description, measured: await benchmark.run({ directory, quick: extent === 'quick' }) };
} catch (error) {
  const known = error instanceof CheckFailed;
  const failure = error instanceof Error ? ((known ? undefined : error.stack) ?? error.message) : String(error);
  outcome = { description, failure, exitCode: known ? 1 : exitCodeOf(error) };
}
process.send?.(outcome, () => process.disconnect());
