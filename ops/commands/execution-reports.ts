import { connect } from '@nats-io/transport-node';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { SEQUENCE_MAX } from '../../journal/amounts.ts';
import { positiveSeconds, wholeNumber, withExamples } from '../cli/arguments.ts';
import { Interruption } from '../cli/interruption.ts';
import { addNatsCredentials, type NatsCredentialOptions, natsJoin } from '../cli/nats-credentials.ts';
import { Progress } from '../cli/progress.ts';
import { TextOutput } from '../cli/text-output.ts';
import { EnvironmentFault, ExitCode } from '../exit-codes.ts';
import { ReportReader } from '../reports/report-reader.ts';
import { ClientError } from '../sessions/venue-client.ts';

interface ReportsOptions extends NatsCredentialOptions {
  readonly nats: string;
  readonly shard: number;
  readonly accounts: readonly number[];
  readonly after?: number;
  readonly count?: number;
  readonly giveUp: number;
}

const U32_MAX = 4_294_967_295;
const ACCOUNTS_MAX = 1_000;
const GIVE_UP_S = 30;

export function registerReports(program: Command): void {
  const command = program
    .command('reports')
    .description(
      'Prints the execution reports of accounts as NDJSON in FIX terms, complete and in order, as a follower with --queries ' +
        'keeps them: for the account itself, or as a drop copy for whoever may see it. Exits with 1 if some are not kept any more.',
    )
    .addOption(new Option('--nats <url>', 'the NATS server').env('VERITAPE_NATS').default('nats://127.0.0.1:4222'))
    .addOption(
      new Option('--shard <number>', 'shard of the venue')
        .env('VERITAPE_SHARD')
        .default(0)
        .argParser(wholeNumber(0, U32_MAX)),
    )
    .requiredOption('--accounts <numbers>', 'accounts to tell of, such as 7,8', accountNumbers)
    .addOption(
      new Option('--after <sequence>', 'begin after this sequence instead of now').argParser(
        wholeNumber(0, SEQUENCE_MAX),
      ),
    )
    .addOption(new Option('--count <reports>', 'end after so many').argParser(wholeNumber(1, Number.MAX_SAFE_INTEGER)))
    .addOption(
      new Option('--give-up <seconds>', 'end with an error if no follower answers for so long')
        .default(GIVE_UP_S)
        .argParser(positiveSeconds),
    )
    .option('--json', 'as always: each line is one JSON object');
  addNatsCredentials(command).action((options: ReportsOptions) => printReports(options));
  withExamples(
    command,
    'veritape reports --accounts 7,8 --nats tls://nats.example:4222 --nats-ca ca.pem --nats-seed bank.nk',
    'veritape reports --accounts 7 --after 0 --count 100',
  );
}

function accountNumbers(text: string): number[] {
  const accounts = text.split(',').map(wholeNumber(0, U32_MAX));
  if (new Set(accounts).size === accounts.length && accounts.length <= ACCOUNTS_MAX) return accounts;
  throw new InvalidArgumentError(`It must be up to ${ACCOUNTS_MAX} different numbers of accounts with commas between.`);
}

async function printReports(options: ReportsOptions): Promise<void> {
  const { shard, accounts, after, count = Number.MAX_SAFE_INTEGER, giveUp } = options;
  using interruption = new Interruption();
  using progress = await Progress.start('reports');
  const join = natsJoin(options.nats, options);
  const connection = await connect({ maxReconnectAttempts: -1, ...join.connection }).catch((error: Error) => {
    throw new EnvironmentFault(`NATS at ${options.nats}: ${error.message}`);
  });
  // Who asks does not matter to an open venue.
  const identity = join.identity ?? 'anybody';
  const onRetry = (why: string): void =>
    progress.update(() => `${why}; asked again. Is there a follower with --queries?`);
  const reader = new ReportReader({ connection, shard, accounts, identity, giveUpMs: giveUp * 1000, onRetry });
  interruption.signal.addEventListener('abort', () => reader.close(), { once: true });
  const output = new TextOutput(process.stdout);
  let told = 0;
  try {
    await reader.begin(after);
    for await (const reported of reader.read()) {
      progress.stop();
      if ('gap' in reported) process.exitCode = ExitCode.false;
      else told++;
      await output.write(`${JSON.stringify('gap' in reported ? reported : reported.report)}\n`);
      if (told >= count || output.gone) break;
    }
  } catch (error) {
    if (error instanceof ClientError && !interruption.requested) throw new EnvironmentFault(error.message);
    if (!interruption.requested) throw error;
  } finally {
    await connection.close();
  }
}
