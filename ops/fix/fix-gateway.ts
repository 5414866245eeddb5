import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Logger } from 'pino';
import { readU64, readWide } from '../../journal/amounts.ts';
import { BLOCK_HEADER_WORDS, type BlockView } from '../../journal/block.ts';
import { COMMAND_WORD, COMMAND_WORDS } from '../../journal/commands.ts';
import { EVENT_WORD, EVENT_WORDS, EventType, eventType } from '../../journal/events.ts';
import { makeFolder } from '../../journal/segments.ts';
import { listInstruments } from '../../replicas/instrument-table.ts';
import type { NatsJoin } from '../cli/nats-credentials.ts';
import { EnvironmentFault } from '../exit-codes.ts';
import { type FollowerEnd, VenueFollower } from '../venue/venue-follower.ts';
import { FixClient } from './fix-client.ts';
import type { FixMessage } from './fix-codec.ts';
import { type FixGatewayConfig, whyNotAuthentic } from './fix-config.ts';
import { FixConnection } from './fix-connection.ts';
import { Tag } from './fix-tags.ts';
import { GatewayStore } from './gateway-store.ts';
import { SignsOfLife } from './signs-of-life.ts';

export interface FixGatewayOptions {
  readonly config: FixGatewayConfig;
  /** Where the gateway's file and its copy of the journal are, or will be. */
  readonly directory: string;
  readonly nats: NatsJoin;
  readonly shard: number;
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  readonly tls: TlsOptions | undefined;
  readonly connectionsMax: number;
  readonly snapshotEvery: number;
  /** Ends the attempt to open. */
  readonly signal?: AbortSignal | undefined;
  readonly log: Logger;
}

/** What a client's session has come to. */
export interface FixClientStatus {
  readonly peer: string;
  readonly loggedOn: boolean;
  readonly nextOut: number;
  readonly expectedIn: number;
  /** Messages that wait for the peer to be back. */
  readonly unwritten: number;
  readonly liveOrders: number;
  /** Commands that were taken and whose outcome is not known; they are sent when the gateway is started again. */
  readonly pending: number;
}

/** Sockets in a TLS handshake, or that are told that there is no room; more are closed. */
const STRANGERS_MAX = 64;
const TICK_MS = 100;
/** The place in the journal is kept this often while nothing of it concerns a client. */
const KEEP_PLACE_MS = 10_000;
/** At the end, what is under way may take this long. */
const DRAIN_MS_MAX = 5_000;
/** As in the venue's gateway: the client library's own is two seconds, in which nothing is read. */
const RECONNECT_MS = 200;
const SNAPSHOTS_KEPT = 3;
const NS_PER_MS = 1_000_000n;
/** FIX 1137 of FIX 5.0 SP2. */
const FIX_50_SP2 = '9';

/**
 * Order entry over FIX, as a client of a venue on NATS. It follows the venue's journal with a replica of its own, and every
 * report to a peer is made from the events of that replica, in the order of the journal: nothing is lost when a reply is,
 * and after a restart the reports go on with the first event that was not taken.
 */
export class FixGateway {
  readonly #options: FixGatewayOptions;
  readonly #store: GatewayStore;
  readonly #clients = new Map<string, FixClient>();
  readonly #connections = new Set<FixConnection>();
  readonly #abort = new AbortController();
  readonly #symbols = new Map<string, number>();
  #nats: NatsConnection | undefined;
  #follower: VenueFollower | undefined;
  #following: Promise<FollowerEnd | Error> | undefined;
  #server: Server | undefined;
  #symbolsAreOld = true;
  #reached = 0;
  #waiting: { readonly sequence: number; readonly resolve: (isReached: boolean) => void }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #signs: readonly SignsOfLife[] = [];
  #keptPlaceAt = performance.now();
  #refused = 0;
  #isClosing = false;

  /** Resolves when peers can log on: all that the venue had done when it was asked is known then. */
  static async open(options: FixGatewayOptions): Promise<FixGateway> {
    makeFolder(options.directory);
    const file = join(options.directory, 'fix-gateway.lmdb');
    const gateway = new FixGateway(options, GatewayStore.open(file, { shard: options.shard }, Date.now()));
    const giveUp = (): void => gateway.#abort.abort();
    options.signal?.addEventListener('abort', giveUp, { once: true });
    try {
      await gateway.#begin();
      return gateway;
    } catch (error) {
      await gateway.close();
      throw error;
    } finally {
      options.signal?.removeEventListener('abort', giveUp);
    }
  }

  private constructor(options: FixGatewayOptions, store: GatewayStore) {
    this.#options = options;
    this.#store = store;
    for (const client of options.config.clients) {
      const one = new FixClient({
        ...{ client, config: options.config, store, log: options.log },
        venue: { ...options.nats, shard: options.shard },
        symbolOf: (name) => this.#symbolOf(name),
        reached: (sequence) => this.#untilReached(sequence),
        now: Date.now,
      });
      this.#clients.set(client.compId, one);
    }
  }

  /** The port that peers connect to. */
  get port(): number {
    const address = this.#server?.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** What follows the venue, and the connection that it does so on, once the gateway is open. */
  get follower(): VenueFollower | undefined {
    return this.#follower;
  }

  get connection(): NatsConnection | undefined {
    return this.#nats;
  }

  /** Resolves when following the venue ended, for whatever reason; rejects when the disk refused the gateway's file. */
  get ended(): Promise<FollowerEnd | Error> {
    return Promise.race([this.#following ?? Promise.reject(new Error('the gateway is not open')), this.#store.failed]);
  }

  status(): { readonly sequence: number; readonly refused: number; readonly clients: readonly FixClientStatus[] } {
    const clients = [...this.#clients.values()].map(({ session, liveOrders, pending }) => ({
      ...{ peer: session.peer, loggedOn: session.isLoggedOn },
      ...{ nextOut: session.numbers.nextOut, expectedIn: session.numbers.expectedIn },
      ...{ unwritten: session.numbers.nextOut - 1 - session.numbers.written, liveOrders, pending },
    }));
    return { sequence: this.#follower?.copy.last.sequence ?? this.#reached, refused: this.#refused, clients };
  }

  /** Logs everybody out, waits for what is under way, and gives everything back. */
  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#server?.close();
    for (const client of this.#clients.values()) client.session.logout('the gateway is closing');
    const until = performance.now() + DRAIN_MS_MAX;
    while (this.#isBusy && performance.now() < until) await pause(TICK_MS / 4);
    for (const connection of this.#connections) connection.end();
    await Promise.all([...this.#connections].map((connection) => connection.closed));
    clearInterval(this.#timer);
    const lanes = [...this.#clients.values()].flatMap((client) => [...client.lanes.values()]);
    const lanesClosed = Promise.all(lanes.map((lane) => lane.close()));
    this.#abort.abort();
    for (const { resolve } of this.#waiting.splice(0)) resolve(false);
    await lanesClosed;
    await this.#following;
    if (this.#reached > this.#store.place) this.#store.place = this.#reached;
    await this.#store.close();
    await this.#nats?.close();
  }

  get #isBusy(): boolean {
    // What can not get to the disk is not let out, so there is nothing to wait for.
    if (this.#follower === undefined || this.#nats?.isClosed() !== false || this.#store.hasFailed) return false;
    for (const client of this.#clients.values()) if (client.session.isLoggedOn || client.pending > 0) return true;
    return false;
  }

  async #begin(): Promise<void> {
    const { log, shard, nats, directory, snapshotEvery } = this.#options;
    this.#nats = await connect({
      name: `veritape FIX gateway of shard ${shard}`,
      ...{ maxReconnectAttempts: -1, reconnectTimeWait: RECONNECT_MS, ...nats.connection },
    }).catch((error: Error) => {
      throw new EnvironmentFault(`NATS at ${String(nats.connection.servers)}: ${error.message}`);
    });
    let tellCaughtUp: () => void = () => undefined;
    const caughtUp = new Promise<void>((resolve) => {
      tellCaughtUp = resolve;
    });
    const place = this.#store.place;
    this.#reached = place;
    this.#follower = await VenueFollower.open({
      copy: {
        directory: join(directory, 'copy'),
        snapshotEvery,
        snapshotsKept: SNAPSHOTS_KEPT,
        // What came after the last that is kept is told again.
        restoreUpTo: place,
        observers: [{ take: (words, _mask, _from, count, view) => this.#take(view, words, count, place) }],
      },
      connection: this.#nats,
      ...{ shard, id: `fix-${process.pid}-${Date.now()}`, hashSeed: 0, signal: this.#abort.signal, peers: false },
      onNotice: ({ level, text, fields }) => {
        log[level](fields, text);
        if (text === 'caught up') tellCaughtUp();
      },
    });
    const follower = this.#follower;
    const end = (value: FollowerEnd | Error): Promise<FollowerEnd | Error> => follower.close().then(() => value);
    this.#following = follower.run().then(end, end);
    await Promise.race([caughtUp, this.#following]);
    this.#abort.signal.throwIfAborted();
    for (const client of this.#clients.values()) for (const lane of client.lanes.values()) lane.begin();
    this.#signs = this.#signsOn(this.#nats);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    await this.#listen();
  }

  #signsOn(connection: NatsConnection): SignsOfLife[] {
    const { shard, nats } = this.#options;
    return [...this.#clients.values()].flatMap(({ session, config: { accounts, cancelAfterMs } }) =>
      cancelAfterMs === undefined
        ? []
        : [new SignsOfLife({ session, connection, shard, identity: nats.identity, accounts, cancelAfterMs })],
    );
  }

  #listen(): Promise<void> {
    const { tls, host, port, connectionsMax, log } = this.#options;
    const accept = (socket: Socket): void => {
      if (this.#isClosing || this.#connections.size >= connectionsMax) {
        this.#refused++;
        log.warn({ remote: socket.remoteAddress, connectionsMax }, 'connection refused: there are too many');
        socket.destroy();
        return;
      }
      const identify = (logon: FixMessage, certificate: string | undefined): FixClient | undefined =>
        this.#identify(logon, certificate);
      const connection = new FixConnection({ socket, identify, log });
      this.#connections.add(connection);
      void connection.closed.then(() => this.#connections.delete(connection));
    };
    const server = tls === undefined ? createServer(accept) : createTlsServer(tls, accept);
    this.#server = server;
    server.maxConnections = connectionsMax + STRANGERS_MAX;
    server.on('drop', () => this.#refused++);
    // Handshakes that fail are nobody's connection.
    server.on('tlsClientError', (error: Error) => log.warn({ why: error.message }, 'TLS handshake failed'));
    return new Promise((resolve, reject) => {
      server.once('error', (error) => reject(new EnvironmentFault(`${host}:${port}: ${error.message}`)));
      server.listen(port, host, () => resolve());
    });
  }

  #identify(logon: FixMessage, certificate: string | undefined): FixClient | undefined {
    const { config, log } = this.#options;
    const peer = logon.get(Tag.SenderCompID) ?? '';
    const refuse = (why: string): undefined => {
      this.#refused++;
      log.warn({ peer: peer.slice(0, 64), why }, 'logon refused');
      return undefined;
    };
    const version = logon.get(Tag.BeginString);
    if (version !== 'FIX.4.4' && version !== 'FIXT.1.1') return refuse('BeginString (8) must be FIX.4.4 or FIXT.1.1');
    if (version === 'FIXT.1.1' && logon.get(Tag.DefaultApplVerID) !== FIX_50_SP2)
      return refuse(`DefaultApplVerID (1137) must be ${FIX_50_SP2}, FIX 5.0 SP2`);
    const client = this.#clients.get(peer);
    if (client === undefined) return refuse('SenderCompID (49) is of no client');
    if (logon.get(Tag.TargetCompID) !== config.compId) return refuse(`TargetCompID (56) must be ${config.compId}`);
    const shown = { username: logon.get(Tag.Username), password: logon.get(Tag.Password), certificate };
    const wrong = whyNotAuthentic(client.config, shown);
    return wrong === undefined ? client : refuse(`${wrong} is not the client's`);
  }

  #tick(): void {
    for (const client of this.#clients.values()) client.session.tick();
    for (const connection of this.#connections) connection.tick();
    for (const signs of this.#signs) signs.tick(performance.now());
    if (performance.now() - this.#keptPlaceAt < KEEP_PLACE_MS) return;
    this.#keptPlaceAt = performance.now();
    if (this.#reached > this.#store.place) this.#store.place = this.#reached;
  }

  /** Takes the events of some of a block's commands, command by command. */
  #take(view: BlockView, words: Uint32Array, next: number, after: number): void {
    for (let slot = 0; slot < next; ) {
      const from = slot * EVENT_WORDS;
      const sequence = readWide(words, from + EVENT_WORD.sequence);
      let count = 0;
      for (; slot < next && readWide(words, slot * EVENT_WORDS + EVENT_WORD.sequence) === sequence; slot++) {
        if (eventType(words, slot * EVENT_WORDS) === EventType.instrument) this.#symbolsAreOld = true;
        count++;
      }
      if (sequence <= after) continue;
      const record = BLOCK_HEADER_WORDS + (sequence - view.firstSequence) * COMMAND_WORDS;
      const time = Number(readU64(view.words, record + COMMAND_WORD.time) / NS_PER_MS);
      let isOurs = false;
      for (const client of this.#clients.values())
        if (client.take({ words, from, count, sequence, time })) isOurs = true;
      // With what was made of it: neither is on disk without the other.
      if (isOurs) this.#store.place = sequence;
      this.#reached = sequence;
    }
    this.#tellReached();
  }

  #tellReached(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = waiting.filter(({ sequence }) => sequence > this.#reached);
    for (const { sequence, resolve } of waiting) if (sequence <= this.#reached) resolve(true);
  }

  #untilReached(sequence: number): Promise<boolean> {
    if (this.#isClosing) return Promise.resolve(false);
    if (sequence <= this.#reached) return Promise.resolve(true);
    return new Promise((resolve) => this.#waiting.push({ sequence, resolve }));
  }

  #symbolOf(name: string): number | undefined {
    if (this.#symbolsAreOld && this.#follower !== undefined) {
      for (const one of listInstruments(this.#follower.copy.matcher.state.instruments))
        this.#symbols.set(one.name, one.symbol);
      this.#symbolsAreOld = false;
    }
    return this.#symbols.get(name);
  }
}
