import { type Fields, FixPeer, type Received, utc } from './fix-peer.ts';

const RECONNECT_MS = 20;
const SEND_AGAIN_MS = 500;
const TURNS_PER_HEARTBEAT = 100;

/**
 * A FIX client that never resets: it keeps what it sent for whoever asks again, asks for what it misses, and takes messages in
 * the order of their numbers, each once, over as many connections as it needs.
 */
export class LoyalClient {
  /** Application messages in the order of their numbers. */
  readonly taken: Received[] = [];
  readonly #port: number;
  readonly #compId: string;
  readonly #sent = new Map<number, { readonly type: string; readonly fields: Fields; readonly time: string }>();
  #nextOut = 1;
  #expectedIn = 1;
  #peer: FixPeer | undefined;
  #asked = 0;
  #read = 0;
  #isDone = false;
  reconnects = -1;
  readonly #running: Promise<void>;

  constructor(port: number, compId: string) {
    this.#port = port;
    this.#compId = compId;
    this.#running = this.#run();
  }

  /** Sends now, or when it is connected again and asked. */
  send(type: string, fields: Fields): void {
    const sequence = this.#nextOut++;
    this.#sent.set(sequence, { type, fields, time: utc() });
    if (this.#asked > 0) this.#peer?.send(type, fields, { 34: String(sequence) });
  }

  async end(): Promise<void> {
    this.#isDone = true;
    this.#peer?.end();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isDone) {
      try {
        this.#asked = 0;
        this.#read = 0;
        const peer = await FixPeer.connect({ port: this.#port, compId: this.#compId });
        this.#peer = peer;
        this.reconnects++;
        const logon = { 98: '0', 108: '30', 553: 'firm', 554: 'a password of some length' };
        peer.send('A', logon, { 34: String(this.#nextOut++) });
        for (let turn = 1; !peer.isClosed; turn++) {
          this.#take(peer);
          // Behind a message that was lost on the way, so that it is missed.
          if (turn % TURNS_PER_HEARTBEAT === 0 && this.#asked > 0) peer.send('0', {}, { 34: String(this.#nextOut++) });
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      } catch {
        // Nobody listens yet.
      }
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
    }
  }

  #take(peer: FixPeer): void {
    for (; this.#read < peer.heard.length; this.#read++) {
      const message = peer.heard[this.#read] as Received;
      if (message.type === 'A') this.#asked = Math.max(this.#asked, 1);
      if (message.type === '2') this.#answer(peer, Number(message.fields.get(7)));
      if (message.seq > this.#expectedIn) {
        // Once for what is missing now; what comes behind it is had again then.
        if (this.#asked < message.seq) {
          this.#asked = Number.MAX_SAFE_INTEGER;
          peer.send('2', { 7: String(this.#expectedIn), 16: '0' }, { 34: String(this.#nextOut++) });
        }
        continue;
      }
      if (message.seq < this.#expectedIn) continue;
      this.#expectedIn = message.type === '4' ? Number(message.fields.get(36)) : message.seq + 1;
      if (!'A0124 5'.includes(message.type)) this.taken.push(message);
      if (message.type === 'j') this.#sendAgain(Number(message.fields.get(45)));
    }
  }

  /** An order that was refused because the venue was away, and so not sent: another message with the same order. */
  #sendAgain(sequence: number): void {
    const refused = this.#sent.get(sequence);
    if (refused === undefined) return;
    setTimeout(() => this.send(refused.type, refused.fields), SEND_AGAIN_MS);
  }

  #answer(peer: FixPeer, from: number): void {
    for (let sequence = from; sequence < this.#nextOut; sequence++) {
      const kept = this.#sent.get(sequence);
      const again = { 34: String(sequence), 43: 'Y', 122: kept?.time ?? utc() };
      if (kept !== undefined) peer.send(kept.type, kept.fields, again);
      else peer.send('4', { 123: 'Y', 36: String(sequence + 1) }, again);
    }
  }
}
