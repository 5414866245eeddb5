import { parentPort, workerData } from 'node:worker_threads';
import { BlockSender, type MulticastOptions } from './datagram-sender.ts';

/**
 * Sends blocks as datagrams, on a thread of its own: a datagram costs a system call and some microseconds, and a block has
 * up to hundreds, for which the gateway's thread has no time.
 */
export interface DatagramThreadData {
  readonly options: MulticastOptions;
  /** Float64Array of the words of SENT. */
  readonly counts: SharedArrayBuffer;
  /** Int32Array of one word: bytes of blocks that the thread has taken, modulo 2^32. */
  readonly taken: SharedArrayBuffer;
}

/** Posted to the thread: a block to send, or undefined to end. */
export type DatagramThreadOrder = Uint8Array<ArrayBuffer> | undefined;

export type DatagramThreadReport =
  | { readonly kind: 'open' }
  /** There is no way to send; the thread ends. */
  | { readonly kind: 'failed'; readonly error: Error }
  /** A datagram was refused for a reason that none before was refused for. */
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'closed' };

const data = workerData as DatagramThreadData;
const taken = new Int32Array(data.taken);

function report(message: DatagramThreadReport): void {
  parentPort?.postMessage(message);
}

try {
  const sender = await BlockSender.open(data.options, new Float64Array(data.counts));
  const told = new Set<string>();
  sender.onError = (error) => {
    const message = 'code' in error ? String(error.code) : error.message;
    if (told.has(message)) return;
    told.add(message);
    report({ kind: 'refused', message });
  };
  parentPort?.on('message', (order: DatagramThreadOrder) => {
    if (order !== undefined) {
      Atomics.add(taken, 0, order.length);
      sender.send(order);
      return;
    }
    parentPort?.removeAllListeners('message');
    void sender.close().then(() => report({ kind: 'closed' }));
  });
  report({ kind: 'open' });
} catch (error) {
  report({ kind: 'failed', error: error instanceof Error ? error : new Error(String(error)) });
}
