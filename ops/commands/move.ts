import type { Command } from 'commander';
import { Option } from 'commander';
import { grouped, positiveSeconds, wholeNumber, withExamples } from '../cli/arguments.ts';
import { Interruption } from '../cli/interruption.ts';
import { addNatsCredentials, type NatsCredentialOptions, natsJoin } from '../cli/nats-credentials.ts';
import { Progress } from '../cli/progress.ts';
import { printResult } from '../cli/result.ts';
import { EnvironmentFault, ExitCode } from '../exit-codes.ts';
import { type MoveReport, type MoveStep, moveInstrument } from '../move-instrument.ts';
import { ClientError } from '../sessions/venue-client.ts';

interface MoveCommandOptions extends NatsCredentialOptions {
  readonly nats: string;
  readonly from: number;
  readonly to: number;
  readonly back?: boolean;
  readonly token?: string;
  readonly giveUp: number;
  readonly json?: boolean;
}

const U32_MAX = 4_294_967_295;
const GIVE_UP_S = 15;

export function registerMove(program: Command): void {
  const command = program
    .command('move')
    .description(
      'move an instrument with its resting orders to another shard, while both run; if it ends early, run it again',
    )
    .argument('<symbol>', 'name of the instrument')
    .requiredOption('--from <shard>', 'shard on which it trades', wholeNumber(0, U32_MAX))
    .requiredOption('--to <shard>', 'shard on which it is to trade', wholeNumber(0, U32_MAX))
    .addOption(new Option('--nats <url>', 'the NATS server').env('VERITAPE_NATS').default('nats://127.0.0.1:4222'))
    .addOption(new Option('--back', 'undo a move with the same --from and --to that has not ended'))
    .addOption(
      new Option('--token <token>', "an administrator's: what the venue knows this client by").env('VERITAPE_TOKEN'),
    )
    .addOption(
      new Option('--give-up <seconds>', 'end with an error if a shard does not answer for so long')
        .default(GIVE_UP_S)
        .argParser(positiveSeconds),
    )
    .option('--json', 'print the result as one JSON object');
  addNatsCredentials(command).action((symbol: string, options: MoveCommandOptions) => runMove(symbol, options));
  withExamples(command, 'veritape move ACME --from 0 --to 1', 'veritape move ACME --from 0 --to 1 --back');
}

async function runMove(symbol: string, options: MoveCommandOptions): Promise<void> {
  const { from, to, back, token } = options;
  using interruption = new Interruption();
  using progress = await Progress.start('move');
  let at: MoveStep | undefined;
  let report: MoveReport;
  try {
    report = await moveInstrument({
      ...natsJoin(options.nats, options),
      symbol,
      from,
      to,
      back,
      token,
      giveUpMs: options.giveUp * 1000,
      signal: interruption.signal,
      // Whoever reads the log of a mover that was killed wants to know how far it was.
      onStep: (step) => {
        at = step;
        if (process.stderr.isTTY) progress.phase(step);
        else process.stderr.write(`move: ${step}\n`);
      },
      onProgress: (text) => progress.update(() => text),
      onRetry: (why) => progress.update(() => `${at ?? 'asking both shards'}: ${why}; tried again`),
    });
  } catch (error) {
    if (interruption.requested && isUnchanged(at)) throw interruption.error('stopped before anything was moved');
    if (!(error instanceof ClientError)) throw error;
    throw new EnvironmentFault(`${options.nats}: ${error.message}; ${whatNow(at, symbol)}`);
  }
  await printResult(report, options.json === true, () => describe(report));
  if (report.outcome === 'stopped') throw interruption.error('stopped before anything was moved');
  if (report.refusal !== undefined) process.exitCode = ExitCode.false;
}

/** Nothing of the instrument was changed where it trades. */
function isUnchanged(at: MoveStep | undefined): boolean {
  return at === undefined || at === 'fence' || at === 'prepare';
}

/** What is true of an instrument whose move has failed at a step. */
function whatNow(at: MoveStep | undefined, symbol: string): string {
  if (isUnchanged(at)) return `nothing was moved: ${symbol} is as it was before this command`;
  if (at === 'finish') return `the move is over, but its sessions are open: run the same command again`;
  return `${symbol} may not trade now: run the same command again`;
}

function describe(report: MoveReport): string {
  const { symbol, from, to, outcome, refusal, orders, pauseMs } = report;
  const pause = `it did not trade for ${pauseMs} ms${report.resumed ? ' of this run' : ''}`;
  switch (outcome) {
    case 'moved':
      return `${symbol} trades on shard ${to} now, with ${grouped(orders)} orders; ${pause}`;
    case 'already moved':
      return `${symbol} trades on shard ${to}, as it did before`;
    case 'moved back': {
      const why = refusal === undefined ? '' : `shard ${to} did not take it: ${refusal}\n`;
      return `${why}${symbol} trades on shard ${from} as before; ${pause}`;
    }
    default:
      return `${symbol} trades on shard ${from} as before; nothing was moved`;
  }
}
