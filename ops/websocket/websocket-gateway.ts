import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import type { TlsOptions } from 'node:tls';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Logger } from 'pino';
import { type WebSocket, WebSocketServer } from 'ws';
import { EnvironmentFault } from '../exit-codes.ts';
import type { ClientTokens, TokenClient } from './client-tokens.ts';
import { VenueAccess, type VenueAccessOptions } from './venue-access.ts';
import { UNAUTHORIZED, WebSocketConnection } from './websocket-connection.ts';

export interface WebSocketGatewayOptions {
  readonly venue: Omit<VenueAccessOptions, 'log'>;
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  readonly tls?: TlsOptions | undefined;
  /** Who may connect; without it, who reaches the port acts for the account of `venue`. */
  readonly clients?: ClientTokens | undefined;
  readonly connectionsMax: number;
  readonly rateMax: number;
  /** Web pages of these origins may connect; programs, which name none, always. */
  readonly origins: readonly string[];
  readonly log: Logger;
}

export interface WebSocketGatewayStatus {
  /** Connections that are open now. */
  readonly open: number;
  readonly connections: number;
  readonly refused: number;
  readonly messages: number;
  readonly commands: number;
  readonly errors: number;
}

/** Longest message that is read; longer ones end the connection with code 1009. */
const MESSAGE_BYTES_MAX = 4_096;
/** Sockets that are open and no connections yet: being asked who they are, or told that there is no room. More are closed. */
const STRANGERS_MAX = 64;
/** A request to connect has so long, also for its TLS handshake. */
const REQUEST_MS_MAX = 10_000;
const REQUEST_CHECK_MS = 1_000;
/** Connections are looked at this often; one that did not answer the time before is ended. */
const CHECK_MS = 15_000;
/** At the end, answers under way may take this long. */
const DRAIN_MS_MAX = 5_000;
const END_MS_MAX = 1_000;
const DRAIN_LOOK_MS = 20;
/** The subprotocol that is agreed on with who offers it, and how one begins that is no protocol but a client's token. */
const PROTOCOL = 'veritape';
const TOKEN_PROTOCOL = 'veritape.token.';

/** JSON over WebSocket for a venue on NATS, for trying it out. */
export class WebSocketGateway {
  readonly #options: WebSocketGatewayOptions;
  readonly #venue: VenueAccess;
  readonly #connections = new Set<WebSocketConnection>();
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({
    // The connection itself answers pings: the library would do so for a client that reads nothing, without an end.
    ...{ noServer: true, maxPayload: MESSAGE_BYTES_MAX, perMessageDeflate: false, autoPong: false },
    handleProtocols: (offered) => offered.has(PROTOCOL) && PROTOCOL,
  });
  readonly #counts = { connections: 0, refused: 0, messages: 0, commands: 0, errors: 0 };
  readonly #timer: NodeJS.Timeout;
  #clients: ClientTokens | undefined;
  #isClosing = false;

  /** Resolves when clients can connect. */
  static async open(options: WebSocketGatewayOptions): Promise<WebSocketGateway> {
    const venue = await VenueAccess.open({ ...options.venue, log: options.log });
    const gateway = new WebSocketGateway(options, venue);
    try {
      await gateway.#listen();
      return gateway;
    } catch (error) {
      await gateway.close();
      throw error;
    }
  }

  private constructor(options: WebSocketGatewayOptions, venue: VenueAccess) {
    this.#options = options;
    this.#venue = venue;
    this.#clients = options.clients;
    const answer = (_: IncomingMessage, response: ServerResponse): void => {
      response.writeHead(426, { 'content-type': 'text/plain' }).end('This is a WebSocket.\n');
    };
    const limits = {
      headersTimeout: REQUEST_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      connectionsCheckingInterval: REQUEST_CHECK_MS,
    };
    const { tls, connectionsMax } = options;
    this.#server = tls === undefined ? createServer(limits, answer) : createTlsServer({ ...limits, ...tls }, answer);
    this.#server.maxConnections = connectionsMax + STRANGERS_MAX;
    this.#server.on('tlsClientError', (error: Error) =>
      options.log.warn({ why: error.message }, 'TLS handshake failed'),
    );
    this.#server.on('upgrade', (request, socket, head) => {
      socket.on('error', () => undefined);
      const refusal = this.#whyNot(request);
      if (refusal === undefined) {
        this.#sockets.handleUpgrade(request, socket, head, (webSocket) => this.#admit(request, webSocket));
        return;
      }
      this.#counts.refused++;
      options.log.warn({ remote: request.socket.remoteAddress, why: refusal.text }, 'connection refused');
      socket.end(
        `HTTP/1.1 ${refusal.status}\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n${refusal.text}\n`,
      );
    });
    this.#timer = setInterval(() => {
      for (const connection of this.#connections) connection.check();
    }, CHECK_MS);
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Takes another list of clients: those that are not in it are let in no more, and their connections end. */
  holdTo(clients: ClientTokens): void {
    this.#clients = clients;
    for (const connection of this.#connections) connection.hold(clients);
  }

  /** To the venue's NATS server. */
  get connection(): NatsConnection {
    return this.#venue.connection;
  }

  /** What came since it was opened. */
  status(): WebSocketGatewayStatus {
    const { messages, commands, errors, ...rest } = this.#counts;
    const sums = { messages, commands, errors };
    for (const { counts } of this.#connections) {
      sums.messages += counts.messages;
      sums.commands += counts.commands;
      sums.errors += counts.refused;
    }
    return { open: this.#connections.size, ...rest, ...sums };
  }

  /** Takes no more, waits for the answers under way, and gives everything back. */
  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#server.close();
    clearInterval(this.#timer);
    const until = performance.now() + DRAIN_MS_MAX;
    const isBusy = (): boolean => [...this.#connections].some(({ underWay }) => underWay > 0);
    for (const connection of this.#connections) connection.refuse();
    while (isBusy() && performance.now() < until) await pause(DRAIN_LOOK_MS);
    for (const connection of this.#connections) connection.end();
    const ended = Promise.all([...this.#connections].map(({ closed }) => closed));
    await Promise.race([ended, pause(END_MS_MAX)]);
    for (const connection of this.#connections) connection.cutOff();
    this.#server.closeAllConnections();
    await this.#venue.close();
  }

  #listen(): Promise<void> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => reject(new EnvironmentFault(`${host}:${port}: ${error.message}`)));
      this.#server.listen(port, host, () => resolve());
    });
  }

  #whyNot(request: IncomingMessage): { readonly status: string; readonly text: string } | undefined {
    const { connectionsMax, origins } = this.#options;
    const { origin } = request.headers;
    // A browser says whose page it is; without this, any page that a user looks at could trade on the user's own host.
    if (origin !== undefined && !origins.includes(origin))
      return { status: '403 Forbidden', text: `Origin: "${origin.slice(0, 128)}" must be one given by --origin` };
    if (this.#isClosing) return { status: '503 Service Unavailable', text: 'the gateway is closing' };
    if (this.#connections.size >= connectionsMax)
      return { status: '503 Service Unavailable', text: `connections: at most ${connectionsMax} at once` };
    return undefined;
  }

  /** Lets a connection in if it shows a client's token, where there are clients; in a browser only a close code can be read. */
  #admit(request: IncomingMessage, socket: WebSocket): void {
    if (this.#clients === undefined) return this.#accept(socket, undefined);
    const token = tokenOf(request);
    const client = token === undefined ? undefined : this.#clients.find(token);
    const remote = request.socket.remoteAddress;
    if (client !== undefined) {
      this.#options.log.info({ remote, client: client.name, account: client.account }, 'client connected');
      return this.#accept(socket, client);
    }
    const why = token === undefined ? 'there must be one' : 'it is of no client';
    this.#counts.refused++;
    this.#options.log.warn({ remote, why: `token: ${why}` }, 'connection refused');
    socket.on('error', () => undefined);
    socket.close(UNAUTHORIZED, `token: ${why}`);
    setTimeout(() => socket.terminate(), END_MS_MAX).unref();
  }

  #accept(socket: WebSocket, client: TokenClient | undefined): void {
    const { venue, rateMax, log } = this.#options;
    const { shard } = venue;
    const account = client?.account ?? venue.account;
    const connection = new WebSocketConnection({ socket, venue: this.#venue, shard, account, client, rateMax, log });
    this.#counts.connections++;
    this.#connections.add(connection);
    void connection.closed.then(() => {
      this.#connections.delete(connection);
      this.#counts.messages += connection.counts.messages;
      this.#counts.commands += connection.counts.commands;
      this.#counts.errors += connection.counts.refused;
    });
  }
}

/** The token that a client shows: as a program in `Authorization: Bearer`, as a page among the subprotocols. */
function tokenOf({ headers }: IncomingMessage): string | undefined {
  const [, bearer] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
  if (bearer !== undefined) return bearer;
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim());
  return offered.find((one) => one.startsWith(TOKEN_PROTOCOL))?.slice(TOKEN_PROTOCOL.length);
}
