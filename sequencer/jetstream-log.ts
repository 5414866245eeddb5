import {
  type ConsumerMessages,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StoredMsg,
  type StreamConfig,
} from '@nats-io/jetstream';
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { BLOCK_BYTES_MAX } from '../journal/block.ts';
import { decodeEpochRecord, type EpochRecord, encodeEpochRecord, type LogMessage } from './log-messages.ts';
import {
  type LogExtent,
  type LogFollowing,
  type PublishOutcome,
  type ReplicatedLog,
  ReplicatedLogError,
  type StoredMessage,
} from './replicated-log.ts';

/**
 * The replicated log of shard S in NATS JetStream: the stream VERITAPE_S, in files, on several servers.
 *
 * | subject | message |
 * |---------|---------|
 * | veritape.S.log.epoch | an epoch record (log-messages.ts) |
 * | veritape.S.log.block | a sealed block as in the journal; the header {@link EPOCH_HEADER} holds its envelope epoch in decimal |
 *
 * A slot is a sequence number of the stream. JetStream acknowledges a message when a majority of its servers has it, in
 * memory of the kernel: its own flush to disk comes later (`sync_interval`).
 */
export interface JetStreamLogOptions {
  readonly shard: number;
  /** Servers that hold a copy each: 1, 3 or 5. */
  readonly replicas: number;
  /** The stream takes no more than this; it must be trimmed before. */
  readonly bytesMax: number;
}

/** What the stream takes unless told otherwise. */
export const LOG_BYTES_DEFAULT = 2 ** 30;
/** It must hold the blocks that are never trimmed, and as many again. */
export const LOG_BYTES_MIN = 2 ** 29;
/** How many servers may hold a copy. */
export const LOG_REPLICAS = [1, 3, 5] as const;
export const LOG_REPLICAS_DEFAULT = 3;

const EPOCH_HEADER = 'Veritape-Epoch';
const DECIMAL = /^[1-9]\d{0,15}$/;
/** Room in a message besides the block: the headers. */
const HEADERS_BYTES_MAX = 1024;
/** A publish without an answer for so long is given up, and looked up. */
const PUBLISH_MS_MAX = 1_000;
/** The stream is made, or found, within this time. */
const OPEN_MS_MAX = 15_000;
const REQUEST_MS_MAX = 1_000;
/** Messages asked for ahead of their being read. */
const READ_AHEAD_MESSAGES = 128;
/** Requests for messages are renewed after so long, and half of it without a sign of the server is too long. */
const FOLLOW_EXPIRES_MS = 2_000;
/** A follower that hears nothing for so long looks whether there is something. */
const SILENCE_MS_MAX = 1_000;
/** No message has an id here, so nothing needs to be remembered of ids; the least that a server takes. */
const DUPLICATE_WINDOW_NS = 100_000_000;
const NOTHING_FOUND: readonly number[] = [JetStreamApiCodes.NoMessageFound];
const WRONG_LAST: readonly number[] = [
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown,
];
/** Codes of nats-server for placements that can not be had. */
const TOO_FEW_SERVERS: readonly number[] = [10005, 10074];
const NOT_ENABLED: readonly number[] = [10039, 10076];

export function streamName(shard: number): string {
  return `VERITAPE_${shard}`;
}
function epochSubject(shard: number): string {
  return `veritape.${shard}.log.epoch`;
}
function blockMessageSubject(shard: number): string {
  return `veritape.${shard}.log.block`;
}

type Settings = Pick<
  StreamConfig,
  | 'name'
  | 'subjects'
  | 'storage'
  | 'retention'
  | 'num_replicas'
  | 'discard'
  | 'max_bytes'
  | 'max_age'
  | 'max_msgs'
  | 'max_msgs_per_subject'
  | 'deny_delete'
  | 'duplicate_window'
>;

function settingsOf({ shard, replicas, bytesMax }: JetStreamLogOptions): Settings {
  return {
    name: streamName(shard),
    subjects: [epochSubject(shard), blockMessageSubject(shard)],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    num_replicas: replicas,
    // A full stream must refuse what is new, never forget what is old.
    discard: DiscardPolicy.New,
    max_bytes: bytesMax,
    max_age: 0,
    max_msgs: -1,
    max_msgs_per_subject: -1,
    deny_delete: true,
    duplicate_window: DUPLICATE_WINDOW_NS,
  };
}

/** Settings that change what the log promises, so that a stream with others is refused. */
const REQUIRED = [
  'subjects',
  'storage',
  'retention',
  'num_replicas',
  'discard',
  'max_age',
  'max_msgs',
  'max_msgs_per_subject',
] as const;

export class JetStreamLog implements ReplicatedLog {
  readonly #connection: NatsConnection;
  readonly #client: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #stream: string;
  readonly #epochSubject: string;
  readonly #blockSubject: string;

  /** Makes the stream if there is none. Throws a {@link ReplicatedLogError}. The connection is left open. */
  static async open(connection: NatsConnection, options: JetStreamLogOptions): Promise<JetStreamLog> {
    const payloadMax = connection.info?.max_payload ?? 0;
    if (payloadMax < BLOCK_BYTES_MAX + HEADERS_BYTES_MAX) {
      const text = `the NATS server's max_payload is ${payloadMax} and must be at least ${BLOCK_BYTES_MAX + HEADERS_BYTES_MAX} bytes`;
      throw new ReplicatedLogError('payload-limit', text);
    }
    // Servers that have just been started elect who leads first, and answer nothing meanwhile.
    for (const until = performance.now() + OPEN_MS_MAX; ; ) {
      try {
        const manager = await jetstreamManager(connection, { timeout: REQUEST_MS_MAX });
        await ensureStream(manager, settingsOf(options));
        return new JetStreamLog(connection, manager, options.shard);
      } catch (cause) {
        const error = logError(cause, streamName(options.shard), options.replicas);
        if (error.code !== 'unavailable' || connection.isClosed() || performance.now() > until) throw error;
      }
    }
  }

  private constructor(connection: NatsConnection, manager: JetStreamManager, shard: number) {
    this.#connection = connection;
    this.#manager = manager;
    this.#client = jetstream(connection, { timeout: REQUEST_MS_MAX });
    this.#stream = streamName(shard);
    this.#epochSubject = epochSubject(shard);
    this.#blockSubject = blockMessageSubject(shard);
  }

  get ended(): string | undefined {
    return this.#connection.isClosed() ? 'the connection was closed' : undefined;
  }

  publishBlock(envelopeEpoch: number, bytes: Uint8Array, lastSlot: number): Promise<PublishOutcome> {
    const envelope = headers();
    envelope.set(EPOCH_HEADER, String(envelopeEpoch));
    return this.#publish(this.#blockSubject, bytes, envelope, lastSlot);
  }

  publishRecord(record: EpochRecord): Promise<PublishOutcome> {
    return this.#publish(this.#epochSubject, encodeEpochRecord(record), headers(), undefined);
  }

  async lookUp(slot: number): Promise<StoredMessage | undefined> {
    return this.#stored(await this.#message({ seq: slot }));
  }

  async nextBlock(slot: number): Promise<StoredMessage | undefined> {
    return this.#stored(await this.#message({ seq: slot, next_by_subj: this.#blockSubject }));
  }

  async extent(): Promise<LogExtent> {
    const { state } = await this.#answered(this.#manager.streams.info(this.#stream));
    const first = state.messages === 0 ? state.last_seq + 1 : state.first_seq;
    return { first, last: state.last_seq, trimmed: state.last_seq !== state.messages, bytes: state.bytes };
  }

  async records(): Promise<readonly StoredMessage[]> {
    const found: StoredMessage[] = [];
    for (let slot = 1; ; ) {
      const stored = this.#stored(await this.#message({ seq: slot, next_by_subj: this.#epochSubject }));
      if (stored === undefined) return found;
      found.push(stored);
      slot = stored.slot + 1;
    }
  }

  follow(slot: number): LogFollowing {
    return new StreamFollowing(this.#manager, this.#client, this.#stream, slot, (subject, header, data) =>
      this.#decode(subject, header, data),
    );
  }

  async trim(slot: number): Promise<void> {
    await this.#answered(this.#manager.streams.purge(this.#stream, { filter: this.#blockSubject, seq: slot }));
  }

  async #message(query: { seq: number; next_by_subj?: string }): Promise<StoredMsg | undefined> {
    if (query.seq < 1) return undefined;
    const asked = this.#manager.streams.getMessage(this.#stream, query).catch((error: unknown) => {
      if (error instanceof JetStreamApiError && NOTHING_FOUND.includes(error.code)) return null;
      throw error;
    });
    return (await this.#answered(asked)) ?? undefined;
  }

  /** Whatever goes wrong with a request is told in one way. */
  #answered<T>(request: Promise<T>): Promise<T> {
    return request.catch((error: unknown) => {
      throw unavailable(error, this.#stream);
    });
  }

  #stored(message: StoredMsg | undefined): StoredMessage | undefined {
    if (message === undefined) return undefined;
    return { slot: message.seq, message: this.#decode(message.subject, message.header, message.data) };
  }

  #decode(subject: string, header: MsgHdrs | undefined, data: Uint8Array): LogMessage {
    if (subject === this.#epochSubject) {
      const record = decodeEpochRecord(Buffer.from(data.buffer, data.byteOffset, data.length));
      return 'text' in record ? { kind: 'unreadable', finding: record } : { kind: 'record', record };
    }
    const epoch = header?.get(EPOCH_HEADER) ?? '';
    if (!DECIMAL.test(epoch) || !Number.isSafeInteger(Number(epoch)))
      return { kind: 'unreadable', finding: { kind: 'envelope', text: 'a block without the epoch of its envelope' } };
    // In memory of its own: a message is a part of a larger buffer, which the block would keep alive.
    return { kind: 'block', envelopeEpoch: Number(epoch), bytes: new Uint8Array(data) };
  }

  async #publish(
    subject: string,
    bytes: Uint8Array,
    envelope: MsgHdrs,
    lastSlot: number | undefined,
  ): Promise<PublishOutcome> {
    const expect = { streamName: this.#stream, ...(lastSlot === undefined ? {} : { lastSequence: lastSlot }) };
    try {
      const { seq } = await this.#client.publish(subject, bytes, {
        headers: envelope,
        expect,
        timeout: PUBLISH_MS_MAX,
        retries: 1,
      });
      return { kind: 'stored', slot: seq };
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (!(error instanceof JetStreamApiError)) return { kind: 'unknown', text };
      return { kind: WRONG_LAST.includes(error.code) ? 'rejected' : 'refused', text };
    }
  }
}

type Decode = (subject: string, header: MsgHdrs | undefined, data: Uint8Array) => LogMessage;

/**
 * Follows a stream through a consumer, which lives on one of the servers and may die with it. The client library makes a new
 * one then, mostly; so it is also looked whether the stream has messages that do not come.
 */
class StreamFollowing implements LogFollowing {
  readonly #manager: JetStreamManager;
  readonly #client: JetStreamClient;
  readonly #stream: string;
  readonly #decode: Decode;
  /** The next slot to be given out. */
  #next: number;
  #messages: ConsumerMessages | undefined;
  #heard = false;
  #closed = false;

  constructor(manager: JetStreamManager, client: JetStreamClient, stream: string, slot: number, decode: Decode) {
    this.#manager = manager;
    this.#client = client;
    this.#stream = stream;
    this.#next = Math.max(1, slot);
    this.#decode = decode;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StoredMessage, void, undefined> {
    const watch = setInterval(() => void this.#look(), SILENCE_MS_MAX);
    try {
      while (!this.#closed) {
        const consumer = await this.#client.consumers.get(this.#stream, {
          deliver_policy: DeliverPolicy.StartSequence,
          opt_start_seq: this.#next,
        });
        const messages = await consumer.consume({ max_messages: READ_AHEAD_MESSAGES, expires: FOLLOW_EXPIRES_MS });
        this.#messages = messages;
        if (this.#closed) this.#leave();
        for await (const message of messages) {
          this.#heard = true;
          if (message.seq < this.#next) continue;
          this.#next = message.seq + 1;
          yield { slot: message.seq, message: this.#decode(message.subject, message.headers, message.data) };
        }
      }
    } catch (error) {
      throw unavailable(error, this.#stream);
    } finally {
      clearInterval(watch);
      this.#leave();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#leave();
  }

  /** Begins anew if nothing came since the last look, and there is something. */
  async #look(): Promise<void> {
    const wasHeard = this.#heard;
    this.#heard = false;
    if (wasHeard || this.#messages === undefined) return;
    try {
      const { state } = await this.#manager.streams.info(this.#stream);
      if (state.last_seq >= this.#next && !this.#heard) this.#leave();
    } catch {
      // Nobody answers: looked again after a while.
    }
  }

  /** Lets go of the consumer, whoever may still have it: the server forgets one that nobody asks. */
  #leave(): void {
    void this.#messages?.close().catch(() => undefined);
    this.#messages = undefined;
  }
}

async function ensureStream(manager: JetStreamManager, settings: Settings): Promise<void> {
  let found: StreamConfig;
  try {
    found = (await manager.streams.info(settings.name)).config;
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== JetStreamApiCodes.StreamNotFound) throw error;
    // Another node may make it at the same time: with the same settings that is no error.
    found = (await manager.streams.add(settings)).config;
  }
  for (const name of REQUIRED) {
    const [is, must] = [JSON.stringify(found[name]), JSON.stringify(settings[name])];
    if (is === must) continue;
    throw new ReplicatedLogError('other-settings', `stream ${settings.name}: ${name}: ${is} must be ${must}`);
  }
}

function logError(error: unknown, stream: string, replicas: number): ReplicatedLogError {
  if (error instanceof ReplicatedLogError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const code = error instanceof JetStreamApiError ? error.code : 0;
  // The client library throws the second when nobody answers; it does not export the class.
  if (NOT_ENABLED.includes(code) || (error instanceof Error && error.name === 'JetStreamNotEnabled'))
    return new ReplicatedLogError('no-jetstream', `JetStream is not enabled, or has no leader: ${text}`);
  if (TOO_FEW_SERVERS.includes(code)) {
    const rule = `the cluster has fewer than ${replicas} servers with JetStream that answer`;
    return new ReplicatedLogError('too-few-servers', `stream ${stream}: ${rule}: ${text}`);
  }
  return unavailable(error, stream);
}

function unavailable(error: unknown, stream: string): ReplicatedLogError {
  if (error instanceof ReplicatedLogError) return error;
  return new ReplicatedLogError('unavailable', `stream ${stream}: ${error instanceof Error ? error.message : error}`);
}
