import { encodeRefusal, type Refusal } from './messages.ts';

/** Whoever can answer requests for repair: the venue, and readers that keep a copy of its journal. */
export interface KeptBlocks {
  /** The bytes of a durable block, or undefined if it is not in the journal. */
  readonly readBlock: (block: number) => Uint8Array | undefined;
  /** The first block that the journal still has. */
  readonly firstBlock: () => number;
}

/** The refusal to repair a block that is not kept any more names this field, and the first block that is. */
export const FIRST_BLOCK_FIELD = 'firstBlock';

/** What is answered to a request for repair, whose text is the number of a block: its bytes, or a refusal. */
export function answerRepair(kept: KeptBlocks, text: string): Uint8Array {
  const block = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  const bytes = Number.isNaN(block) ? undefined : kept.readBlock(block);
  return bytes ?? encodeRefusal(missing(kept, block, text));
}

function missing(kept: KeptBlocks, block: number, text: string): Refusal {
  const first = kept.firstBlock();
  if (block < first)
    return { error: 'malformed', field: FIRST_BLOCK_FIELD, value: first, rule: 'the first block kept' };
  return {
    error: 'malformed',
    field: 'block',
    value: text.slice(0, 32),
    rule: 'the decimal number of a durable block',
  };
}
