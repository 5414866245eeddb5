import { existsSync } from 'node:fs';
import { BLOCK_HEADER_BYTES } from '../../../journal/block.ts';
import { JournalReader } from '../../../journal/reader.ts';
import { SNAPSHOT_HEADER_BYTES, SnapshotStore } from '../../../journal/snapshots.ts';
import type { Member } from '../drill-cluster.ts';
import type { DrillRound } from '../drill-round.ts';
import { flipBit, flipInBlock } from '../journal-damage.ts';
import type { Scenario } from '../scenario.ts';
import { VeritapeProcess } from '../veritape-process.ts';

/** Often, so that there is a snapshot before a block and one after it. */
const SNAPSHOTS = ['--snapshot-every', '2000'];
/** Blocks between the one that is damaged and the end. */
const BLOCKS_BACK = 20;
const SNAPSHOT_MS_MAX = 30_000;
const AUDIT_MS_MAX = 60_000;
const DAMAGED = 1;
const FINDING_SNAPSHOT = 'snapshot passed over';

/** Kills the process that serves, so that its files can be damaged behind its back. */
async function killed(round: DrillRound): Promise<Member> {
  const { primary } = round.cluster;
  await primary.process.logged('snapshot written', SNAPSHOT_MS_MAX);
  await round.atWork(200, 800);
  await round.inject(`${primary.name} is killed`, () => round.cluster.killMember(primary));
  return primary;
}

/** Starts a process on a damaged journal, which must refuse, and again when the damage is mended. */
async function refusedUntilMended(round: DrillRound, member: Member, block: number, mend: () => void): Promise<void> {
  round.cluster.restart(member);
  await round.endsWith(member, DAMAGED, new RegExp(`block ${block}: `));
  round.note(`${member.name} refuses, the damage is mended`);
  mend();
  round.cluster.restart(member);
  await round.takenOver();
}

/** The block after which the newest snapshot was taken. */
async function newestSnapshot(directory: string): Promise<{ file: string; block: number }> {
  const reader = JournalReader.open(directory);
  for (const { file, sequence } of await new SnapshotStore(directory).list())
    return { file, block: reader.blockOf(sequence) };
  throw new Error(`${directory} has no snapshot`);
}

export const damageScenarios: readonly Scenario[] = [
  {
    name: 'corrupt-last-block',
    what: 'the venue is killed and a bit of the last block of its journal flips before it is started again',
    promise: 'it refuses to serve and names the block; with the bit as it was it serves all that was acknowledged',
    placement: 'alone',
    processes: 1,
    serve: SNAPSHOTS,
    round: async (round) => {
      const member = await killed(round);
      const { block, sequence } = JournalReader.open(member.directory).last;
      const before = JournalReader.open(member.directory).blockOf(sequence);
      const byte = BLOCK_HEADER_BYTES + round.chance.below(64);
      const mend = flipInBlock(member.directory, before, byte);
      round.timeline.mark('fault', `byte ${byte} of block ${block} is damaged`);
      await refusedUntilMended(round, member, block, mend);
    },
  },
  {
    name: 'corrupt-middle-block',
    what: 'as before with a block that must be replayed, then with one that only an audit reads',
    promise: 'it refuses what it would have to replay; what it need not read an audit finds, and names the block',
    placement: 'alone',
    processes: 1,
    serve: SNAPSHOTS,
    round: async (round) => {
      const member = await killed(round);
      const { directory } = member;
      const last = JournalReader.open(directory).last.block;
      const snapshot = await newestSnapshot(directory);
      const replayed = Math.max(snapshot.block + 1, last - round.chance.below(BLOCKS_BACK));
      if (replayed <= last) {
        const mend = flipInBlock(directory, replayed, BLOCK_HEADER_BYTES + 5);
        round.timeline.mark('fault', `block ${replayed}, of the blocks to replay, is damaged`);
        await refusedUntilMended(round, member, replayed, mend);
      } else {
        round.cluster.restart(member);
        await round.takenOver();
      }

      const unread = Math.max(1, snapshot.block - 1 - round.chance.below(BLOCKS_BACK));
      const mend = flipInBlock(directory, unread, BLOCK_HEADER_BYTES + 5);
      round.timeline.mark('fault', `block ${unread}, before a snapshot, is damaged`);
      const audit = await VeritapeProcess.run('audit', directory, '--json').end(undefined, AUDIT_MS_MAX);
      mend();
      const text = JSON.stringify(audit.result);
      if (audit.code !== DAMAGED || !new RegExp(`block ${unread}: `).test(text))
        throw new Error(`an audit did not find the damage in block ${unread}: code ${audit.code}, ${text}`);
      round.note('an audit found it');
    },
  },
  {
    name: 'corrupt-snapshot',
    what: 'the venue is killed and a bit of its newest snapshot flips before it is started again',
    promise: 'it passes the snapshot over, says so, and comes to the same state from an older one or the journal',
    placement: 'alone',
    processes: 1,
    serve: SNAPSHOTS,
    round: async (round) => {
      const member = await killed(round);
      const { file } = await newestSnapshot(member.directory);
      const at = round.chance.below(2) === 0 ? 70 : SNAPSHOT_HEADER_BYTES + 50;
      flipBit(file, at);
      round.timeline.mark('fault', `byte ${at} of the newest snapshot is damaged`);
      round.cluster.restart(member);
      await round.takenOver();
      if (!member.process.log.some((line) => line.msg === FINDING_SNAPSHOT))
        throw new Error('it did not say that it passed the snapshot over');
      // Not pruned yet, perhaps, and then the audit at the end is of what the venue wrote.
      if (existsSync(file)) flipBit(file, at);
    },
  },
];
