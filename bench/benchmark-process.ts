import { exitCodeOf } from '../ops/exit-codes.ts';
import { CheckFailed, type Measured } from './benchmark.ts';
import { BENCHMARKS } from './benchmarks.ts';
import { takeYardstick, type Yardstick, type YardstickTaken, yardstickOf } from './yardstick.ts';

/**
 * node benchmark-process.ts NAME FOLDER full|quick [PLOTS]: runs one benchmark, and sends the outcome to the process
 * above. The yardstick is measured before, after, and whenever the benchmark asks for it.
 */
export type Outcome =
  | { readonly description: string; readonly measured: Measured; readonly yardstick: Yardstick }
  | { readonly description: string; readonly failure: string; readonly exitCode: number };

const [name = '', directory = '', extent, plots] = process.argv.slice(2);
// The process above was killed: nobody waits for the outcome, or removes what is written from here on.
process.once('disconnect', () => process.exit());
const benchmark = await BENCHMARKS[name]?.();
if (benchmark === undefined) throw new Error(`no benchmark "${name}"`);
const { description } = benchmark;
const taken: YardstickTaken[] = [];
const yardstick = async (): Promise<Yardstick> => {
  taken.push(await takeYardstick());
  return yardstickOf(taken);
};
let outcome: Outcome;
try {
  await yardstick();
  const measured = await benchmark.run({ directory, quick: extent === 'quick', plots, yardstick });
  outcome = { description, measured, yardstick: await yardstick() };
} catch (error) {
  const known = error instanceof CheckFailed;
  const failure = error instanceof Error ? ((known ? undefined : error.stack) ?? error.message) : String(error);
  outcome = { description, failure, exitCode: known ? 1 : exitCodeOf(error) };
}
process.send?.(outcome, () => process.disconnect());
