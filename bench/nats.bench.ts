import { join } from 'node:path';
import { EnvironmentFault } from '../ops/exit-codes.ts';
import { findNatsServer } from '../ops/nats-server.ts';
import { type BenchmarkOptions, type Measured, median } from './benchmark.ts';
import { NATS_BATCH, NATS_MESSAGES_IN_FLIGHT, playSubmit, submittedFigures } from './nats-load.ts';

export const description = 'the gateway over NATS, beside an echo that answers messages of the same sizes at once';

const NEW_ORDERS = 100_000;
const QUICK_NEW_ORDERS = 20_000;
const ROUNDS = 5;
const RATE_GOAL = 500_000;

export async function run({ directory, quick, yardstick }: BenchmarkOptions): Promise<Measured> {
  if (findNatsServer() === undefined) throw new EnvironmentFault('there is no nats-server to measure with');
  const rounds: Awaited<ReturnType<typeof playSubmit>>[] = [];
  for (let round = 0; round < (quick ? 2 : ROUNDS); round++) {
    rounds.push(await playSubmit(join(directory, String(round)), quick ? QUICK_NEW_ORDERS : NEW_ORDERS));
    await yardstick();
  }
  const rate = median(rounds.map(({ submitted }) => submitted.commandsPerSecond));
  const echo = median(rounds.map((one) => one.echo));
  const middle = rounds.find(({ submitted }) => submitted.commandsPerSecond >= rate) ?? rounds[0];
  return {
    figures: [
      ...(middle === undefined ? [] : submittedFigures('over NATS', middle.submitted)).slice(1),
      { name: 'over NATS', value: rate, unit: 'commands/s', goal: { atLeast: RATE_GOAL } },
      { name: 'over NATS, messages of 256 commands', value: rate / NATS_BATCH, unit: 'messages/s' },
      { name: 'echo', value: echo, unit: 'commands/s' },
      { name: 'echo, messages of 256 commands', value: echo / NATS_BATCH, unit: 'messages/s' },
    ],
    ratios: [{ name: 'over NATS / echo', value: rate / echo }],
    notes: [
      `median of ${rounds.length} rounds; the client is \`veritape submit\` in another process, nats-server a third; policy disk, two replicas`,
      `the echo has ${NATS_MESSAGES_IN_FLIGHT} messages under way and does nothing with them: the limit of one such client over NATS`,
    ],
  };
}
