import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { SEQUENCE_MAX } from '../../journal/amounts.ts';
import { TIMELINE_EPOCHS } from '../../journal/timelines.ts';
import { ArchiveCheck, JournalRestore } from '../backup/journal-restore.ts';
import { grouped, rateOf, wholeNumber, withExamples } from '../cli/arguments.ts';
import { Interruption } from '../cli/interruption.ts';
import { segmentBytesOption } from '../cli/journal-options.ts';
import { Progress } from '../cli/progress.ts';
import { printResult } from '../cli/result.ts';
import { ExitCode, UsageError } from '../exit-codes.ts';

const VENUE_NEXT = 'never start the venue before again, or on other subjects only';
const COPY_NEXT = 'follow the venue from there; do not serve it';
/** Replies carry 32 bits of the epoch, and a timeline has to follow. */
const EPOCH_MAX = 2 ** 32 - 1 - TIMELINE_EPOCHS;

export function registerRestore(program: Command): void {
  const command = program
    .command('restore')
    .description(
      'Makes the folder of a venue from a backup, up to its end or to a point before, and audits it before it counts. Never ' +
        'into a folder that has a journal. The epoch is raised so that clients and followers tell the restored venue from ' +
        'the one before: docs/operating/backup.md.',
    )
    .argument('<backup>', 'folder of the backup')
    .argument('[new-dir]', 'folder of the restored venue: a new one, or an empty one')
    .addOption(
      new Option('--to-sequence <sequence>', 'up to this one, with which a block must end')
        .argParser(wholeNumber(1, SEQUENCE_MAX))
        .conflicts(['toTime', 'toBlock', 'check']),
    )
    .addOption(
      new Option('--to-time <time>', 'up to the last block that was closed by then: 2026-01-31T16:30:00Z')
        .argParser(timeOf)
        .conflicts(['toBlock', 'check']),
    )
    .addOption(
      new Option('--to-block <number>', 'up to this block')
        .argParser(wholeNumber(1, SEQUENCE_MAX))
        .conflicts(['check']),
    )
    .addOption(
      new Option(
        '--above-epoch <epoch>',
        'the highest epoch of the venue before, if it was restored or started since the backup',
      ).argParser(wholeNumber(0, EPOCH_MAX)),
    )
    .addOption(
      new Option('--copy', 'for veritape follow, of a venue that goes on: the epoch is left alone').conflicts(
        'aboveEpoch',
      ),
    )
    .option('--replay-all', 'audit by replaying all that there is, not only what comes after the newest snapshot')
    .option('--check', 'check all of the backup, and restore nothing')
    .addOption(segmentBytesOption('the journal'))
    .option('--json', 'print the result as one JSON object')
    .action(restore);
  withExamples(
    command,
    'veritape restore ./backup ./venue-again',
    'veritape restore ./backup ./venue-again --to-time 2026-01-31T16:30:00Z',
    'veritape restore ./backup --check --json',
  );
}

interface RestoreCommandOptions {
  readonly toSequence?: number;
  readonly toTime?: bigint;
  readonly toBlock?: number;
  readonly replayAll?: boolean;
  readonly aboveEpoch?: number;
  readonly copy?: boolean;
  readonly check?: boolean;
  readonly segmentBytes: number;
  readonly json?: boolean;
}

/** A time that says its zone, as nanoseconds since the Unix epoch. */
function timeOf(text: string): bigint {
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (ms >= 0) return BigInt(ms) * 1_000_000n;
  throw new InvalidArgumentError('It must be a date and a time with their zone, such as 2026-01-31T16:30:00Z.');
}

async function restore(backup: string, newDir: string | undefined, options: RestoreCommandOptions): Promise<void> {
  if (options.check === true) return check(resolve(backup), newDir, options.json === true);
  if (newDir === undefined) throw new UsageError('new-dir', undefined, 'give the folder to restore to, or --check');
  using interruption = new Interruption();
  using progress = await Progress.start('restore');
  const started = performance.now();
  const { toSequence, toTime, toBlock, replayAll, aboveEpoch, copy, segmentBytes: segmentBytesMax } = options;
  const point = { toSequence, toTime, toBlock };
  const [from, to] = [resolve(backup), resolve(newDir)];
  const run = new JournalRestore({ from, to, ...point, replayAll, aboveEpoch, copy, segmentBytesMax });
  const good = await run.run(interruption, () => progress.update(() => told(run)));
  progress.stop();
  if (interruption.requested)
    throw interruption.error(`stopped at block ${run.last?.block ?? 0}: nothing was restored`);
  const elapsedMs = performance.now() - started;
  await printResult(summaryOf(run, good, elapsedMs), options.json === true, () =>
    describe(run, good, copy === true, elapsedMs),
  );
  if (!good) process.exitCode = ExitCode.false;
}

function told({ blocks, bytes, audit }: JournalRestore): string {
  if (audit !== undefined) return `auditing, ${grouped(audit.blocks)} of ${grouped(blocks)} blocks`;
  return `${grouped(blocks)} blocks, ${grouped(bytes)} bytes`;
}

function summaryOf(run: JournalRestore, good: boolean, elapsedMs: number): object {
  const { last, audit, end } = run;
  return {
    good,
    sequence: last?.sequence ?? 0,
    block: last?.block ?? 0,
    chainHash: last?.hash.toString('hex') ?? null,
    stateHash: audit?.stateHash ?? null,
    epoch: run.epoch,
    blocks: run.blocks,
    commands: run.commands,
    bytes: run.bytes,
    snapshots: run.snapshots,
    replayed: audit?.replayed ?? [],
    findings: audit?.findings ?? [],
    left: { blocks: (end?.block ?? 0) - (last?.block ?? 0), commands: (end?.sequence ?? 0) - (last?.sequence ?? 0) },
    elapsedMs: Math.round(elapsedMs),
  };
}

function describe(run: JournalRestore, good: boolean, isCopy: boolean, elapsedMs: number): string {
  const { last, audit, end, epoch } = run;
  const left = (end?.sequence ?? 0) - (last?.sequence ?? 0);
  const lines = (audit?.findings ?? []).map(({ kind, text }) => `finding    [${kind}] ${text}`);
  lines.push(
    `restored   ${grouped(run.blocks)} blocks, ${grouped(run.commands)} commands, to sequence ${last?.sequence}, block ${last?.block}`,
    `chain      ${last?.hash.toString('hex')}`,
    `state      ${audit?.stateHash}`,
    `left out   ${grouped(left)} commands of the backup; and what the venue did after the backup`,
    `epoch      ${epoch}${isCopy ? '' : ': clients of the venue before are told that it was restored, and open new sessions'}`,
    `rate       ${grouped(rateOf(run.bytes, elapsedMs))} bytes/s, ${(elapsedMs / 1000).toFixed(2)} s`,
    good ? `good: ${isCopy ? COPY_NEXT : VENUE_NEXT}` : 'NOT GOOD: nothing was restored',
  );
  return lines.join('\n');
}

async function check(from: string, newDir: string | undefined, asJson: boolean): Promise<void> {
  if (newDir !== undefined) throw new UsageError('new-dir', newDir, 'with --check nothing is restored');
  using interruption = new Interruption();
  using progress = await Progress.start('restore');
  const run = new ArchiveCheck(from);
  await run.run(interruption, () => progress.update(() => `${grouped(run.blocks)} blocks checked`));
  progress.stop();
  if (interruption.requested) throw interruption.error(`stopped after ${grouped(run.blocks)} blocks`);
  const { blocks, commands, snapshots, findings, index } = run;
  const last = index?.last;
  const good = findings.length === 0;
  const { sequence, block, hash: chainHash } = last ?? {};
  const result = { good, findings, sequence, block, chainHash, blocks, commands, snapshots };
  await printResult(result, asJson, () =>
    [
      ...findings.map(({ kind, text }) => `finding    [${kind}] ${text}`),
      `backup     ${grouped(blocks)} blocks, ${grouped(commands)} commands, ${snapshots} snapshots are good`,
      `chain      ${last?.hash} after block ${last?.block}, sequence ${last?.sequence}`,
      good ? 'good' : `NOT GOOD: ${findings.length} findings`,
    ].join('\n'),
  );
  if (!good) process.exitCode = ExitCode.false;
}
