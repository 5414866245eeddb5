import { COMMAND_WORDS, encodeCommand } from '../../journal/commands.ts';
import type { Answer } from '../../sequencer/messages.ts';
import { natsJoin } from '../cli/nats-credentials.ts';
import { VenueClient } from '../sessions/venue-client.ts';
import { Acknowledged } from './acknowledged.ts';
import { commandOf } from './order-flow.ts';

const BATCH_MAX = 64;
/** Short, so that what a dead server took with it is soon sent again, and often while it is still on its way. */
const ANSWER_MS_MAX = 1_500;
const GIVE_UP_MS = 120_000;
/** A client with a pace looks this often whether the next commands are due. */
const PACE_MS = 1;

export interface LoadedClientOptions {
  /** What the client knows from before, if it has been here before. */
  readonly told?: Acknowledged | undefined;
  /** As many as the venue takes unless given. */
  readonly commandsPerSecond?: number | undefined;
  readonly answerMsMax?: number | undefined;
  /** File of the seed of the identity that acts for the account, where the venue binds them. */
  readonly natsSeed?: string | undefined;
  /** Told of each reply that answers commands which were not answered before, with their number. */
  readonly onAcknowledged?: ((count: number) => void) | undefined;
}

/**
 * A client that keeps a venue busy and notes every answer. It sends again what was not answered, through as many restarts
 * as there are, and may itself go away and come back.
 */
export class LoadedClient {
  readonly told: Acknowledged;
  /** Why something was sent again, and how often. */
  readonly retried: Map<string, number>;
  readonly #nats: string;
  readonly #options: LoadedClientOptions;
  #client: VenueClient;
  #sending = false;
  /** Answers that do not come any more are no failure. */
  #leaving = false;
  #closed = false;
  #sender: Promise<void> = Promise.resolve();
  #failure: Error | undefined;
  readonly #waiting = new Set<Promise<void>>();

  static async open(nats: string, account: number, options: LoadedClientOptions = {}): Promise<LoadedClient> {
    const retried = new Map<string, number>();
    const client = await openVenueClient(nats, account, retried, options);
    return new LoadedClient(nats, account, client, retried, options);
  }

  private constructor(
    nats: string,
    account: number,
    client: VenueClient,
    retried: Map<string, number>,
    options: LoadedClientOptions,
  ) {
    this.#nats = nats;
    this.#client = client;
    this.#options = options;
    this.retried = retried;
    this.told = options.told ?? new Acknowledged(account);
    this.told.session = client.session;
  }

  start(): void {
    this.#sending = true;
    this.#sender = this.#send();
  }

  /** Stops sending, and resolves when everything sent is answered; rejects if the client gave up. */
  async stop(): Promise<void> {
    this.#sending = false;
    await this.#sender;
    await Promise.all(this.#waiting);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Goes away with answers outstanding, and comes back in the same session with the first request it has no answer to. */
  async vanish(): Promise<void> {
    await this.#leave();
    this.#leaving = false;
    this.#client = await openVenueClient(this.#nats, this.told.account, this.retried, this.#options);
    this.#client.goBackTo(this.told.firstMissing());
    this.start();
  }

  /** Resolves when `count` more commands are acknowledged. */
  async acknowledgedMore(count: number): Promise<void> {
    const wanted = this.told.count + count;
    while (this.told.count < wanted) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#closed) throw new Error('the client was closed');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#leave();
  }

  async #leave(): Promise<void> {
    this.#sending = false;
    this.#leaving = true;
    await this.#client.close();
    await this.#sender;
    await Promise.all(this.#waiting);
  }

  async #send(): Promise<void> {
    const client = this.#client;
    const words = new Uint32Array(BATCH_MAX * COMMAND_WORDS);
    const pace = new Pace(this.#options.commandsPerSecond);
    while (this.#sending && this.#failure === undefined) {
      const first = client.nextRequest;
      const count = pace.takeDue(1 + ((first * 7919) % BATCH_MAX));
      if (count === 0) {
        await new Promise((resolve) => setTimeout(resolve, PACE_MS));
        continue;
      }
      for (let index = 0; index < count; index++)
        encodeCommand(words, index * COMMAND_WORDS, commandOf(this.told.account, first + index));
      await client.room(count);
      if (!this.#sending) return;
      const settled: Promise<void> = client
        .send(words, count)
        .then((answers) => this.#take(first, answers))
        .catch((error: unknown) => {
          if (!this.#leaving) this.#failure ??= error instanceof Error ? error : new Error(String(error));
        })
        .finally(() => this.#waiting.delete(settled));
      this.#waiting.add(settled);
    }
  }

  #take(first: number, answers: readonly Answer[]): void {
    const fresh = this.told.take(first, answers);
    if (fresh > 0) this.#options.onAcknowledged?.(fresh);
  }
}

/** Spreads commands over time. What could not be sent in time is not made up for: an outage leaves no heap behind. */
class Pace {
  readonly #perMs: number | undefined;
  #credit = 0;
  #lookedAt = performance.now();

  constructor(commandsPerSecond: number | undefined) {
    this.#perMs = commandsPerSecond === undefined ? undefined : commandsPerSecond / 1000;
  }

  /** Commands that are due now, at most BATCH_MAX; `usual` without a pace. */
  takeDue(usual: number): number {
    if (this.#perMs === undefined) return usual;
    const now = performance.now();
    this.#credit = Math.min(BATCH_MAX, this.#credit + (now - this.#lookedAt) * this.#perMs);
    this.#lookedAt = now;
    const due = Math.floor(this.#credit);
    this.#credit -= due;
    return due;
  }
}

function openVenueClient(
  nats: string,
  account: number,
  retried: Map<string, number>,
  options: LoadedClientOptions,
): Promise<VenueClient> {
  const { natsSeed } = options;
  return VenueClient.open({
    ...natsJoin(nats, natsSeed === undefined ? {} : { natsSeed }),
    shard: 0,
    account,
    key: account,
    answerMsMax: options.answerMsMax ?? ANSWER_MS_MAX,
    giveUpMs: GIVE_UP_MS,
    onRetry: (why) => retried.set(why, (retried.get(why) ?? 0) + 1),
  });
}
