import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { decodeEvent, EVENT_WORDS, type VenueEvent } from '../../journal/events.ts';
import type { VenueLimits } from '../../journal/genesis.ts';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import type { VenueInfo } from '../../ops/sessions/venue-client.ts';
import { openVenue, type Venue, type VenueClosing, type VenueOptions } from '../../ops/venue/venue.ts';
import { type Answer, decodeReply, encodeRequest, type Refusal } from '../../sequencer/messages.ts';
import { infoSubject, submitSubject } from '../../sequencer/nats-gateway.ts';
import { TOKEN_HEADER } from '../../sequencer/request-intake.ts';
import { type RawCommand, writeRaw } from '../replicas/raw-commands.ts';

/** A venue on a NATS server of its own, and clients of it that say what they like. */

export const SHARD = 3;
const SEGMENT_BYTES_MAX = 4 * 2 ** 20;
export const LIMITS: VenueLimits = {
  ordersMax: 4096,
  levelPagesMax: 256,
  instrumentsMax: 16,
  sessionsMax: 64,
  answersPerSessionMax: 64,
};
const ANSWER_MS_MAX = 30_000;

export class Market {
  readonly directory: string;
  readonly nats: OwnNatsServer;
  #venue: Venue | undefined;
  #closing: VenueClosing | undefined;
  readonly #clients: RawClient[] = [];
  readonly #held: HeldJournal[] = [];

  static async open(options: Partial<VenueOptions> = {}): Promise<Market> {
    const market = new Market(await startNatsServer());
    await market.openVenue(options);
    return market;
  }

  private constructor(nats: OwnNatsServer) {
    this.nats = nats;
    this.directory = mkdtempSync(join(tmpdir(), 'veritape-market-'));
  }

  get venue(): Venue {
    if (this.#venue === undefined) throw new Error('the venue is closed');
    return this.#venue;
  }

  async openVenue(options: Partial<VenueOptions> = {}): Promise<Venue> {
    const { nats, ...rest } = options;
    this.#closing = undefined;
    this.#venue = await openVenue({
      directory: this.directory,
      shard: SHARD,
      limits: LIMITS,
      segmentBytesMax: SEGMENT_BYTES_MAX,
      snapshotEvery: 0,
      nats: { ...nats, connection: natsConnectionOptions(this.nats.url) },
      ...rest,
    });
    return this.#venue;
  }

  async closeVenue(): Promise<VenueClosing> {
    const venue = this.venue;
    this.#venue = undefined;
    this.#closing = await venue.close();
    return this.#closing;
  }

  async client(token?: string): Promise<RawClient> {
    const connection = await connect({ ...natsConnectionOptions(this.nats.url), maxReconnectAttempts: -1 });
    const client = new RawClient(connection, token);
    this.#clients.push(client);
    return client;
  }

  /** Ends everything and leaves nothing behind. */
  async close(): Promise<void> {
    try {
      for (const held of this.#held) await held.release();
      for (const client of this.#clients) await client.connection.close();
      if (this.#venue !== undefined) await this.#venue.close();
    } finally {
      await this.nats.stop();
      rmSync(this.directory, { recursive: true, force: true });
    }
  }

  /** Lets nothing be appended to the journal until it is released. */
  async holdJournal(): Promise<HeldJournal> {
    const program = join(import.meta.dirname, 'programs', 'journal-holder.ts');
    const child = spawn(process.execPath, [program, this.directory, String(SEGMENT_BYTES_MAX)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const said = child.stdout === null ? [] : await once(child.stdout, 'data');
    if (String(said[0]) !== 'held\n') throw new Error(`the journal is not held: ${said}`);
    const held = new HeldJournal(child);
    this.#held.push(held);
    return held;
  }
}

export class HeldJournal {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#exit = once(child, 'exit');
  }

  async release(): Promise<void> {
    this.#child.stdin?.end();
    await this.#exit;
  }
}

/** One message of events, by the subject that it came on. */
export interface Heard {
  readonly subject: string;
  readonly events: readonly VenueEvent[];
  readonly words: Uint32Array;
}

/** Speaks the wire format and nothing more: no window, no repetition. */
export class RawClient {
  readonly connection: NatsConnection;
  readonly #token: string | undefined;

  constructor(connection: NatsConnection, token: string | undefined) {
    this.connection = connection;
    this.#token = token;
  }

  async askBytes(bytes: Uint8Array): Promise<Answer[] | Refusal> {
    const carried = headers();
    if (this.#token !== undefined) carried.set(TOKEN_HEADER, this.#token);
    const reply = await this.connection.request(submitSubject(SHARD), bytes, {
      timeout: ANSWER_MS_MAX,
      ...(this.#token === undefined ? {} : { headers: carried }),
    });
    return decodeReply(reply.data);
  }

  ask(session: number, firstRequest: number, commands: readonly (Command | RawCommand)[]): Promise<Answer[] | Refusal> {
    return this.askBytes(request(session, firstRequest, commands));
  }

  /** Like {@link ask}; throws at a refusal. */
  async answers(session: number, firstRequest: number, commands: readonly (Command | RawCommand)[]): Promise<Answer[]> {
    const reply = await this.ask(session, firstRequest, commands);
    if (!Array.isArray(reply)) throw new Error(`refused: ${JSON.stringify(reply)}`);
    return reply;
  }

  /** Opens a session; its number and the last request handled. */
  async openSession(account: number, key: number): Promise<{ session: number; handled: number; sequence: number }> {
    const [answer] = await this.answers(0, 0, [{ op: 'sessionOpen', account, id: key }]);
    if (answer === undefined || answer.reason !== 0) throw new Error(`no session: ${answer?.reason}`);
    return { session: answer.open, handled: answer.traded, sequence: answer.sequence };
  }

  async info(): Promise<VenueInfo & { readonly sequence: number }> {
    const reply = await this.connection.request(infoSubject(SHARD), '', { timeout: ANSWER_MS_MAX });
    return reply.json();
  }

  /** Collects what is published on a subject from now on. */
  async hear(subject: string): Promise<Heard[]> {
    const heard: Heard[] = [];
    this.connection.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) return;
        const words = new Uint32Array(new Uint8Array(message.data).buffer);
        const events: VenueEvent[] = [];
        for (let at = 0; at < words.length; at += EVENT_WORDS) events.push(decodeEvent(words, at));
        heard.push({ subject: message.subject, events, words });
      },
    });
    await this.connection.flush();
    return heard;
  }
}

export function request(
  session: number,
  firstRequest: number,
  commands: readonly (Command | RawCommand)[],
): Uint8Array {
  const words = new Uint32Array(commands.length * COMMAND_WORDS);
  for (const [index, command] of commands.entries()) {
    if (isRaw(command)) writeRaw(words, index * COMMAND_WORDS, command);
    else encodeCommand(words, index * COMMAND_WORDS, command);
  }
  return encodeRequest(session, firstRequest, new Uint8Array(words.buffer));
}

function isRaw(command: Command | RawCommand): command is RawCommand {
  return typeof command.op === 'number';
}

/** A new limit order. */
export function order(account: number, id: number, side: 'buy' | 'sell', price: number, quantity: number): Command {
  return { op: 'new', account, symbol: 0, id, side, price, quantity };
}
