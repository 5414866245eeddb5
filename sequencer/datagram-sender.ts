import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv4 } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import {
  BlockFragments,
  DATAGRAM_BYTES_DEFAULT,
  DATAGRAM_BYTES_MAX,
  DATAGRAM_BYTES_MIN,
  DATAGRAM_HEADER_BYTES,
} from './block-datagrams.ts';

/** Where blocks go as UDP datagrams besides NATS, and how. */
export interface MulticastOptions {
  /** IPv4 address of a multicast group, or of one host. */
  readonly address: string;
  readonly port: number;
  /** IPv4 address of the interface that a group is reached through; the system's choice unless given. */
  readonly interface?: string | undefined;
  /** How many networks a datagram to a group may cross: 0 stays on this host, 1 (unless given) in this network. */
  readonly ttl?: number | undefined;
  /** The largest datagram without the headers of IP and UDP; what fits a frame of 1,500 bytes unless given. */
  readonly datagramBytes?: number | undefined;
  /** No more than this is sent in a second; {@link BYTES_PER_SECOND_DEFAULT} unless given. */
  readonly bytesPerSecondMax?: number | undefined;
}

export const TTL_DEFAULT = 1;
export const TTL_MAX = 255;
/** Four fifths of gigabit Ethernet. */
export const BYTES_PER_SECOND_DEFAULT = 100_000_000;
export const BYTES_PER_SECOND_MIN = 1_000_000;
/** Between two bursts: the timer's step. */
const PACE_MS = 1;
/**
 * A burst makes up for so much time, as the timer may be late, or is at least so many bytes. A socket of Linux that nobody
 * changed holds 92 unread datagrams of 1,472 bytes, and twice as many if it asks for more: 270 kB. A burst is 150 kB at the
 * rate unless given.
 */
const BURST_MS = 1.5;
const BURST_BYTES_MIN = 64 * 1024;
/** Blocks that wait to be sent; with more, the newest one is dropped. */
export const QUEUE_BYTES_MAX = 16 * 2 ** 20;
/** Datagrams given to the system and not yet taken by it. */
const PENDING_MAX = 64;
const SEND_BUFFER_BYTES = 2 ** 20;
/** What is waiting when the sender is closed has so long to go. */
const DRAIN_MS_MAX = 1_000;

/** An option of the sender breaks a rule. */
export class MulticastOptionError extends RangeError {
  override readonly name = 'MulticastOptionError';
  readonly field: string;
  readonly value: unknown;
  readonly rule: string;

  constructor(field: string, value: unknown, rule: string) {
    super(`${field}: ${JSON.stringify(value)}: ${rule}`);
    this.field = field;
    this.value = value;
    this.rule = rule;
  }
}

export function isMulticast(address: string): boolean {
  const first = Number(address.split('.')[0]);
  return first >= 224 && first <= 239;
}

/** Throws a {@link MulticastOptionError} that names the option, its value and the rule. */
export function checkMulticast(options: MulticastOptions): void {
  const { address, port, ttl, datagramBytes, bytesPerSecondMax } = options;
  const first = Number(address.split('.')[0]);
  if (!isIPv4(address) || first === 0 || first >= 240) {
    throw new MulticastOptionError('address', address, 'must be the IPv4 address of a multicast group or of one host');
  }
  checkWhole('port', port, 1, 65_535);
  if (options.interface !== undefined && !isIPv4(options.interface)) {
    throw new MulticastOptionError('interface', options.interface, 'must be the IPv4 address of an interface');
  }
  checkWhole('ttl', ttl, 0, TTL_MAX);
  checkWhole('datagramBytes', datagramBytes, DATAGRAM_BYTES_MIN, DATAGRAM_BYTES_MAX);
  checkWhole('bytesPerSecondMax', bytesPerSecondMax, BYTES_PER_SECOND_MIN, Number.MAX_SAFE_INTEGER);
}

function checkWhole(field: string, value: number | undefined, min: number, max: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= min && value <= max)) return;
  throw new MulticastOptionError(field, value, `must be a whole number from ${min} to ${max}`);
}

/** Words of {@link BlockSender.counts}. */
export const SENT = {
  blocks: 0,
  datagrams: 1,
  /** Of datagrams, without the headers of IP and UDP. */
  bytes: 2,
  /** Blocks of which nothing was sent, because too much was waiting. */
  dropped: 3,
  /** Datagrams that the system refused, for instance because nobody listens on the host they go to. */
  errors: 4,
} as const;
export const SENT_WORDS = 5;

/**
 * Sends blocks as datagrams, at most a burst at a time and so many bytes a second, so that neither a switch nor a
 * receiver's socket is flooded by the pieces of one block. Whatever goes wrong is counted and nothing more: those who miss
 * a block repair it.
 */
export class BlockSender {
  /** Read by other threads, too, if the memory was shared. */
  readonly counts: Float64Array;
  /** Told of every datagram that could not be sent. */
  onError: (error: Error) => void = () => {};
  readonly #socket: Socket;
  readonly #datagramBytes: number;
  readonly #bytesPerMs: number;
  readonly #burstBytes: number;
  readonly #waiting: BlockFragments[] = [];
  #waitingBytes = 0;
  #datagram = 0;
  #pending = 0;
  /** What may be sent now; less than zero after a datagram that was larger than what was left. */
  #allowance: number;
  #allowedAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  /** Waits for the system to take what is pending. */
  #held = false;
  #closed = false;

  /** Throws a {@link MulticastOptionError}, or what the system says when it does not have the address or interface. */
  static async open(
    options: MulticastOptions,
    counts: Float64Array = new Float64Array(SENT_WORDS),
  ): Promise<BlockSender> {
    checkMulticast(options);
    const socket = createSocket('udp4');
    try {
      socket.bind();
      await once(socket, 'listening');
      // A system that grants less gives what it can.
      socket.setSendBufferSize(SEND_BUFFER_BYTES);
      if (isMulticast(options.address)) {
        socket.setMulticastTTL(options.ttl ?? TTL_DEFAULT);
        // Before connecting, which chooses the way for good.
        if (options.interface !== undefined) socket.setMulticastInterface(options.interface);
      }
      socket.connect(options.port, options.address);
      await once(socket, 'connect');
      return new BlockSender(socket, options, counts);
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  private constructor(socket: Socket, options: MulticastOptions, counts: Float64Array) {
    this.#socket = socket;
    this.#datagramBytes = options.datagramBytes ?? DATAGRAM_BYTES_DEFAULT;
    this.#bytesPerMs = (options.bytesPerSecondMax ?? BYTES_PER_SECOND_DEFAULT) / 1_000;
    this.#burstBytes = Math.max(BURST_BYTES_MIN, this.#bytesPerMs * BURST_MS);
    this.#allowance = this.#burstBytes;
    this.counts = counts;
    socket.on('error', (error) => this.#refused(error));
  }

  /** Address of this host that datagrams come from. */
  get from(): string {
    return this.#socket.address().address;
  }

  /** Bytes of blocks that wait to be sent. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Sends a block; its bytes must not change any more. False if it was dropped. Throws a RangeError if it is no block. */
  send(bytes: Uint8Array): boolean {
    const block = new BlockFragments(bytes, this.#datagramBytes);
    if (this.#closed || this.#waitingBytes + bytes.length > QUEUE_BYTES_MAX) {
      this.#count(SENT.dropped, 1);
      return false;
    }
    this.#waiting.push(block);
    this.#waitingBytes += bytes.length;
    if (this.#timer === undefined && !this.#held) this.#pump();
    return true;
  }

  /** Sends what is waiting, for no longer than a second, and gives the socket up. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const endMs = performance.now() + DRAIN_MS_MAX;
    while ((this.#waiting.length > 0 || this.#pending > 0) && performance.now() < endMs) await delay(PACE_MS);
    this.#count(SENT.dropped, this.#waiting.length);
    this.#waiting.length = 0;
    clearTimeout(this.#timer);
    this.#socket.close();
  }

  /** Sends as much as is allowed now, and comes again for the rest. */
  #pump(): void {
    this.#timer = undefined;
    const now = performance.now();
    this.#allowance = Math.min(this.#burstBytes, this.#allowance + (now - this.#allowedAt) * this.#bytesPerMs);
    this.#allowedAt = now;
    while (this.#allowance > 0) {
      // The system says at the end of this turn whether it took them.
      if (this.#pending >= PENDING_MAX) {
        this.#held = true;
        return;
      }
      const block = this.#waiting[0];
      if (block === undefined) return;
      this.#sendPiece(block);
      if (block.left > 0) continue;
      this.#waiting.shift();
      this.#waitingBytes -= block.bytes.length;
      this.#count(SENT.blocks, 1);
    }
    if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.#pump(), PACE_MS);
  }

  #sendPiece(block: BlockFragments): void {
    const [header, piece] = block.take(this.#datagram);
    this.#datagram = (this.#datagram + 1) >>> 0;
    const bytes = DATAGRAM_HEADER_BYTES + piece.length;
    this.#allowance -= bytes;
    this.#pending++;
    this.#socket.send([header, piece], (error) => {
      this.#pending--;
      if (error !== null) this.#refused(error);
      else {
        this.#count(SENT.datagrams, 1);
        this.#count(SENT.bytes, bytes);
      }
      if (!this.#held || this.#pending > 0) return;
      this.#held = false;
      this.#pump();
    });
  }

  #refused(error: Error): void {
    this.#count(SENT.errors, 1);
    this.onError(error);
  }

  #count(word: number, by: number): void {
    this.counts[word] = (this.counts[word] as number) + by;
  }
}
