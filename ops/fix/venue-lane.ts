import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { VenueClient, type VenueClientOptions } from '../venue-client.ts';
import type { GatewayStore, LaneRecord } from './gateway-store.ts';
import type { CommandOrigin, PendingCommand } from './order-records.ts';

export interface VenueLaneOptions {
  readonly peer: string;
  readonly account: number;
  /** Names the lane to the venue if it is a new one. */
  readonly key: number;
  readonly client: Pick<VenueClientOptions, 'connection' | 'shard' | 'token'>;
  readonly store: GatewayStore;
  /** Resolves when the events of every command up to a sequence were taken; false if that will not be. */
  readonly reached: (sequence: number) => Promise<boolean>;
  /** Told of commands that are not sent any more, because they came too long ago. */
  readonly onStale: (stale: PendingCommand) => void;
  readonly now: () => number;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/** A client that gets no answer for this long is opened again, which finds out what became of its requests. */
const GIVE_UP_MS = 5_000;
const REOPEN_MS = 500;
/** The venue is said to be away when nothing could be sent for this long. */
const AWAY_MS = 5_000;
/** An order or replace that waits for longer is not sent any more: the market is another one by then. */
export const STALE_MS = 30_000;

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
  #closing = false;
  #running: Promise<void> | undefined;
  #broken: (() => void) | undefined;

  constructor(options: VenueLaneOptions) {
    const { store, peer, account, key } = options;
    this.account = account;
    this.#options = options;
    const found = store.lane(peer, account);
    this.#lane = found ?? { key, session: 0 };
    if (found === undefined) store.keepLane(peer, account, this.#lane);
    this.#pending = store.pending(peer, account);
    this.#nextNumber = (this.#pending.at(-1)?.number ?? 0) + 1;
    this.#awaySince = options.now();
  }

  /** The venue's number of the session; 0 before there was one. */
  get session(): number {
    return this.#lane.session;
  }

  get pendingCount(): number {
    return this.#pending.length;
  }

  /** Nothing could be sent for so long that more should be refused. */
  get isAway(): boolean {
    return this.#awaySince !== undefined && this.#options.now() - this.#awaySince > AWAY_MS;
  }

  /** Keeps the connection until {@link close}. */
  begin(): void {
    this.#running ??= this.#run();
  }

  /** Sends commands as soon as they are on disk. */
  add(commands: readonly { readonly command: Command; readonly origin: CommandOrigin }[]): void {
    const { store, peer, now } = this.#options;
    const from = this.#pending.length;
    for (const { command, origin } of commands) {
      const request = this.#nextRequest === 0 ? 0 : this.#nextRequest++;
      const session = request === 0 ? 0 : this.#lane.session;
      const pending = { number: this.#nextNumber++, takenAt: now(), command, origin, session, request };
      this.#pending.push(pending);
      store.keepPending(peer, this.account, pending);
    }
    const added = this.#pending.slice(from);
    const client = this.#client;
    if (client !== undefined && added[0]?.request !== 0) store.whenDurable(() => this.#send(client, added));
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
    this.#closing = true;
    this.#broken?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { log, peer, now } = this.#options;
    while (!this.#closing) {
      let client: VenueClient | undefined;
      try {
        client = await this.#open();
        if (client !== undefined && !this.#closing) {
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
      if (!this.#closing) await pause(REOPEN_MS);
    }
  }

  /** Opens the session, and waits for all that it has brought about. */
  async #open(): Promise<VenueClient | undefined> {
    const { client: options, account, reached, store, peer, log } = this.#options;
    const client = await VenueClient.open({ ...options, account, key: this.#lane.key, giveUpMs: GIVE_UP_MS });
    try {
      // Sequences are told once they are durable, so those of everything handled before are not after this one.
      const { sequence } = (await client.readInfo()) as unknown as { readonly sequence: number };
      if (!(await reached(sequence))) throw new Error('the journal is not followed any more');
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
    const { store, peer, now, onStale } = this.#options;
    const isStale = ({ origin, takenAt }: PendingCommand): boolean =>
      (origin.kind === 'new' || origin.kind === 'replace' || origin.part !== undefined) && now() - takenAt > STALE_MS;
    const stale = this.#pending.filter(isStale);
    this.#pending = this.#pending.filter((one) => !stale.includes(one));
    for (const one of stale) {
      store.dropPending(peer, this.account, one.number);
      onStale(one);
    }
    const first = client.nextRequest;
    this.#pending = this.#pending.map((one, index) => ({ ...one, session: client.session, request: first + index }));
    for (const one of this.#pending) store.keepPending(peer, this.account, one);
    this.#nextRequest = first + this.#pending.length;
    this.#client = client;
    this.#awaySince = undefined;
    const all = [...this.#pending];
    store.whenDurable(() => this.#send(client, all));
  }

  #send(client: VenueClient, commands: readonly PendingCommand[]): void {
    // One that comes after a client that was given up sends all of them.
    if (client !== this.#client) return;
    for (let from = 0; from < commands.length; from += client.batchMax) {
      const batch = commands.slice(from, from + client.batchMax);
      const words = new Uint32Array(batch.length * COMMAND_WORDS);
      for (const [index, { command }] of batch.entries()) encodeCommand(words, index * COMMAND_WORDS, command);
      client.sendRecords(words, batch.length).catch((error: unknown) => {
        if (client !== this.#client || this.#closing) return;
        const { log, peer } = this.#options;
        log.warn({ peer, account: this.account, why: messageOf(error) }, 'venue session lost');
        this.#broken?.();
      });
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
