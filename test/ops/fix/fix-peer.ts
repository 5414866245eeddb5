import { connect, type Socket } from 'node:net';

/** FIX spoken by hand, from the standard and not from the gateway's codec: a field is `tag=value`, ended by SOH. */
const SOH = '\u0001';
const END_OF_MESSAGE = new RegExp(`${SOH}10=\\d{3}${SOH}`);
const WAIT_MS_MAX = 30_000;

export type Fields = Readonly<Record<number, string>>;

export interface Received {
  readonly type: string;
  readonly seq: number;
  readonly fields: ReadonlyMap<number, string>;
  readonly raw: string;
}

/** Time as FIX writes it. */
export function utc(ms = Date.now()): string {
  return new Date(ms).toISOString().replace(/-/g, '').replace('T', '-').replace('Z', '');
}

export function frame(beginString: string, body: string): string {
  const start = `8=${beginString}${SOH}9=${Buffer.byteLength(body, 'latin1')}${SOH}${body}`;
  const sum = Buffer.from(start, 'latin1').reduce((total, byte) => total + byte, 0) % 256;
  return `${start}10=${String(sum).padStart(3, '0')}${SOH}`;
}

/** The fields of a message between BodyLength and CheckSum. */
export function bodyOf(message: string): string[] {
  return message.split(SOH).slice(2, -2);
}

/** Fields as the body of a message. */
export function joined(fields: readonly string[]): string {
  return fields.map((field) => field + SOH).join('');
}

export interface PeerOptions {
  readonly port: number;
  readonly compId?: string;
  readonly gateway?: string;
  readonly beginString?: 'FIX.4.4' | 'FIXT.1.1';
  readonly socket?: Socket;
}

/** A FIX client that says what it is told to, and keeps what it hears. */
export class FixPeer {
  readonly heard: Received[] = [];
  readonly closed: Promise<void>;
  /** Number of the next message. */
  nextOut = 1;
  readonly #options: PeerOptions;
  readonly #socket: Socket;
  #text = '';
  #isClosed = false;
  #wake: (() => void)[] = [];

  static async connect(options: PeerOptions): Promise<FixPeer> {
    const socket = options.socket ?? connect(options.port, '127.0.0.1');
    const peer = new FixPeer(options, socket);
    if (socket.connecting) await Promise.race([new Promise((resolve) => socket.once('connect', resolve)), peer.closed]);
    if (peer.#isClosed) throw new Error(`nobody listens on port ${options.port}`);
    return peer;
  }

  private constructor(options: PeerOptions, socket: Socket) {
    this.#options = options;
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#hear(text));
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#isClosed = true;
        for (const wake of this.#wake.splice(0)) wake();
        resolve();
      });
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  bytes(bytes: string | Uint8Array): void {
    if (typeof bytes === 'string') this.#socket.write(bytes, 'latin1');
    else this.#socket.write(bytes);
  }

  /** A message with the next number; `header` replaces or adds fields of the header, an empty value leaves one out. */
  message(type: string, fields: Fields = {}, header: Fields = {}): string {
    const { compId = 'FIRM7', gateway = 'VERITAPE', beginString = 'FIX.4.4' } = this.#options;
    const all: Record<number, string> = { 35: type, 49: compId, 56: gateway, 34: '', 52: utc(), ...header };
    if (header[34] === undefined) all[34] = String(this.nextOut++);
    const order = [35, 49, 56, 34, 43, 97, 52, 122];
    const rest = Object.keys(all).map(Number);
    const head = [...order, ...rest.filter((tag) => !order.includes(tag))].map((tag) => [tag, all[tag]] as const);
    const parts = [...head, ...Object.entries(fields)].filter(([, value]) => value !== undefined && value !== '');
    return frame(beginString, parts.map(([tag, value]) => `${tag}=${value}${SOH}`).join(''));
  }

  send(type: string, fields: Fields = {}, header: Fields = {}): void {
    this.bytes(this.message(type, fields, header));
  }

  /** Logs on, and gives the answer. */
  async logon(fields: Fields = {}, header: Fields = {}): Promise<Received> {
    const version = this.#options.beginString === 'FIXT.1.1' ? { 1137: '9' } : {};
    this.send(
      'A',
      { 98: '0', 108: '30', 553: 'firm', 554: 'a password of some length', ...version, ...fields },
      header,
    );
    return this.next((message) => message.type === 'A' || message.type === '5');
  }

  /** The first message heard, from now or before, that fits and was not given yet. Rejects if the connection ends first. */
  async next(fits: string | ((message: Received) => boolean)): Promise<Received> {
    const is = typeof fits === 'string' ? (message: Received) => message.type === fits : fits;
    const until = performance.now() + WAIT_MS_MAX;
    for (;;) {
      const at = this.heard.findIndex((message) => !this.#given.has(message) && is(message));
      const message = this.heard[at];
      if (message !== undefined) {
        this.#given.add(message);
        return message;
      }
      if (this.#isClosed) throw new Error(`closed before it came: ${fits}; heard ${this.shown()}`);
      if (performance.now() > until) throw new Error(`it did not come: ${fits}; heard ${this.shown()}`);
      await Promise.race([
        new Promise<void>((resolve) => this.#wake.push(resolve)),
        new Promise((resolve) => setTimeout(resolve, 200)),
      ]);
    }
  }

  /** Everything heard so far, for people. */
  shown(): string {
    return this.heard.map(({ raw }) => raw.replaceAll(SOH, '|')).join('\n');
  }

  /** Resolves when everything sent before was handled: a TestRequest comes back. */
  async settled(): Promise<void> {
    const id = `settled ${this.nextOut}`;
    this.send('1', { 112: id });
    await this.next((message) => message.fields.get(112) === id);
  }

  end(): void {
    this.#socket.destroy();
  }

  readonly #given = new Set<Received>();

  #hear(text: string): void {
    this.#text += text;
    for (;;) {
      const end = this.#text.search(END_OF_MESSAGE);
      if (end < 0) break;
      const raw = this.#text.slice(0, end + 8);
      this.#text = this.#text.slice(end + 8);
      const fields = new Map<number, string>();
      for (const field of raw.split(SOH)) {
        const [, tag, value] = /^(\d+)=(.*)$/s.exec(field) ?? [];
        if (tag !== undefined && value !== undefined) fields.set(Number(tag), value);
      }
      if (frame(fields.get(8) ?? '', joined(bodyOf(raw))) !== raw) throw new Error(`not framed as FIX wants: ${raw}`);
      this.heard.push({ type: fields.get(35) ?? '', seq: Number(fields.get(34)), fields, raw });
    }
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** A limit order of 10 at 10.25 on ACME, good till cancelled. */
export function newOrder(clOrdId: string, fields: Fields = {}): Fields {
  const usual = { 55: 'ACME', 54: '1', 38: '10', 40: '2', 44: '10.25', 59: '1', 60: utc() };
  return { 11: clOrdId, ...usual, ...fields };
}
