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

  /** Throws a {@link JournalError} if there is no journal, or it is of another shard. */
  constructor(directory: string, shard: number) {
    this.#journal = JournalReader.open(directory);
    const { genesis } = this.#journal;
    if (genesis.shard !== shard) {
      throw new JournalError('not-a-journal', `the journal in ${directory} is of shard ${genesis.shard}, not ${shard}`);
    }
  }

  /** Rejects with a {@link JournalError} at damage. */
  async ask(block: number): Promise<RepairAnswer> {
    const firstBlock = this.#journal.firstBlock;
    if (block < firstBlock) return { kind: 'gone', firstBlock };
    try {
      for (const view of this.#journal.blocks(block)) return { kind: 'block', bytes: view.copy().bytes };
    } catch (error) {
      if (!(error instanceof JournalError) || error.code !== 'no-such-block') throw error;
    }
    return { kind: 'notYet' };
  }
}
