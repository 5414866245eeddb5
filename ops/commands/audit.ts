import { resolve } from 'node:path';
import type { Command } from 'commander';
import { SEQUENCE_MAX } from '../../journal/amounts.ts';
import { grouped, rateOf, wholeNumber, withExamples } from '../cli/arguments.ts';
import { Interruption } from '../cli/interruption.ts';
import { Progress } from '../cli/progress.ts';
import { printResult } from '../cli/result.ts';
import { TextOutput } from '../cli/text-output.ts';
import { ExitCode } from '../exit-codes.ts';
import { JournalAudit } from '../journal-audit.ts';

export function registerAudit(program: Command): void {
  const command = program
    .command('audit')
    .description(
      'Checks a journal from end to end: lengths, checksums, the hash chain, epochs and sequences of every block. ' +
        'Replays its commands and compares the state with every snapshot. The journal may be in use. Exits with 1 if ' +
        'anything is wrong.',
    )
    .argument('<dir>', 'directory of the venue, which holds journal/ and snapshots/')
    .option(
      '--from <sequence>',
      'replay from here: begins at the newest snapshot before it. The chain is checked in full',
      wholeNumber(1, SEQUENCE_MAX),
    )
    .option(
      '--to <sequence>',
      'replay to here, this one included. The chain is checked in full',
      wholeNumber(1, SEQUENCE_MAX),
    )
    .option('--events <out>', 'write the events of what is replayed to this file, as NDJSON')
    .option('--json', 'print the result as one JSON object')
    .action(audit);
  withExamples(command, 'veritape audit ./data', 'veritape audit ./data --from 1000000 --events events.ndjson --json');
}

interface AuditCommandOptions {
  readonly from?: number;
  readonly to?: number;
  readonly events?: string;
  readonly json?: boolean;
}

async function audit(directory: string, options: AuditCommandOptions): Promise<void> {
  using interruption = new Interruption();
  using progress = await Progress.start('audit');
  const started = performance.now();
  const events = options.events === undefined ? undefined : TextOutput.toFile(options.events);
  const { from, to } = options;
  const result = new JournalAudit(resolve(directory), { from, to, events });
  try {
    await result.run(interruption, () => progress.update(() => told(result, started)));
  } finally {
    await events?.end();
  }
  const elapsedMs = performance.now() - started;
  const complete = !interruption.requested;
  progress.stop();
  await printResult(summaryOf(result, elapsedMs, complete), options.json === true, () =>
    describe(result, elapsedMs, complete),
  );
  if (!complete) throw interruption.error(`stopped after ${told(result, started)}: what comes after was not checked`);
  if (result.findingCount > 0) process.exitCode = ExitCode.false;
}

function told({ blocks, commands, findingCount }: JournalAudit, started: number): string {
  const rate = grouped(rateOf(commands, performance.now() - started));
  const found = findingCount === 0 ? 'nothing wrong so far' : `${findingCount} findings`;
  return `${grouped(blocks)} blocks, ${grouped(commands)} commands, ${rate} commands/s, ${found}`;
}

function summaryOf(audit: JournalAudit, elapsedMs: number, complete: boolean): object {
  const { accepted, rejected, trades, canceled, replaced, records } = audit.counts;
  return {
    good: complete && audit.findingCount === 0,
    complete,
    findings: audit.findings,
    findingCount: audit.findingCount,
    segments: audit.segments,
    blocks: audit.blocks,
    commands: audit.commands,
    sequences: { first: audit.firstSequence, last: audit.last?.sequence ?? 0 },
    epochs: audit.epochs,
    chainHash: audit.last?.hash.toString('hex') ?? null,
    replayed: audit.replayed,
    replayedCommands: audit.replayedCommands,
    startedFrom: audit.startedFrom ?? null,
    accepted,
    rejected,
    trades,
    canceled,
    replaced,
    events: records,
    snapshots: { found: audit.snapshotsFound, compared: audit.snapshotsCompared },
    stateHash: audit.stateHash === '' ? null : audit.stateHash,
    assets: audit.assets.map(({ asset, total, available, held, accounts }) => ({
      ...{ asset, accounts, total: digits(total), available: digits(available), held: digits(held) },
    })),
    elapsedMs: Math.round(elapsedMs),
    commandsPerSecond: rateOf(audit.commands, elapsedMs),
  };
}

/** A number, or its digits where a JSON number is not exact. */
function digits(amount: bigint): number | string {
  return amount > BigInt(Number.MAX_SAFE_INTEGER) ? String(amount) : Number(amount);
}

function describe(audit: JournalAudit, elapsedMs: number, complete: boolean): string {
  const { counts, last } = audit;
  const lines = audit.findings.map(({ kind, text }) => `finding    [${kind}] ${text}`);
  if (audit.findingCount > lines.length) lines.push(`finding    and ${audit.findingCount - lines.length} more`);
  if (last !== undefined) {
    lines.push(
      `journal    ${grouped(audit.blocks)} blocks in ${audit.segments} segments, ` +
        `${grouped(audit.commands)} commands, ` +
        `sequences ${audit.firstSequence} to ${last.sequence}, ${audit.epochs} epochs`,
      `chain      ${last.hash.toString('hex')} after block ${last.block}`,
      ...replayLines(audit),
      `events     ${grouped(counts.trades)} trades, ${grouped(counts.rejected)} rejected, ` +
        `${grouped(counts.records)} events`,
      ...audit.assets.map(
        ({ asset, total, available, held, accounts }) =>
          `asset ${String(asset).padEnd(5)}${total} in ${accounts} accounts: ${available} available, ${held} held`,
      ),
      `snapshots  ${audit.snapshotsCompared} of ${audit.snapshotsFound} compared with the replayed state`,
      `rate       ${grouped(rateOf(audit.commands, elapsedMs))} commands/s, ${(elapsedMs / 1000).toFixed(2)} s`,
    );
  }
  if (audit.findingCount > 0) lines.push(`NOT GOOD: ${audit.findingCount} findings`);
  else lines.push(complete ? 'good' : 'good as far as it was checked');
  return lines.join('\n');
}

function replayLines({
  replayed,
  startedFrom,
  firstSequence,
  last,
  stateHash,
  commands,
  replayedCommands,
}: JournalAudit): string[] {
  const ranges = replayed.map(({ from, to }) => `${from} to ${to}`).join(', ');
  const lines = [`replay     ${ranges === '' ? 'no commands' : `sequences ${ranges}`}`];
  if (startedFrom !== undefined && startedFrom >= firstSequence) {
    lines.push(`           begun from the snapshot of sequence ${startedFrom}; what is before it was not replayed`);
  }
  const end = replayed.at(-1)?.to ?? startedFrom ?? 0;
  if (last !== undefined && end < last.sequence && commands > replayedCommands) {
    lines.push(`           sequences ${end + 1} to ${last.sequence} were not replayed`);
  }
  if (stateHash !== '') lines.push(`state      ${stateHash} after sequence ${end}`);
  return lines;
}
