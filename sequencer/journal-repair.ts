import { BlockLookup } from '../journal/block-lookup.ts';
import { JournalError } from '../journal/findings.ts';
import { JournalReader } from '../journal/reader.ts';
import type { BlockRepair, RepairAnswer } from './block-transport.ts';

/**
 * Repairs from a copy of the journal on this host, for readers without NATS. The copy may end before the venue's own: what
 * it does not have yet is asked for again when more was published, or after a while.
 */
export class JournalRepair implements BlockRepair {
  readonly ended = undefined;
  readonly #journal: JournalReader;
  readonly #lookup: BlockLookup;

  /** Throws a {@link JournalError} if there is no journal, or it is of another shard. */
  constructor(directory: string, shard: number) {
    this.#journal = JournalReader.open(directory);
    this.#lookup = new BlockLookup(this.#journal);
    const { genesis } = this.#journal;
    if (genesis.shard !== shard) {
      throw new JournalError('not-a-journal', `the journal in ${directory} is of shard ${genesis.shard}, not ${shard}`);
    }
  }

  /** Rejects with a {@link JournalError} at damage. */
  async ask(block: number): Promise<RepairAnswer> {
    try {
      const view = this.#lookup.read(block);
      return view === undefined ? { kind: 'notYet' } : { kind: 'block', bytes: view.copy().bytes };
    } catch (error) {
      const { firstBlock } = this.#journal;
      if (block < firstBlock) return { kind: 'gone', firstBlock };
      throw error;
    }
  }
}
