import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import type { FixClient } from './fix-client.ts';
import { FixFramer, type FixMessage } from './fix-codec.ts';
import type { SessionLink } from './fix-session.ts';
import { MsgType } from './fix-tags.ts';

export interface FixConnectionOptions {
  readonly socket: Socket;
  /** The client that a Logon is of, if it is one and shows that it is. Says in the log why not. */
  readonly identify: (logon: FixMessage, certificate: string | undefined) => FixClient | undefined;
  readonly log: Logger;
}

/** Who has not logged on by then is left. */
const LOGON_MS_MAX = 10_000;
/** A peer that has so many bytes to read is left: it asks for what it missed when it is back. */
const UNREAD_BYTES_MAX = 16 * 2 ** 20;
/** A closing connection is cut off after this. */
const END_MS_MAX = 2_000;
/** A connection that is silent for so long is probed; one whose other side answers no probe is ended some ten seconds later. */
const KEEP_ALIVE_MS = 20_000;
/** Garbled messages in a row, after which nothing good is expected any more. */
const GARBLED_MAX = 16;
/** Commands of a client under way, above which it is not read from. */
const PENDING_MAX = 4_096;

/** A socket of a FIX peer: bytes become messages, and the first one says whose session it is. */
export class FixConnection implements SessionLink {
  readonly closed: Promise<void>;
  readonly #options: FixConnectionOptions;
  readonly #socket: Socket;
  readonly #framer = new FixFramer();
  readonly #acceptedAt = performance.now();
  #client: FixClient | undefined;
  #ending = false;
  /** What comes is not looked at any more. */
  #deaf = false;
  #paused = false;
  #garbled = 0;
  #tellClosed: () => void = () => undefined;

  constructor(options: FixConnectionOptions) {
    const { socket, log } = options;
    this.#options = options;
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      this.#tellClosed = resolve;
    });
    socket.setNoDelay(true);
    // A peer without heartbeats (108=0) whose host is gone would hold its session for hours, by the system's own time.
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('error', (error) => log.info({ ...this.#place(), why: error.message }, 'connection failed'));
    socket.on('close', () => {
      this.#ending = true;
      this.#deaf = true;
      this.#client?.session.lost(this);
      this.#tellClosed();
    });
  }

  get isLoggedOn(): boolean {
    return this.#client?.session.isOn(this) === true;
  }

  write(bytes: Buffer): void {
    if (this.#socket.destroyed) return;
    this.#socket.write(bytes);
    if (this.#socket.writableLength <= UNREAD_BYTES_MAX) return;
    this.#options.log.warn({ ...this.#place(), unread: this.#socket.writableLength }, 'the peer does not read');
    this.#socket.destroy();
  }

  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#deaf = true;
    this.#socket.end();
    setTimeout(() => this.#socket.destroy(), END_MS_MAX).unref();
  }

  /** To be called several times a second. */
  tick(): void {
    if (this.#client === undefined && performance.now() - this.#acceptedAt > LOGON_MS_MAX) {
      this.#refuse('no Logon in time');
      return;
    }
    if (!this.#paused) return;
    this.#client?.session.excuse();
    if (this.#isFull) return;
    this.#paused = false;
    this.#read(Buffer.alloc(0));
    if (!this.#paused) this.#socket.resume();
  }

  get #isFull(): boolean {
    return (this.#client?.pending ?? 0) >= PENDING_MAX;
  }

  #read(bytes: Buffer): void {
    this.#framer.push(bytes);
    while (!this.#deaf) {
      if (this.#isFull) {
        // What was framed already is read on when there is room.
        this.#paused = true;
        this.#socket.pause();
        return;
      }
      const frame = this.#framer.next();
      if (frame === undefined) return;
      if (frame.kind === 'message') {
        this.#garbled = 0;
        this.#take(frame.message);
      } else this.#takeBroken(frame.kind, frame.why);
    }
  }

  #take(message: FixMessage): void {
    if (this.#client !== undefined) return this.#client.session.receive(message);
    if (message.type !== MsgType.Logon) return this.#refuse('the first message must be a Logon');
    const client = this.#options.identify(message, certificateOf(this.#socket));
    if (client === undefined) return this.end();
    client.session.logon(this, message);
    if (client.session.isOn(this)) this.#client = client;
    else this.#deaf = true;
  }

  #takeBroken(kind: 'garbled' | 'tooLong', why: string): void {
    const session = this.#client?.session;
    if (session === undefined) return this.#refuse(why);
    // The number of a message that was passed over is missing, and the peer is asked for it.
    if (++this.#garbled === 1) this.#options.log.warn({ ...this.#place(), why }, 'garbled message passed over');
    if (kind === 'garbled' && this.#garbled < GARBLED_MAX) return;
    session.logout(kind === 'garbled' ? `${GARBLED_MAX} garbled messages in a row: ${why}` : why);
    // The peer's Logout can not be found among what can not be read.
    this.#deaf = true;
    session.endWhenWritten();
  }

  #refuse(why: string): void {
    this.#options.log.warn({ ...this.#place(), why }, 'connection refused');
    this.end();
  }

  #place(): { readonly remote: string; readonly peer: string | undefined } {
    return { remote: `${this.#socket.remoteAddress}:${this.#socket.remotePort}`, peer: this.#client?.config.compId };
  }
}

/** SHA-256 of a certificate that was checked, in hexadecimal digits. */
function certificateOf(socket: Socket): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  return socket.getPeerCertificate().fingerprint256?.toLowerCase().replaceAll(':', '');
}
