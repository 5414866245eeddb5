import type { EpochRecord, LogMessage } from './log-messages.ts';

/**
 * A replicated log, as a venue on several hosts needs it: messages in slots that are counted from 1, each stored by a
 * majority before it is confirmed, and publishing that can demand which slot comes last before it. What no log of this
 * kind promises, and nothing here relies on: that only one node publishes, or that a publish without an answer failed.
 */
export interface ReplicatedLog {
  /** Publishes a block into the slot after `lastSlot`, if that is still the last one. Never rejects. */
  publishBlock(envelopeEpoch: number, bytes: Uint8Array, lastSlot: number): Promise<PublishOutcome>;
  /** Publishes an epoch record into whatever slot is next. Never rejects. */
  publishRecord(record: EpochRecord): Promise<PublishOutcome>;
  /** What is in a slot; undefined if nothing is, or not any more. Rejects if no answer came. */
  lookUp(slot: number): Promise<StoredMessage | undefined>;
  /** The first message at `slot` or after it that is a block; undefined if there is none. Rejects if no answer came. */
  nextBlock(slot: number): Promise<StoredMessage | undefined>;
  /** Rejects if no answer came. */
  extent(): Promise<LogExtent>;
  /** All epoch records there are, in order. Rejects if they can not be had. */
  records(): Promise<readonly StoredMessage[]>;
  /** Everything from a slot on, in order, as it is stored; never ends by itself. */
  follow(slot: number): LogFollowing;
  /** Gives up the blocks before a slot; epoch records stay. */
  trim(slot: number): Promise<void>;
  /** Why the log can not be used any more; undefined while it can. */
  readonly ended: string | undefined;
}

export interface StoredMessage {
  readonly slot: number;
  readonly message: LogMessage;
}

/** Slots that a log has. Some in between may be given up. */
export interface LogExtent {
  /** First slot that holds a message; `last` + 1 if none does. */
  readonly first: number;
  /** The last slot that was ever given; 0 for none. */
  readonly last: number;
  /** Whether blocks were given up. */
  readonly trimmed: boolean;
  readonly bytes: number;
}

export interface LogFollowing extends AsyncIterable<StoredMessage> {
  close(): Promise<void>;
}

export type PublishOutcome =
  | { readonly kind: 'stored'; readonly slot: number }
  /** Not stored: another slot is the last one. */
  | { readonly kind: 'rejected'; readonly text: string }
  /** Not stored, for a reason that has nothing to do with the slot, such as a full log. */
  | { readonly kind: 'refused'; readonly text: string }
  /** Nobody knows whether it was stored, or will be. */
  | { readonly kind: 'unknown'; readonly text: string };

export type ReplicatedLogErrorCode =
  | 'no-jetstream'
  /** Fewer servers than copies were asked for. */
  | 'too-few-servers'
  /** There is a stream, and it promises something else. */
  | 'other-settings'
  /** The server takes no messages as large as a block. */
  | 'payload-limit'
  /** It can not be reached, or says something else. */
  | 'unavailable';

/** The replicated log can not be used as it is. */
export class ReplicatedLogError extends Error {
  override readonly name = 'ReplicatedLogError';
  readonly code: ReplicatedLogErrorCode;

  constructor(code: ReplicatedLogErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A node's journal is no part of the log's chain. The node must not serve, and its journal is left as it is. */
export class ForkedJournalError extends Error {
  override readonly name = 'ForkedJournalError';
}
