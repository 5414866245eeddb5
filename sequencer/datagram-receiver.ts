import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { DATAGRAM_HEADER_BYTES, type DatagramHeader, decodeDatagram } from './block-datagrams.ts';
import type { BlockSink, BlockSource } from './block-transport.ts';
import { checkMulticast, isMulticast, type MulticastOptions } from './datagram-sender.ts';

export interface DatagramBlocksOptions extends Pick<MulticastOptions, 'address' | 'port' | 'interface'> {
  readonly shard: number;
  /** What the socket may hold unread; {@link RECEIVE_BUFFER_BYTES} unless given, and no more than the system allows. */
  readonly receiveBufferBytes?: number | undefined;
}

/** Linux allows 208 KiB unless net.core.rmem_max says otherwise, which is less than the pieces of one large block need. */
export const RECEIVE_BUFFER_BYTES = 4 * 2 ** 20;
/** Blocks of which pieces have come and others have not. */
const ASSEMBLIES_MAX = 16;
/** Looked at so often; a block that got no piece between two looks after the first one is given up. */
const LOOK_MS = 5;
const LOOKS_MAX = 2;

/**
 * Blocks that come as UDP datagrams, put together from their pieces, which may come in any order and of several blocks at
 * once. Nothing is believed because it came: a reader checks what is put together here, and asks for what is missing.
 */
export class DatagramBlocks implements BlockSource {
  readonly patienceMs = LOOK_MS;
  readonly counts = {
    /** Datagrams of this shard that were whole. */
    datagrams: 0,
    bytes: 0,
    /** Datagrams that came a second time, or of a block that is there already. */
    duplicates: 0,
    /** Datagrams that came after a later one. */
    late: 0,
    /** Datagrams that something is wrong with. */
    damaged: 0,
    /** Datagrams of another shard, another version or something else. */
    foreign: 0,
    /** Datagrams dropped because the reader has no room for their block. */
    unwanted: 0,
    /** Blocks put together. */
    blocks: 0,
    /** Blocks given up of which pieces had come. */
    incomplete: 0,
  };
  readonly #socket: Socket;
  readonly #shard: number;
  readonly #tally = new DatagramTally();
  readonly #assemblies = new Map<number, Assembly>();
  #sink: BlockSink | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended: string | undefined;

  /**
   * Listens, and joins the group if the address is one. Throws a {@link MulticastOptionError}, or what the system says when
   * it does not have the address, the port or the interface.
   */
  static async open(options: DatagramBlocksOptions): Promise<DatagramBlocks> {
    checkMulticast(options);
    const { address, port } = options;
    const group = isMulticast(address);
    const socket = createSocket({ type: 'udp4', reuseAddr: group });
    try {
      // Bound to the group's own address, a socket does not get what is sent to others at this port. Windows has no such way.
      socket.bind(port, group && process.platform === 'win32' ? '0.0.0.0' : address);
      await once(socket, 'listening');
      if (group) socket.addMembership(address, options.interface);
      socket.setRecvBufferSize(options.receiveBufferBytes ?? RECEIVE_BUFFER_BYTES);
      return new DatagramBlocks(socket, options.shard);
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  private constructor(socket: Socket, shard: number) {
    this.#socket = socket;
    this.#shard = shard;
    socket.on('error', (error) => {
      this.#ended = error.message;
      this.#sink?.failed(error.message);
    });
    socket.on('message', (bytes) => this.#take(bytes));
  }

  get ended(): string | undefined {
    return this.#ended;
  }

  /** Datagrams that were sent after the first one that came and before the last one, and did not come. */
  get lost(): number {
    return this.#tally.lost;
  }

  /** What the socket may hold unread, in bytes; Linux doubles what it was asked for, for its own needs. */
  get receiveBufferBytes(): number {
    return this.#socket.getRecvBufferSize();
  }

  start(sink: BlockSink): void {
    this.#sink = sink;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#assemblies.clear();
    this.#sink = undefined;
    if (this.#ended === undefined) this.#socket.close();
    this.#ended ??= 'the socket was closed';
  }

  #take(bytes: Buffer): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    const header = decodeDatagram(bytes, this.#shard);
    if (typeof header === 'string') {
      this.counts[header]++;
      return;
    }
    this.counts.datagrams++;
    this.counts.bytes += bytes.length;
    if (this.#tally.take(header.epoch, header.datagram) === 'late') this.counts.late++;
    const state = sink.stateOf(header.block);
    if (state === 'noRoom') {
      this.counts.unwanted++;
      sink.missed(header.block);
      return;
    }
    if (state === 'there') {
      this.counts.duplicates++;
      return;
    }
    this.#assemble(sink, header, bytes.subarray(DATAGRAM_HEADER_BYTES));
  }

  #assemble(sink: BlockSink, header: DatagramHeader, piece: Buffer): void {
    const { block } = header;
    let assembly = this.#assemblies.get(block);
    if (assembly !== undefined && !assembly.isOf(header)) {
      // Two senders, of which one may be fenced or forge; the newer epoch is the likelier one.
      if (header.epoch <= assembly.epoch) {
        this.counts.damaged++;
        return;
      }
      this.#assemblies.delete(block);
      assembly = undefined;
    }
    if (assembly === undefined) {
      if (this.#assemblies.size >= ASSEMBLIES_MAX) this.#giveUpOldest(sink);
      assembly = new Assembly(header);
      this.#assemblies.set(block, assembly);
      this.#timer ??= setTimeout(() => this.#look(), LOOK_MS);
    }
    if (!assembly.add(header.fragment, piece)) this.counts.duplicates++;
    if (!assembly.isWhole) return;
    this.#assemblies.delete(block);
    this.counts.blocks++;
    sink.published(assembly.bytes);
  }

  #look(): void {
    this.#timer = undefined;
    const sink = this.#sink;
    if (sink === undefined) return;
    for (const [block, assembly] of this.#assemblies) {
      // It may have come by repair meanwhile.
      if (sink.stateOf(block) === 'there') this.#assemblies.delete(block);
      else if (++assembly.looks > LOOKS_MAX) this.#giveUp(sink, block);
    }
    if (this.#assemblies.size > 0) this.#timer = setTimeout(() => this.#look(), LOOK_MS);
  }

  #giveUpOldest(sink: BlockSink): void {
    for (const block of this.#assemblies.keys()) {
      this.#giveUp(sink, block);
      return;
    }
  }

  #giveUp(sink: BlockSink, block: number): void {
    this.#assemblies.delete(block);
    this.counts.incomplete++;
    sink.missed(block);
  }
}

/** A block of which some pieces have come. */
class Assembly {
  readonly epoch: number;
  readonly bytes: Buffer;
  /** Looks since the last new piece came. */
  looks = 0;
  readonly #pieceBytes: number;
  readonly #come: Uint8Array;
  #missing: number;

  constructor({ epoch, blockBytes, fragments, pieceBytes }: DatagramHeader) {
    this.epoch = epoch;
    // Of its own memory: the reader keeps it.
    this.bytes = Buffer.from(new ArrayBuffer(blockBytes));
    this.#pieceBytes = pieceBytes;
    this.#come = new Uint8Array(fragments);
    this.#missing = fragments;
  }

  get isWhole(): boolean {
    return this.#missing === 0;
  }

  isOf(header: DatagramHeader): boolean {
    const { epoch, blockBytes, pieceBytes } = header;
    return epoch === this.epoch && blockBytes === this.bytes.length && pieceBytes === this.#pieceBytes;
  }

  /** False if the piece is there already. */
  add(fragment: number, piece: Uint8Array): boolean {
    if (this.#come[fragment] === 1) return false;
    this.bytes.set(piece, fragment * this.#pieceBytes);
    this.#come[fragment] = 1;
    this.#missing--;
    this.looks = 0;
    return true;
  }
}

/** Datagrams further behind the newest one are not told apart any more. */
const TALLY_WINDOW = 8_192;
/** A larger step is another sender, not a loss. */
const TALLY_STEP_MAX = 2 ** 24;

/** Counts the datagrams that do not come by their numbers. A sender begins anew with each epoch. */
export class DatagramTally {
  #lost = 0;
  #epoch = 0;
  #next = 0;
  readonly #come = new Uint8Array(TALLY_WINDOW);

  /** Those that still may come late are among them. */
  get lost(): number {
    return this.#lost;
  }

  take(epoch: number, datagram: number): 'inOrder' | 'late' | 'duplicate' {
    const ahead = (datagram - this.#next) | 0;
    if (epoch !== this.#epoch || ahead > TALLY_STEP_MAX || ahead < -TALLY_STEP_MAX) {
      this.#epoch = epoch;
      // What came before the first one is not known to be lost.
      this.#come.fill(1);
    } else if (ahead < 0) {
      if (ahead < -TALLY_WINDOW) return 'late';
      if (this.#come[datagram % TALLY_WINDOW] === 1) return 'duplicate';
      this.#come[datagram % TALLY_WINDOW] = 1;
      this.#lost--;
      return 'late';
    } else {
      this.#lost += ahead;
      for (let skipped = Math.max(0, ahead - TALLY_WINDOW); skipped < ahead; skipped++)
        this.#come[((this.#next + skipped) >>> 0) % TALLY_WINDOW] = 0;
    }
    this.#come[datagram % TALLY_WINDOW] = 1;
    this.#next = (datagram + 1) >>> 0;
    return 'inOrder';
  }
}
