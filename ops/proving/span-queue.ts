import {
  AckPolicy,
  type Consumer,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  jetstreamManager,
  RetentionPolicy,
} from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { SequenceRange } from '../../proofs/matching/proof-store.ts';
import { type ProofShape, SPAN_HEIGHT_LOG_MAX, SPAN_HEIGHT_LOG_MIN } from '../../proofs/matching/prove-span.ts';
import { PROFILE_NAMES, type ProfileName } from '../../proofs/matching/statement.ts';
import { EnvironmentFault } from '../exit-codes.ts';
import { natsConnectionOptions } from '../nats-server.ts';

/** A span to prove, as JSON in one message: {"from":1,"to":59485,"profile":"standard","hidden":false,"heightLog":16}. */
export interface SpanJob extends SequenceRange, ProofShape {}

/** A span that was taken from the queue: it is another's if it is neither kept nor done with in time. */
export interface TakenSpan {
  /** Undefined if the message is none. */
  readonly job: SpanJob | undefined;
  /** How often somebody has taken it, this time included. */
  readonly deliveries: number;
  /** Done: it leaves the queue. */
  done(): Promise<void>;
  /** For another, at once. */
  giveBack(): void;
  /** For nobody any more. */
  giveUp(): void;
  [Symbol.dispose](): void;
}

export interface QueueState {
  /** Spans in the queue, those that somebody proves among them. */
  readonly spans: number;
  readonly inWork: number;
  /** Requests for work that wait. */
  readonly idle: number;
}

/** Without a sign of life for so long, a worker is taken to be dead. */
const ACK_WAIT_MS = 15_000;
const KEEPING_MS = 3_000;
/** A request for work is renewed after so long. */
const TAKING_MS = 5_000;
/** A server that stores nothing for so long is taken to be gone. */
const ANSWER_MS_MAX = 30_000;
const RECONNECT_MS = 500;
const CONSUMER = 'provers';
/** Bytes of the genesis hash that tell journals apart. */
const NAME_BYTES = 8;

/** Spans of one journal that wait for provers on any host: a work queue of NATS JetStream, whose name tells the journal. */
export class SpanQueue {
  readonly #connection: NatsConnection;
  readonly #manager: JetStreamManager;
  readonly #client: JetStreamClient;
  readonly #consumer: Consumer;
  readonly #stream: string;
  readonly #subject: string;
  /** Of the last message published: another publisher is noticed by it. */
  #lastPublished = 0;

  static async open(url: string, genesisHash: Uint8Array): Promise<SpanQueue> {
    const name = Buffer.from(genesisHash.subarray(0, NAME_BYTES)).toString('hex');
    const [stream, subject] = [`veritape-spans-${name}`, `veritape.spans.${name}`];
    const options = { maxReconnectAttempts: -1, reconnectTimeWait: RECONNECT_MS, ...natsConnectionOptions(url) };
    let connection: NatsConnection | undefined;
    try {
      connection = await connect(options);
      const manager = await jetstreamManager(connection, { timeout: ANSWER_MS_MAX });
      await manager.streams.add({ name: stream, subjects: [subject], retention: RetentionPolicy.Workqueue });
      await manager.consumers.add(stream, {
        durable_name: CONSUMER,
        ack_policy: AckPolicy.Explicit,
        ack_wait: ACK_WAIT_MS * 1e6,
      });
      const consumer = await manager.jetstream().consumers.get(stream, CONSUMER);
      const { state } = await manager.streams.info(stream);
      return new SpanQueue(connection, manager, consumer, stream, subject, state.last_seq);
    } catch (error) {
      await connection?.close();
      const why = error instanceof Error ? error.message : String(error);
      const hint = connection === undefined ? '' : ' (a nats-server with --jetstream is needed)';
      throw new EnvironmentFault(`${url}: ${why}${hint}`);
    }
  }

  private constructor(
    connection: NatsConnection,
    manager: JetStreamManager,
    consumer: Consumer,
    stream: string,
    subject: string,
    lastPublished: number,
  ) {
    this.#connection = connection;
    this.#manager = manager;
    this.#client = manager.jetstream();
    this.#consumer = consumer;
    this.#stream = stream;
    this.#subject = subject;
    this.#lastPublished = lastPublished;
  }

  /** Spans that are in the queue, by their numbers in it. */
  async list(): Promise<Map<number, SpanJob>> {
    const jobs = new Map<number, SpanJob>();
    const { state } = await this.#manager.streams.info(this.#stream);
    for (let number = state.first_seq; number <= state.last_seq && state.messages > 0; number++) {
      const message = await this.#manager.streams.getMessage(this.#stream, { seq: number });
      const job = message === null ? undefined : jobOf(message.data);
      if (job !== undefined) jobs.set(number, job);
    }
    return jobs;
  }

  /** Puts a span into the queue, for good; its number there. Throws if somebody else has put one there since. */
  async put(job: SpanJob): Promise<number> {
    const expect = { lastSequence: this.#lastPublished };
    try {
      const { seq } = await this.#client.publish(this.#subject, JSON.stringify(job), { expect });
      this.#lastPublished = seq;
      return seq;
    } catch (error) {
      if (!(error instanceof JetStreamApiError) || error.code !== JetStreamApiCodes.StreamWrongLastSequence)
        throw error;
      throw new EnvironmentFault('another veritape prove puts spans of this journal into the queue');
    }
  }

  async holds(number: number): Promise<boolean> {
    return (await this.#manager.streams.getMessage(this.#stream, { seq: number })) !== null;
  }

  async state(): Promise<QueueState> {
    const { state } = await this.#manager.streams.info(this.#stream);
    const { num_ack_pending: inWork, num_waiting: idle } = await this.#consumer.info();
    return { spans: state.messages, inWork, idle };
  }

  /** The next span, or undefined if there was none for a while. It is kept until it is disposed of. */
  async take(): Promise<TakenSpan | undefined> {
    const message = await this.#consumer.next({ expires: TAKING_MS });
    return message === null ? undefined : takenOf(message, this.#connection);
  }

  get connection(): NatsConnection {
    return this.#connection;
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}

function takenOf(message: JsMsg, connection: NatsConnection): TakenSpan {
  const keeping = setInterval(() => {
    if (!connection.isClosed()) message.working();
  }, KEEPING_MS);
  return {
    job: jobOf(message.data),
    deliveries: message.info.deliveryCount,
    done: async () => {
      await message.ackAck();
    },
    giveBack: () => message.nak(),
    giveUp: () => message.term(),
    [Symbol.dispose]: () => clearInterval(keeping),
  };
}

function jobOf(data: Uint8Array): SpanJob | undefined {
  let job: Partial<Record<keyof SpanJob, unknown>>;
  try {
    job = Object(JSON.parse(Buffer.from(data).toString()));
  } catch {
    return undefined;
  }
  const { from, to, profile, hidden, heightLog } = job;
  if (!isWhole(from, 1) || !isWhole(to, from) || !isWhole(heightLog, SPAN_HEIGHT_LOG_MIN)) return undefined;
  if (heightLog > SPAN_HEIGHT_LOG_MAX || typeof hidden !== 'boolean') return undefined;
  if (!PROFILE_NAMES.includes(profile as ProfileName)) return undefined;
  return { from, to, profile: profile as ProfileName, hidden, heightLog };
}

function isWhole(value: unknown, min: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min;
}
