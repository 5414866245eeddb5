import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { crc32 } from 'node:zlib';
import { RECEIVE_BUFFER_BYTES } from '../../sequencer/datagram-receiver.ts';

/** What may happen to a datagram on the way. */
const FATES = ['lost', 'twice', 'late', 'damaged', 'truncated', 'otherShard', 'otherVersion', 'garbage'] as const;
export type Fate = (typeof FATES)[number];

/** Datagrams that overtake one that is late. */
const OVERTAKING = 7;

/** A network between a sender and a receiver on this host: passes datagrams on, or does to them what the test wants. */
export class LossyRelay {
  /** How many of a hundred datagrams meet each fate; the rest come as they are. */
  percent: Partial<Record<Fate, number>> = {};
  readonly met: Record<Fate, number> = { ...NONE };
  passed = 0;
  readonly #socket: Socket;
  readonly #to: number;
  readonly #held: { bytes: Buffer; overtaking: number }[] = [];
  #seed = 1;

  /** Passes on to a port of 127.0.0.1. */
  static async to(port: number): Promise<LossyRelay> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
    return new LossyRelay(socket, port);
  }

  private constructor(socket: Socket, to: number) {
    this.#socket = socket;
    this.#to = to;
    socket.on('message', (bytes) => this.#take(bytes));
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Sends something of the test's own to the receiver. */
  send(bytes: Uint8Array): void {
    this.#socket.send(bytes, this.#to, '127.0.0.1', () => {});
  }

  async close(): Promise<void> {
    this.#socket.close();
    await once(this.#socket, 'close');
  }

  #take(bytes: Buffer): void {
    const fate = this.#draw();
    if (fate !== undefined) this.met[fate]++;
    else this.passed++;
    switch (fate) {
      case 'lost':
        return;
      case 'late':
        this.#held.push({ bytes, overtaking: OVERTAKING });
        return;
      case 'twice':
        this.send(bytes);
        this.send(bytes);
        break;
      case 'truncated':
        this.send(bytes.subarray(0, this.#below(bytes.length)));
        break;
      case 'damaged':
        this.send(changed(bytes, 8 + this.#below(bytes.length - 8)));
        break;
      // These come besides the true one, as from another sender.
      case 'otherShard':
      case 'otherVersion':
        this.send(fate === 'otherShard' ? resealed(bytes, 12) : resealed(bytes, 8));
        this.send(bytes);
        break;
      case 'garbage':
        this.send(Buffer.from('something else altogether, from somebody else'));
        this.send(bytes);
        break;
      default:
        this.send(bytes);
    }
    this.#letGo();
  }

  #letGo(): void {
    for (const held of this.#held) held.overtaking--;
    while (this.#held[0]?.overtaking === 0) this.send(this.#held.shift()?.bytes ?? Buffer.alloc(0));
  }

  #draw(): Fate | undefined {
    let left = this.#below(100);
    for (const fate of FATES) {
      left -= this.percent[fate] ?? 0;
      if (left < 0) return fate;
    }
    return undefined;
  }

  /** The same in every run. */
  #below(limit: number): number {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#seed / 2 ** 32) * limit);
  }
}

const NONE: Record<Fate, number> = {
  lost: 0,
  twice: 0,
  late: 0,
  damaged: 0,
  truncated: 0,
  otherShard: 0,
  otherVersion: 0,
  garbage: 0,
};

/** The bytes with one bit turned. */
export function changed(bytes: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] as number) ^ 4;
  return copy;
}

/** The datagram with one bit turned and its checksum made to fit. */
export function resealed(bytes: Uint8Array, at: number): Buffer {
  const copy = changed(bytes, at);
  copy.writeUInt32LE(crc32(copy.subarray(8)), 4);
  return copy;
}

/** A UDP port of 127.0.0.1 that was free a moment ago. */
export async function freeUdpPort(): Promise<number> {
  const probe = createSocket('udp4');
  probe.bind(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}
