import type { NatsConnection } from '@nats-io/transport-node';
import { aliveSubject } from '../../sequencer/cancel-on-disconnect.ts';
import type { AliveReply } from '../../sequencer/disconnect-watch.ts';
import type { Refusal } from '../../sequencer/messages.ts';
import type { FixSession } from './fix-session.ts';

export interface SignsOfLifeOptions {
  readonly session: FixSession;
  readonly connection: NatsConnection;
  readonly shard: number;
  readonly identity: string | undefined;
  readonly accounts: readonly number[];
  readonly cancelAfterMs: number;
}

/** Signs in the time after which orders are canceled: two may be lost. */
const SIGNS = 3;
const AGREE_MS_MAX = 5_000;

/**
 * Cancel on disconnect for a FIX client: while its session is logged on, the venue is shown that its accounts are there. When
 * the connection is gone without a Logout of the peer, or the gateway is, nothing more is shown, and the venue cancels all open
 * orders of the accounts when the time is over.
 */
export class SignsOfLife {
  readonly #options: SignsOfLifeOptions;
  #shownAt: number | undefined;

  constructor(options: SignsOfLifeOptions) {
    this.#options = options;
  }

  /** To be called several times a second. A peer for which the venue does not agree is logged out. */
  tick(now: number): void {
    const { session, cancelAfterMs } = this.#options;
    if (!session.isLoggedOn) {
      if (this.#shownAt !== undefined && session.hasLeft) this.#say(0);
      this.#shownAt = undefined;
      return;
    }
    const isFirst = this.#shownAt === undefined;
    if (!isFirst && now - (this.#shownAt as number) < cancelAfterMs / SIGNS) return;
    this.#shownAt = now;
    if (isFirst) void this.#agree();
    else this.#say(cancelAfterMs);
  }

  async #agree(): Promise<void> {
    const { session, connection, accounts, cancelAfterMs } = this.#options;
    const text = JSON.stringify({ cancelAfterMs });
    for (const account of accounts) {
      const why = await connection
        .request(this.#subjectOf(account), text, { timeout: AGREE_MS_MAX })
        .then((reply) => reply.json<AliveReply | Refusal>())
        .then((told) => ('error' in told ? `${told.field} is ${told.value}; the rule is: ${told.rule}` : undefined))
        .catch((error: Error) => error.message);
      if (why !== undefined)
        return session.logout(`cancel on disconnect can not be had for account ${account}: ${why}`);
    }
  }

  #say(cancelAfterMs: number): void {
    const { connection, accounts } = this.#options;
    if (connection.isClosed() || connection.isDraining()) return;
    for (const account of accounts) connection.publish(this.#subjectOf(account), JSON.stringify({ cancelAfterMs }));
  }

  #subjectOf(account: number): string {
    const { shard, identity } = this.#options;
    return `${aliveSubject(shard)}.${identity ?? '-'}.${account}`;
  }
}
