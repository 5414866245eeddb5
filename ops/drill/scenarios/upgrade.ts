import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { SnapshotStore } from '../../../journal/snapshots.ts';
import { unpackKeptJournal } from '../kept-journal.ts';
import type { Preparation, Scenario } from '../scenario.ts';

/** Of the first version; later ones are added beside it. */
const KEPT = join(import.meta.dirname, '..', 'journals', 'release-0.1.0.zst');
/** Where a snapshot's header has the format of its state, and its own checksum: journal/snapshots.ts. */
const CODEC_AT = 8;
const HEADER_CRC_AT = 156;
const UNKNOWN_CODEC = 65_535;

/** Lays out the journal where the venue will look for it. */
function olderJournal(folder: string): Preparation {
  const { release, sequence, stateHash, told } = unpackKeptJournal(KEPT, join(folder, 'venue', 'host'));
  return { before: { told, state: { sequence, stateHash, by: `version ${release}` } } };
}

/** Makes a snapshot one whose state is of a format that no release reads. */
function changeCodec(file: string): void {
  const bytes = readFileSync(file);
  bytes.writeUInt16LE(UNKNOWN_CODEC, CODEC_AT);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, HEADER_CRC_AT)), HEADER_CRC_AT);
  writeFileSync(file, bytes);
}

export const upgradeScenarios: readonly Scenario[] = [
  {
    name: 'older-journal',
    what: 'a venue begins on a journal of an older release, is killed, and finds a snapshot of a format it does not know',
    promise:
      'clients go on in their sessions, the state is what the older release said, and the snapshot is passed over',
    placement: 'alone',
    processes: 1,
    prepare: olderJournal,
    serve: ['--snapshot-every', '2000'],
    round: async (round) => {
      const { primary } = round.cluster;
      await primary.process.logged('snapshot written');
      await round.atWork(100, 500);
      await round.inject(`${primary.name} is killed`, () => round.cluster.killMember(primary));
      const [newest] = await new SnapshotStore(primary.directory).list();
      if (newest === undefined) throw new Error('there is no snapshot');
      const before = readFileSync(newest.file);
      changeCodec(newest.file);
      round.cluster.restart(primary);
      await round.takenOver();
      const said = primary.process.log.find(({ msg }) => msg === 'snapshot passed over');
      if (said === undefined) throw new Error('it did not say that it passed the snapshot over');
      writeFileSync(newest.file, before);
    },
  },
];
