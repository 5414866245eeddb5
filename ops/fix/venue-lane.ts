import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { recordsOf } from '../../journal/order-terms.ts';
import { RefusedError, VenueClient, type VenueClientOptions } from '../sessions/venue-client.ts';
import type { GatewayStore, LaneRecord } from './gateway-store.ts';
import type { CommandOrigin, PendingCommand } from './order-records.ts';

export interface VenueLaneOptions {
  readonly peer: string;
  readonly account: number;
  /** Names the lane to the venue if it is a new one. */
  readonly key: number;
  readonly client: Pick<VenueClientOptions, 'connection' | 'shard' | 'token' | 'identity'>;
  readonly store: GatewayStore;
  /** Resolves when the events of every command up to a sequence were taken; false if that will not be. */
  readonly reached: (sequence: number) => Promise<boolean>;
  /** Told of commands that are not sent, and why: they came too long ago, or the venue's gateway does not pass them on. */
  readonly onNotSent: (command: PendingCommand, why: string) => void;
  readonly now: () => number;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/** A client that gets no answer for this long is opened again, which finds out what became of its requests. */
const GIVE_UP_MS = 5_000;
const REOPEN_MS = 500;
/** The venue is said to be away when nothing could be sent for this long. */
const AWAY_MS = 5_000;
/** An order or replace that waits for longer is not sent any more: the market is another one by then. */
const STALE_MS = 30_000;

/**
 * The way of one account's commands to the venue, in a session of its own, in order, each once. A command is on disk before it
 * is sent and is forgotten when its events were taken from the journal, not when its reply came. After a restart on either
 * side the lane waits until it has seen all that the venue had handled, and then sends the rest under the same numbers.
 */
export class VenueLane {
  readonly account: number;
  readonly #options: VenueLaneOptions;
  #lane: LaneRecord;
  /** In order. */
  #pending: PendingCommand[];
  #nextNumber: number;
  /** Request of the next command; 0 while it is not known. */
  #nextRequest = 0;
  #client: VenueClient | undefined;
  #awaySince: number | undefined;
  readonly #leaving = new AbortController();
  #running: Promise<void> | undefined;
  #broken: (() => void) | undefined;
  /** The venue's gateway refused a message: commands go one by one until it is known which is to blame. */
  #isCareful = false;

  constructor(options: VenueLaneOptions) {
    const { store, peer, account, key } = options;
    this.account = account;
    this.#options = options;
    const found = store.lane(peer, account);
    this.#lane = found ?? { key, session: 0 };
    if (found === undefined) store.keepLane(peer, account, this.#lane);
    this.#pending = store.pending(peer, account);
    this.#nextNumber = (this.#pending.at(-1)?.number ?? 0) + 1;
  }

  /** The venue's number of the session; 0 before there was one. */
  get session(): number {
    return this.#lane.session;
  }

  get pendingCount(): number {
    return this.#pending.length;
  }

  /** A command that changes what an order is has no outcome yet. */
  isChanging(orderId: number): boolean {
    return this.#pending.some(
      ({ origin: { orderId: id, kind } }) => id === orderId && (kind === 'replace' || kind === 'reduce'),
    );
  }

  /** Nothing could be sent for so long that more should be refused. */
  get isAway(): boolean {
    return this.#awaySince !== undefined && this.#options.now() - this.#awaySince > AWAY_MS;
  }

  /** Keeps the connection until {@link close}. */
  begin(): void {
    if (this.#running !== undefined) return;
    this.#awaySince = this.#options.now();
    this.#running = this.#run();
  }

  /** Sends commands as soon as they are on disk. */
  add(commands: readonly { readonly command: Command; readonly origin: CommandOrigin }[]): void {
    const { store, peer, now } = this.#options;
    const from = this.#pending.length;
    const records = commands.flatMap(({ command, origin }) =>
      recordsOf(command).map((one) => ({ command: one, origin })),
    );
    for (const { command, origin } of records) {
      const request = this.#nextRequest === 0 ? 0 : this.#nextRequest++;
      const session = request === 0 ? 0 : this.#lane.session;
      const pending = { number: this.#nextNumber++, takenAt: now(), command, origin, session, request };
      this.#pending.push(pending);
      store.keepPending(peer, this.account, pending);
    }
    const added = this.#pending.slice(from);
    const client = this.#client;
    // While they go one by one, those that come are found when it is their turn.
    if (client !== undefined && added[0]?.request !== 0 && !this.#isCareful)
      store.whenDurable(() => this.#send(client, added));
  }

  /** Takes the outcome of a request from the journal; gives its command if it came from here and was not known yet. */
  handled(request: number): PendingCommand | undefined {
    const at = this.#pending.findIndex((one) => one.request === request && one.session === this.#lane.session);
    if (at < 0) return undefined;
    const [pending] = this.#pending.splice(at, 1);
    if (pending !== undefined) this.#options.store.dropPending(this.#options.peer, this.account, pending.number);
    return pending;
  }

  /** Sends nothing more. What was not handled stays on disk. */
  async close(): Promise<void> {
    this.#leaving.abort();
    this.#broken?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { log, peer, now } = this.#options;
    while (!this.#leaving.signal.aborted) {
      let client: VenueClient | undefined;
      try {
        client = await this.#open();
        if (client !== undefined && !this.#leaving.signal.aborted) {
          const broken = new Promise<void>((resolve) => {
            this.#broken = resolve;
          });
          this.#sendAll(client);
          await broken;
        }
      } catch (error) {
        log.warn({ peer, account: this.account, why: messageOf(error) }, 'venue not reached');
      }
      this.#client = undefined;
      this.#nextRequest = 0;
      this.#awaySince ??= now();
      await client?.close();
      // One that got no request number was never sent.
      this.#dropStale(({ request }) => request === 0);
      if (!this.#leaving.signal.aborted) await pause(REOPEN_MS);
    }
  }

  /** Opens the session, and waits for all that it has brought about. */
  async #open(): Promise<VenueClient | undefined> {
    const { client: options, account, reached, store, peer, log } = this.#options;
    const { signal } = this.#leaving;
    const client = await VenueClient.open({ ...options, account, key: this.#lane.key, giveUpMs: GIVE_UP_MS, signal });
    try {
      if (!(await reached(client.openedAt))) throw new Error('the journal is not followed any more');
    } catch (error) {
      await client.close();
      throw error;
    }
    if (client.session !== this.#lane.session) {
      this.#lane = { ...this.#lane, session: client.session };
      store.keepLane(peer, account, this.#lane);
    }
    log.info({ peer, account, session: client.session, handled: client.handled }, 'venue session');
    return client;
  }

  /** Gives everything that waits its request number and sends it. */
  #sendAll(client: VenueClient): void {
    const { store, peer } = this.#options;
    // What is left now was never handled.
    this.#dropStale(() => true);
    const first = client.nextRequest;
    this.#pending = this.#pending.map((one, index) => ({ ...one, session: client.session, request: first + index }));
    for (const one of this.#pending) store.keepPending(peer, this.account, one);
    this.#nextRequest = first + this.#pending.length;
    this.#client = client;
    this.#awaySince = undefined;
    const all = [...this.#pending];
    store.whenDurable(() => {
      if (this.#isCareful) void this.#sendOneByOne(client);
      else this.#send(client, all);
    });
  }

  #dropStale(isUnsent: (pending: PendingCommand) => boolean): void {
    const { store, peer, now, onNotSent } = this.#options;
    const isStale = (one: PendingCommand): boolean =>
      (one.origin.kind === 'new' || one.origin.kind === 'replace' || one.origin.part !== undefined) &&
      now() - one.takenAt > STALE_MS &&
      isUnsent(one);
    const stale = this.#pending.filter(isStale);
    this.#pending = this.#pending.filter((one) => !stale.includes(one));
    for (const one of stale) {
      store.dropPending(peer, this.account, one.number);
      onNotSent(one, 'the venue could not be reached in time');
    }
  }

  async #sendOneByOne(client: VenueClient): Promise<void> {
    const { store, peer, onNotSent } = this.#options;
    for (;;) {
      const one = this.#pending.find(({ request }) => request === client.nextRequest);
      if (one === undefined || client !== this.#client) break;
      await new Promise<void>((resolve) => store.whenDurable(resolve));
      try {
        await client.sendRecords(wordsOf([one]), 1);
      } catch (error) {
        if (error instanceof RefusedError) {
          this.#pending = this.#pending.filter((other) => other !== one);
          store.dropPending(peer, this.account, one.number);
          onNotSent(one, error.message);
        }
        return this.#lose(client, error);
      }
    }
    this.#isCareful = false;
  }

  #lose(client: VenueClient, error: unknown): void {
    if (client !== this.#client || this.#leaving.signal.aborted) return;
    const { log, peer } = this.#options;
    log.warn({ peer, account: this.account, why: messageOf(error) }, 'venue session lost');
    if (error instanceof RefusedError) this.#isCareful = true;
    this.#broken?.();
  }

  #send(client: VenueClient, commands: readonly PendingCommand[]): void {
    // One that comes after a client that was given up sends all of them.
    if (client !== this.#client) return;
    for (let from = 0; from < commands.length; from += client.batchMax) {
      const batch = commands.slice(from, from + client.batchMax);
      client.sendRecords(wordsOf(batch), batch.length).catch((error: unknown) => this.#lose(client, error));
    }
  }
}

function wordsOf(commands: readonly PendingCommand[]): Uint32Array {
  const words = new Uint32Array(commands.length * COMMAND_WORDS);
  for (const [index, { command }] of commands.entries()) encodeCommand(words, index * COMMAND_WORDS, command);
  return words;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
