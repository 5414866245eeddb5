/** What went wrong, as a word that a program can branch on. */
export type JournalErrorCode =
  /** Another writer took over: this one must stop. */
  | 'epoch-lost'
  /** No room for the block. It was not acknowledged; free space and open again. */
  | 'disk-full'
  /** The disk or LMDB refused a write. Whether the block is stored is known after opening again. */
  | 'write-failed'
  /** Bytes are not what was written. */
  | 'damaged'
  /** Written by a newer version of this program. */
  | 'newer-version'
  | 'not-a-journal'
  /** A process that is still alive writes this journal. */
  | 'in-use'
  | 'missing-segment'
  /** The block or sequence asked for is not in the journal. */
  | 'no-such-block'
  | 'closed';

/** One thing wrong in a journal or a snapshot, and where. */
export interface Finding {
  /** A word for what is wrong, for programs. */
  readonly kind: string;
  /** A sentence for people: what was found, what was expected, where. */
  readonly text: string;
  readonly segment?: number;
  readonly block?: number;
  /** Page of the segment's data file. */
  readonly page?: number;
  readonly file?: string;
}

export class JournalError extends Error {
  override readonly name = 'JournalError';
  readonly code: JournalErrorCode;
  readonly finding: Finding | undefined;

  constructor(code: JournalErrorCode, message: string, more: { finding?: Finding; cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.finding = more.finding;
  }

  static damaged(finding: Finding): JournalError {
    return new JournalError(finding.kind === 'newer-version' ? 'newer-version' : 'damaged', finding.text, { finding });
  }
}

/** A writer of epoch `own` was passed by one of epoch `stored`. */
export function epochLost(stored: number | undefined, own: number): JournalError {
  return new JournalError(
    'epoch-lost',
    `another writer took the journal over with epoch ${stored}; this one has ${own}`,
  );
}

/** What the file system and LMDB say when there is no room: errno values and names. */
const DISK_FULL_CODES = new Set<unknown>([28, 122, 27, 'ENOSPC', 'EDQUOT', 'EFBIG']);

/** An error of the disk or of LMDB as one of the journal's, saying what was being done. */
export function asJournalError(error: unknown, doing: string): JournalError {
  if (error instanceof JournalError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const full = DISK_FULL_CODES.has(code) || /no space left/i.test(message);
  return new JournalError(full ? 'disk-full' : 'write-failed', `${doing}: ${message}`, { cause: error });
}
