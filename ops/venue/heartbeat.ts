import { setTimeout as delay } from 'node:timers/promises';
import { connect, type NatsConnection, PermissionViolationError } from '@nats-io/transport-node';
import { aliveSubject } from '../../sequencer/cancel-on-disconnect.ts';
import type { AliveReply } from '../../sequencer/disconnect-watch.ts';
import type { Refusal } from '../../sequencer/messages.ts';
import type { NatsJoin } from '../cli/nats-credentials.ts';
import { ClientError } from '../sessions/venue-client.ts';

export interface HeartbeatOptions extends NatsJoin {
  readonly shards: readonly number[];
  readonly account: number;
  /** Without a sign of life for so long, a venue cancels all open orders of the account: sequencer/disconnect-watch.ts. */
  readonly cancelAfterMs: number;
}

/** Signs of life in the time after which orders are canceled: two may be lost. */
const SIGNS = 3;
const BEGIN_MS_MAX = 5_000;
const LEAVE_MS_MAX = 2_000;

/** Shows a venue that its client is there, until it leaves. */
export class Heartbeat {
  readonly #connection: NatsConnection;
  readonly #options: HeartbeatOptions;
  readonly #timer: NodeJS.Timeout;

  /** Resolves when every shard watches. Rejects with {@link ClientError}. */
  static async begin(options: HeartbeatOptions): Promise<Heartbeat> {
    const connection = await connect({ maxReconnectAttempts: -1, ...options.connection });
    try {
      for (const shard of options.shards) await agree(connection, shard, options);
      return new Heartbeat(connection, options);
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  private constructor(connection: NatsConnection, options: HeartbeatOptions) {
    this.#connection = connection;
    this.#options = options;
    const sign = (): void => {
      for (const shard of options.shards) this.#say(shard, options.cancelAfterMs);
    };
    this.#timer = setInterval(sign, options.cancelAfterMs / SIGNS);
  }

  /** Says that the orders are to stay. */
  leave(): void {
    clearInterval(this.#timer);
    for (const shard of this.#options.shards) this.#say(shard, 0);
  }

  /** Without {@link leave} before, the venue cancels the orders when the time is over. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const patience = new AbortController();
    const tooLong = delay(LEAVE_MS_MAX, undefined, patience).catch(() => undefined);
    // Draining does not end while the server is away.
    await Promise.race([this.#connection.drain().catch(() => undefined), tooLong]);
    patience.abort();
    await this.#connection.close();
  }

  #say(shard: number, cancelAfterMs: number): void {
    if (this.#connection.isClosed() || this.#connection.isDraining()) return;
    this.#connection.publish(subjectOf(shard, this.#options), JSON.stringify({ cancelAfterMs }));
  }
}

async function agree(connection: NatsConnection, shard: number, options: HeartbeatOptions): Promise<void> {
  const subject = subjectOf(shard, options);
  const request = JSON.stringify({ cancelAfterMs: options.cancelAfterMs });
  const reply = await connection.request(subject, request, { timeout: BEGIN_MS_MAX }).catch((error: Error) => {
    const why = error instanceof PermissionViolationError ? 'the NATS server does not let this client' : error.message;
    throw new ClientError(`cancel on disconnect, shard ${shard}: ${why}`);
  });
  const told = reply.json<AliveReply | Refusal>();
  if ('error' in told)
    throw new ClientError(`cancel on disconnect: ${told.field} is ${told.value}; the rule is: ${told.rule}`);
}

function subjectOf(shard: number, { identity, account }: HeartbeatOptions): string {
  return `${aliveSubject(shard)}.${identity ?? '-'}.${account}`;
}
