import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { FIRST_BLOCK_FIELD } from './block-answers.ts';
import { decodeReply, isReply } from './messages.ts';
import { blockSubject, repairSubject } from './nats-gateway.ts';

/** What takes blocks from a source: a reader. */
export interface BlockSink {
  /** Whether a block is still to come, is there already, or finds no room because nobody takes the ones before it. */
  stateOf(block: number): 'wanted' | 'there' | 'noRoom';
  /** Takes the bytes of a block that was published, by whomever. */
  published(data: Uint8Array): void;
  /** Block `block` was published and will not come whole from this source any more. */
  missed(block: number): void;
  /** Nothing more will come. */
  failed(why: string): void;
}

/** Where published blocks come from. For one reader, which starts it and stops it. */
export interface BlockSource {
  /** How much later than the block after it a block may come without being lost; 0 where order is kept. */
  readonly patienceMs: number;
  start(sink: BlockSink): void;
  stop(): void;
  /** Why nothing can come any more; undefined while something can. */
  readonly ended: string | undefined;
}

export type RepairAnswer =
  /** `isCertain` is false if it may be of another journal than the venue's. */
  | { readonly kind: 'block'; readonly bytes: Uint8Array; readonly isCertain?: false | undefined }
  /** Not durable yet, whatever was published. */
  | { readonly kind: 'notYet' }
  /** Not kept any more. */
  | { readonly kind: 'gone'; readonly firstBlock: number };

/** Whom a reader asks for the blocks that did not come. What it answers must be the venue's journal, but for what it says. */
export interface BlockRepair {
  /**
   * Undefined if no answer came in time: ask again. Rejects if asking again is of no use. With `certain`, only what is the
   * venue's journal will do.
   */
  ask(block: number, certain?: boolean): Promise<RepairAnswer | undefined>;
  /** Why nobody can be asked any more; undefined while somebody can. */
  readonly ended: string | undefined;
}

const CLOSED = 'the connection was closed';

/** Blocks as the venue publishes them on NATS. The connection is left open. */
export class NatsBlocks implements BlockSource {
  readonly patienceMs = 0;
  readonly #connection: NatsConnection;
  readonly #shard: number;
  #subscription: Subscription | undefined;

  constructor(connection: NatsConnection, shard: number) {
    this.#connection = connection;
    this.#shard = shard;
  }

  get ended(): string | undefined {
    return this.#connection.isClosed() ? CLOSED : undefined;
  }

  start(sink: BlockSink): void {
    this.#subscription = this.#connection.subscribe(blockSubject(this.#shard), {
      callback: (error, message) => {
        // The client library stops reading from the server when a callback throws.
        try {
          if (error === null) sink.published(message.data);
          else sink.failed(error.message);
        } catch (cause) {
          sink.failed(String(cause));
        }
      },
    });
  }

  stop(): void {
    if (!this.#connection.isClosed()) this.#subscription?.unsubscribe();
  }
}

/** A repair that takes longer is asked for again. */
const REPAIR_MS_MAX = 2_000;

/** Asks the venue, which looks into its journal. */
export class NatsRepair implements BlockRepair {
  readonly #connection: NatsConnection;
  readonly #subject: string;

  constructor(connection: NatsConnection, shard: number, subject = repairSubject(shard)) {
    this.#connection = connection;
    this.#subject = subject;
  }

  get ended(): string | undefined {
    return this.#connection.isClosed() ? CLOSED : undefined;
  }

  async ask(block: number): Promise<RepairAnswer | undefined> {
    const request = this.#connection.request(this.#subject, String(block), { timeout: REPAIR_MS_MAX });
    const bytes = await request.then(
      (reply) => reply.data,
      () => undefined,
    );
    if (bytes === undefined) return undefined;
    if (!isReply(bytes)) return { kind: 'block', bytes };
    const reply = decodeReply(bytes);
    if ('field' in reply && reply.field === FIRST_BLOCK_FIELD) return { kind: 'gone', firstBlock: Number(reply.value) };
    return { kind: 'notYet' };
  }
}
