import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Which way bytes go: from who dialled the link to the server behind it, or back. */
export type LinkDirection = 'there' | 'back';

/**
 * A TCP link to a server on this host: the network between two hosts, which can be ended, held or slowed. Ended, its
 * connections break and new ones are refused, as when the other host dies. Held, bytes of a direction go no further and
 * nobody is told, as when packets are dropped: they arrive when the link is mended, as TCP sends them again, unless one
 * side has given up before.
 */
export class TcpLink {
  /** Of the server behind it; connections from now on go there. */
  targetPort: number;
  readonly #targetAddress: string;
  readonly #server: Server;
  readonly #passages = new Set<Passage>();
  #isCut = false;
  #held: readonly LinkDirection[] = [];
  #delayMs = 0;

  static async to(port: number, address = '127.0.0.1'): Promise<TcpLink> {
    const link = new TcpLink(port, address);
    link.#server.listen(0, '127.0.0.1');
    await once(link.#server, 'listening');
    return link;
  }

  private constructor(port: number, address: string) {
    this.targetPort = port;
    this.#targetAddress = address;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      if (this.#isCut) {
        near.resetAndDestroy();
        return;
      }
      const passage = new Passage(near, this.targetPort, this.#targetAddress, () => this.#passages.delete(passage));
      this.#passages.add(passage);
      passage.set(this.#held, this.#delayMs);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Breaks all connections, and refuses new ones until it is mended. */
  cut(): void {
    this.#isCut = true;
    for (const passage of [...this.#passages]) passage.break();
  }

  /** Lets nothing through in these directions until it is mended; connections stay, new ones are made and hear nothing. */
  hold(...directions: readonly LinkDirection[]): void {
    this.#held = directions;
    this.#tell();
  }

  /** Lets bytes wait so long in both directions. 0 for no longer than they do anyway. */
  slow(delayMs: number): void {
    this.#delayMs = delayMs;
    this.#tell();
  }

  /** Undoes {@link cut} and {@link hold}. */
  mend(): void {
    this.#isCut = false;
    this.#held = [];
    this.#tell();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #tell(): void {
    for (const passage of this.#passages) passage.set(this.#held, this.#delayMs);
  }
}

/** One connection through a link. */
class Passage {
  readonly #lanes: Readonly<Record<LinkDirection, Lane>>;
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #onEnd: () => void;

  constructor(near: Socket, port: number, address: string, onEnd: () => void) {
    this.#near = near;
    this.#far = connect({ port, host: address, allowHalfOpen: true, noDelay: true });
    this.#onEnd = onEnd;
    this.#lanes = { there: new Lane(near, this.#far), back: new Lane(this.#far, near) };
    for (const socket of [near, this.#far]) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        if (near.destroyed && this.#far.destroyed) this.#onEnd();
      });
    }
  }

  set(held: readonly LinkDirection[], delayMs: number): void {
    for (const [direction, lane] of Object.entries(this.#lanes)) {
      lane.delayMs = delayMs;
      lane.hold(held.includes(direction as LinkDirection));
    }
  }

  break(): void {
    // libuv can not reset a connection whose end was sent: the handle would stay, and Node wait for it when it ends.
    if (this.#near.writableEnded) this.#near.destroy();
    else this.#near.resetAndDestroy();
    this.#far.destroy();
    this.#onEnd();
  }
}

/** One direction of a connection. Order is kept; what it reads is bounded by what the other side takes. */
class Lane {
  delayMs = 0;
  readonly #from: Socket;
  #held = false;
  #waiting = 0;
  /** What came to pass while nothing could get through. */
  #late: (() => void) | undefined;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    from.on('data', (bytes) => {
      // A piece that was read just before the hold is on its way already, as a packet would be.
      this.#pass(() => {
        if (to.destroyed || to.write(bytes)) return;
        from.pause();
        to.once('drain', () => this.#resume());
      });
    });
    from.on('end', () => this.#pass(() => to.end()));
    from.on('close', (hadError) => {
      if (hadError) this.#pass(() => to.destroy());
    });
  }

  hold(held: boolean): void {
    this.#held = held;
    if (held) {
      this.#from.pause();
      return;
    }
    this.#resume();
    this.#late?.();
    this.#late = undefined;
  }

  #resume(): void {
    if (!this.#held) this.#from.resume();
  }

  #pass(act: () => void): void {
    if (this.#held) {
      const before = this.#late;
      this.#late = () => {
        before?.();
        act();
      };
      return;
    }
    if (this.delayMs === 0 && this.#waiting === 0) {
      act();
      return;
    }
    this.#waiting++;
    setTimeout(() => {
      this.#waiting--;
      act();
    }, this.delayMs);
  }
}
