import { resolve } from 'node:path';
import type { Command } from 'commander';
import { dropSegment, findOldSegments, type Retention, SEGMENTS_KEPT_MIN } from '../backup/segment-retention.ts';
import { grouped, wholeNumber, withExamples } from '../cli/arguments.ts';
import { Interruption } from '../cli/interruption.ts';
import { printResult } from '../cli/result.ts';

const SEGMENTS_MAX = 99_999_999;

export function registerPrune(program: Command): void {
  const command = program
    .command('prune')
    .description(
      'Removes the oldest segments of a journal, which may be in use, that nobody needs to go on: their blocks are in the ' +
        'backup, and two good snapshots were taken after them. What is removed can be audited and proven from the backup only.',
    )
    .argument('<dir>', 'directory of the venue, or of a copy of it')
    .requiredOption('--backup <folder>', 'a backup that has what is removed')
    .option(
      '--keep <segments>',
      'segments that stay in any case',
      wholeNumber(SEGMENTS_KEPT_MIN, SEGMENTS_MAX),
      SEGMENTS_KEPT_MIN,
    )
    .option('--dry-run', 'tell what would be removed, and remove nothing')
    .option('--json', 'print the result as one JSON object')
    .action(prune);
  withExamples(
    command,
    'veritape prune ./venue --backup ./backup --dry-run',
    'veritape prune ./venue --backup ./backup --keep 8',
  );
}

interface PruneOptions {
  readonly backup: string;
  readonly keep: number;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

async function prune(path: string, { backup, keep, dryRun, json }: PruneOptions): Promise<void> {
  using interruption = new Interruption();
  const directory = resolve(path);
  const retention = await findOldSegments(directory, resolve(backup), keep);
  let dropped = 0;
  for (const { segment } of dryRun === true ? [] : retention.droppable) {
    if (interruption.requested) break;
    dropSegment(directory, segment);
    dropped++;
    await interruption.turn();
  }
  const { droppable, segments, why } = retention;
  const result = { dropped, left: segments - dropped, droppable, why };
  await printResult(result, json === true, () => describe(retention, dropped));
  if (interruption.requested) throw interruption.error(`stopped after ${dropped} segments`);
}

function describe({ droppable, segments, why }: Retention, dropped: number): string {
  const lines = droppable.map(({ segment, firstBlock, lastBlock, lastSequence }, at) => {
    const done = at < dropped ? 'removed' : 'could go';
    return `${done.padEnd(11)}segment ${segment}: blocks ${firstBlock} to ${lastBlock}, to sequence ${lastSequence}`;
  });
  return [...lines, `left       ${grouped(segments - dropped)} segments`, `           ${why}`].join('\n');
}
