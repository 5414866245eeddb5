import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { TlsOptions } from 'node:tls';
import { EnvironmentFault } from '../exit-codes.ts';

/** Where an {@link OperatorServer} listens. */
export interface OperatorPlace {
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
}

/** Who may ask, and how. */
export interface OperatorGuard {
  /** Names besides addresses by which the place is reached. */
  readonly names?: readonly string[] | undefined;
  readonly tls?: TlsOptions | undefined;
  /** What whoever asks must show; without it, whoever reaches the place may ask. */
  readonly token?: string | undefined;
}

/** Answers a GET; it ends the response, now or later. What it throws is answered with status 500. */
export type RouteHandler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** Bytes of a request's line and headers; more is answered with status 431. */
const HEADER_BYTES_MAX = 8_192;
const HEADERS_MS_MAX = 5_000;
const REQUEST_MS_MAX = 10_000;
const KEEP_ALIVE_MS = 60_000;
/** Connections at once; more are closed. Whoever follows a stream has one for all the time. */
const CONNECTIONS_MAX = 64;
const CHECK_MS = 1_000;
const JSON_TYPE = 'application/json; charset=utf-8';
const ANY = ['0.0.0.0', '::'];

/**
 * What a browser may do with an answer: nothing, unless a route that is a page says more. A page of another origin can not
 * read it, because nothing here allows it to.
 */
const HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/**
 * HTTP for the operator of a process: metrics, health, and whatever page registers a route. It only tells: GET and HEAD are
 * all that it takes. With a token, it is shown as `Authorization: Bearer` or as the password of any user, which browsers ask for.
 *
 * A page of somewhere else could have its own name resolve to this address and so be of the same origin. Therefore the Host
 * header must be an address, `localhost`, this host's name, or one of the names that were given.
 */
export class OperatorServer {
  readonly #server: Server;
  readonly #routes = new Map<string, RouteHandler>();
  readonly #names: ReadonlySet<string>;
  readonly #token: Buffer | undefined;

  /** Resolves when it listens. Throws an {@link EnvironmentFault} that names the place. */
  static async listen({ host, port }: OperatorPlace, guard: OperatorGuard = {}): Promise<OperatorServer> {
    const server = new OperatorServer(guard);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', (error) => {
        reject(new EnvironmentFault(`telemetry: ${host}:${port}: ${error.message}`));
      });
      server.#server.listen(port, host, resolve);
    });
    return server;
  }

  private constructor({ names = [], tls, token }: OperatorGuard) {
    this.#names = new Set(['localhost', hostname(), ...names].map((name) => name.toLowerCase()));
    this.#token = token === undefined ? undefined : digestOf(token);
    const limits = {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CHECK_MS,
    };
    const answer = (request: IncomingMessage, response: ServerResponse): void => void this.#answer(request, response);
    this.#server = tls === undefined ? createServer(limits, answer) : createTlsServer({ ...limits, ...tls }, answer);
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.unref();
  }

  /** The port that it listens on. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Where a browser of this host finds it. */
  get url(): string {
    const address = this.#server.address();
    const host = typeof address === 'object' && address !== null ? address.address : '';
    const scheme = this.#server instanceof TlsServer ? 'https' : 'http';
    if (ANY.includes(host)) return `${scheme}://localhost:${this.port}/`;
    return `${scheme}://${isIP(host) === 6 ? `[${host}]` : host}:${this.port}/`;
  }

  /** Answers GET of a path; the one that is registered last counts. */
  route(path: string, handler: RouteHandler): void {
    this.#routes.set(path, handler);
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    // Nothing is taken in; a body is read past.
    request.resume();
    if (!this.#isKnown(request.headers.host)) return refuse(response, 421, 'this Host is not served here');
    if (!this.#isLetIn(request.headers.authorization)) {
      response.setHeader('www-authenticate', 'Basic realm="veritape"');
      return refuse(response, 401, 'the token of this place must be shown: as Bearer, or as a password');
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return refuse(response, 405, 'only GET and HEAD are served');
    }
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    const handler = this.#routes.get(path);
    if (handler === undefined) {
      const paths = [...this.#routes.keys()].join(' ');
      return refuse(response, 404, `there is nothing here; there is ${paths}`);
    }
    try {
      await handler(request, response);
    } catch (error) {
      if (response.headersSent) response.destroy();
      else refuse(response, 500, error instanceof Error ? error.message : String(error));
    }
  }

  #isLetIn(shown: string | undefined): boolean {
    if (this.#token === undefined) return true;
    const [, scheme = '', credentials = ''] = /^(bearer|basic) +(\S+)$/i.exec(shown ?? '') ?? [];
    const isBasic = scheme.toLowerCase() === 'basic';
    const token = isBasic
      ? Buffer.from(credentials, 'base64')
          .toString()
          .replace(/^[^:]*:/, '')
      : credentials;
    // By digest, so that nothing is learnt from how long it takes.
    return timingSafeEqual(this.#token, digestOf(token));
  }

  #isKnown(host: string | undefined): boolean {
    const name = (host ?? '').toLowerCase().replace(/:\d+$/, '');
    const address = /^\[(.*)\]$/.exec(name)?.[1] ?? name;
    return isIP(address) !== 0 || this.#names.has(name);
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}

export function answerJson(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'content-type': JSON_TYPE }).end(JSON.stringify(value));
}
