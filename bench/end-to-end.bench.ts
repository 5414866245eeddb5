import { join } from 'node:path';
import { EnvironmentFault } from '../ops/exit-codes.ts';
import { findNatsServer } from '../ops/nats-server.ts';
import type { BenchmarkOptions, Measured } from './benchmark.ts';
import { playSubmit, submittedFigures } from './nats-load.ts';

export const description = 'client, nats-server, sequencer, disk and two replicas together, for a long flow';

const NEW_ORDERS = 2_000_000;
const QUICK_NEW_ORDERS = 200_000;

export async function run({ directory, quick, yardstick }: BenchmarkOptions): Promise<Measured> {
  if (findNatsServer() === undefined) throw new EnvironmentFault('there is no nats-server to measure with');
  const { submitted } = await playSubmit(join(directory, 'venue'), quick ? QUICK_NEW_ORDERS : NEW_ORDERS);
  const { naivePerSecond } = await yardstick();
  const seconds = submitted.commands / submitted.commandsPerSecond;
  return {
    figures: [
      ...submittedFigures('end to end', submitted),
      { name: 'end to end: for', value: seconds, unit: 'seconds' },
    ],
    ratios: [
      {
        name: "end to end / the yardstick's naive book in memory",
        value: submitted.commandsPerSecond / naivePerSecond,
      },
    ],
    notes: [
      `${submitted.commands.toLocaleString('en')} commands of the challenge's normal scenario, sent as fast as they are taken by one client process`,
      'every command is journalled, flushed, matched by two replicas that agree at the end, and answered over NATS',
    ],
  };
}
