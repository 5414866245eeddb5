import { resolve } from 'node:path';
import type { Command } from 'commander';
import { JournalBackup } from '../backup/journal-backup.ts';
import { byteSize, grouped, rateOf, withExamples } from '../cli/arguments.ts';
import { Interruption } from '../cli/interruption.ts';
import { snapshotsKeptOption } from '../cli/journal-options.ts';
import { Progress } from '../cli/progress.ts';
import { printResult } from '../cli/result.ts';

const RATE_BYTES_MIN = 2 ** 16;

export function registerBackup(program: Command): void {
  const command = program
    .command('backup')
    .description(
      'Copies the journal and the newest snapshots of a venue, which may be serving, to a folder. Every block is checked on the ' +
        'way. Once there, a backup is added to: no block is copied twice, and those that are there are checked. It may be ' +
        'interrupted or killed; the next one goes on.',
    )
    .argument('<dir>', 'directory of the venue, or of a copy or a node of it')
    .argument('<target>', 'folder of the backup: a new one, or the one of the backup before')
    .option('--no-check', 'do not read again what earlier backups copied (veritape restore --check does)')
    .option('--rate <bytes>', 'copy no more than this in a second, as 20M', byteSize(RATE_BYTES_MIN))
    .addOption(snapshotsKeptOption())
    .option('--json', 'print the result as one JSON object')
    .action(backup);
  withExamples(command, 'veritape backup ./venue ./backup', 'veritape backup ./venue ./backup --rate 50M --json');
}

interface BackupCommandOptions {
  readonly check: boolean;
  readonly rate?: number;
  readonly snapshotsKept: number;
  readonly json?: boolean;
}

async function backup(directory: string, target: string, options: BackupCommandOptions): Promise<void> {
  using interruption = new Interruption();
  using progress = await Progress.start('backup');
  const started = performance.now();
  const { check, rate: bytesPerSecondMax, snapshotsKept } = options;
  const [from, to] = [resolve(directory), resolve(target)];
  const run = new JournalBackup({ from, to, check, bytesPerSecondMax, snapshotsKept });
  await run.run(interruption, () => progress.update(() => told(run)));
  progress.stop();
  const complete = !interruption.requested;
  const elapsedMs = performance.now() - started;
  await printResult(summaryOf(run, elapsedMs, complete), options.json === true, () => describe(run, elapsedMs));
  if (!complete)
    throw interruption.error(`stopped at block ${run.index?.last.block ?? 0}; the next backup goes on there`);
}

function told({ blocksKept, blocksChecked, blocksCopied, bytesCopied, goal, index }: JournalBackup): string {
  if (blocksCopied === 0) return `${grouped(blocksChecked)} of ${grouped(blocksKept)} blocks from before checked`;
  const block = (index?.begin.block ?? 0) + blocksKept + blocksCopied;
  return `block ${grouped(block)} of ${grouped(goal?.block ?? 0)}, ${grouped(bytesCopied)} bytes copied`;
}

function summaryOf(run: JournalBackup, elapsedMs: number, complete: boolean): object {
  const { last, begin, epoch, snapshots, pieces } = run.index ?? {};
  return {
    complete,
    sequence: last?.sequence ?? 0,
    block: last?.block ?? 0,
    chainHash: last?.hash ?? null,
    time: last?.time ?? null,
    epoch: epoch ?? 0,
    firstBlock: (begin?.block ?? 0) + 1,
    blocksKept: run.blocksKept,
    blocksChecked: run.blocksChecked,
    blocksCopied: run.blocksCopied,
    commandsCopied: run.commandsCopied,
    bytesCopied: run.bytesCopied,
    bytes: pieces?.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0,
    snapshots: snapshots?.map(({ sequence, block, stateHash }) => ({ sequence, block, stateHash })) ?? [],
    snapshotsCopied: run.snapshotsCopied,
    elapsedMs: Math.round(elapsedMs),
  };
}

function describe(run: JournalBackup, elapsedMs: number): string {
  const { index } = run;
  if (index === undefined) return 'nothing was copied';
  const { last, begin, snapshots } = index;
  const seconds = (elapsedMs / 1000).toFixed(2);
  const before = `${grouped(run.blocksKept)} were there, ${grouped(run.blocksChecked)} of them checked`;
  return [
    `backup     sequences ${begin.sequence + 1} to ${last.sequence}, blocks ${begin.block + 1} to ${last.block}`,
    `chain      ${last.hash} after block ${last.block}: keep it elsewhere, too`,
    `copied     ${grouped(run.blocksCopied)} blocks, ${grouped(run.bytesCopied)} bytes; ${before}`,
    `snapshots  ${snapshots.map(({ sequence }) => sequence).join(', ') || 'none'}`,
    `rate       ${grouped(rateOf(run.bytesCopied, elapsedMs))} bytes/s, ${seconds} s`,
  ].join('\n');
}
