import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentFault } from '../ops/exit-codes.ts';
import { findNatsServer } from '../ops/nats-server.ts';
import { type BenchmarkOptions, check, type Measured, median, playApart } from './benchmark.ts';
import { NATS_BATCH, NATS_MESSAGES_IN_FLIGHT, playSubmit, submittedFigures } from './nats-load.ts';
import type { ClientResult } from './pipeline-play.ts';

export const description = 'the gateway over NATS, beside an echo that answers messages of the same sizes at once';

const NEW_ORDERS = 100_000;
const QUICK_NEW_ORDERS = 20_000;
const ROUNDS = 5;
const RATE_GOAL = 500_000;
const SESSIONS = 16;
const SECONDS = 20;
const QUICK_SECONDS = 4;

export async function run({ directory, quick, yardstick }: BenchmarkOptions): Promise<Measured> {
  if (findNatsServer() === undefined) throw new EnvironmentFault('there is no nats-server to measure with');
  const rounds: Awaited<ReturnType<typeof playSubmit>>[] = [];
  for (let round = 0; round < (quick ? 2 : ROUNDS); round++) {
    rounds.push(await playSubmit(join(directory, String(round)), quick ? QUICK_NEW_ORDERS : NEW_ORDERS));
    await yardstick();
  }
  const own = join(directory, 'sessions');
  mkdirSync(own);
  const seconds = String(quick ? QUICK_SECONDS : SECONDS);
  const args = ['--nats', '--seconds', seconds, '--sessions', String(SESSIONS), '--directory', own];
  const many = await playApart<ClientResult & { readonly replicasAgree: boolean }>('pipeline-play.ts', ...args);
  check(many.replicasAgree, 'the replicas differ');
  check(many.acknowledgedOnce, 'a command was not acknowledged once');
  await yardstick();
  const rate = median(rounds.map(({ submitted }) => submitted.commandsPerSecond));
  const echo = median(rounds.map((one) => one.echo));
  const middle = rounds.find(({ submitted }) => submitted.commandsPerSecond >= rate) ?? rounds[0];
  return {
    figures: [
      {
        name: `over NATS, ${SESSIONS} sessions`,
        value: many.commandsPerSecond,
        unit: 'commands/s',
        goal: { atLeast: RATE_GOAL },
      },
      ...Object.entries({ p50: many.ackMicros.p50, p99: many.ackMicros.p99, max: many.ackMicros.max }).map(
        ([label, micros]) => ({
          name: `over NATS, ${SESSIONS} sessions: acknowledged, ${label}`,
          value: micros / 1_000,
          unit: 'ms',
        }),
      ),
      ...(middle === undefined ? [] : submittedFigures('over NATS, one session', middle.submitted)).slice(1),
      { name: 'over NATS, one session', value: rate, unit: 'commands/s' },
      { name: 'over NATS, one session: messages of 256 commands', value: rate / NATS_BATCH, unit: 'messages/s' },
      { name: 'echo', value: echo, unit: 'commands/s' },
      { name: 'echo, messages of 256 commands', value: echo / NATS_BATCH, unit: 'messages/s' },
    ],
    ratios: [
      { name: `over NATS, ${SESSIONS} sessions / echo`, value: many.commandsPerSecond / echo },
      { name: 'over NATS, one session / echo', value: rate / echo },
    ],
    notes: [
      `${SESSIONS} sessions: the client that \`veritape submit --sessions\` is, in another process, flat out for ${seconds} s`,
      `one session: median of ${rounds.length} rounds; the client is \`veritape submit\` in another process, nats-server a third; policy disk, two replicas`,
      `the echo has ${NATS_MESSAGES_IN_FLIGHT} messages under way and does nothing with them: the limit of one such client over NATS`,
    ],
  };
}
