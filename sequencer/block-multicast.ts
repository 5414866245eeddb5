import { Worker } from 'node:worker_threads';
import { checkMulticast, type MulticastOptions, QUEUE_BYTES_MAX, SENT, SENT_WORDS } from './datagram-sender.ts';
import type { DatagramThreadData, DatagramThreadOrder, DatagramThreadReport } from './datagram-thread.ts';
import { threadEntry } from './thread-entry.ts';

/** Closing may take no longer, whatever the thread does. */
const CLOSE_MS_MAX = 3_000;

export interface MulticastCounts {
  readonly blocks: number;
  readonly datagrams: number;
  /** Of datagrams, without the headers of IP and UDP. */
  readonly bytes: number;
  /** Blocks of which nothing was sent, because too much was waiting. */
  readonly dropped: number;
  /** Datagrams that the system refused. */
  readonly errors: number;
}

/** The venue's end of the datagrams: a thread that sends what it is given, and whose end or failure is only told. */
export class BlockMulticast {
  readonly #worker: Worker;
  readonly #counts: Float64Array;
  readonly #taken: Int32Array;
  #given = 0;
  #dropped = 0;
  #ended = false;

  /**
   * Resolves when blocks can be sent. `onTrouble` is told in words, once of each kind of trouble. Throws a
   * {@link MulticastOptionError}, or what the system says when it does not have the address or the interface.
   */
  static async open(options: MulticastOptions, onTrouble: (text: string) => void): Promise<BlockMulticast> {
    checkMulticast(options);
    const multicast = new BlockMulticast(options, onTrouble);
    await new Promise<void>((resolve, reject) => {
      multicast.#worker.on('message', (report: DatagramThreadReport) => {
        if (report.kind === 'open') resolve();
        else if (report.kind === 'failed') reject(report.error);
        else if (report.kind === 'refused') onTrouble(report.message);
      });
      multicast.#worker.once('error', reject);
    });
    return multicast;
  }

  private constructor(options: MulticastOptions, onTrouble: (text: string) => void) {
    const counts = new SharedArrayBuffer(SENT_WORDS * Float64Array.BYTES_PER_ELEMENT);
    const taken = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    this.#counts = new Float64Array(counts);
    this.#taken = new Int32Array(taken);
    const workerData: DatagramThreadData = { options, counts, taken };
    this.#worker = new Worker(threadEntry(import.meta.url, './datagram-thread'), { name: 'datagrams', workerData });
    this.#worker.on('error', (error) => onTrouble(error.message));
    this.#worker.on('exit', () => {
      this.#ended = true;
    });
  }

  get counts(): MulticastCounts {
    const at = (word: number): number => this.#counts[word] as number;
    return {
      blocks: at(SENT.blocks),
      datagrams: at(SENT.datagrams),
      bytes: at(SENT.bytes),
      dropped: at(SENT.dropped) + this.#dropped,
      errors: at(SENT.errors),
    };
  }

  /** Takes the block's memory over. Never throws: a block that finds no room is counted as dropped. */
  send(bytes: Uint8Array<ArrayBuffer>): void {
    const behind = (this.#given - Atomics.load(this.#taken, 0)) >>> 0;
    if (this.#ended || behind + bytes.length > QUEUE_BYTES_MAX) {
      this.#dropped++;
      return;
    }
    this.#given = (this.#given + bytes.length) | 0;
    this.#worker.postMessage(bytes satisfies DatagramThreadOrder, [bytes.buffer]);
  }

  /** Lets what is waiting go, within a few seconds, and ends the thread. */
  async close(): Promise<void> {
    if (!this.#ended) {
      const closed = new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, CLOSE_MS_MAX);
        const end = (): void => {
          clearTimeout(timer);
          resolve();
        };
        this.#worker.once('exit', end);
        this.#worker.on('message', (report: DatagramThreadReport) => {
          if (report.kind === 'closed') end();
        });
      });
      this.#worker.postMessage(undefined satisfies DatagramThreadOrder);
      await closed;
    }
    await this.#worker.terminate();
  }
}
