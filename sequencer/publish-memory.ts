/**
 * Memory for payloads on their way into a NATS connection, used round and round: a new array for each would be memory
 * outside V8's heap, and collecting that took a sixth of two cores at 400,000 commands a second.
 *
 * The client library keeps a payload until the end of the current turn of the event loop, or until 32 KiB are waiting, and
 * then copies all that waits into one piece; nothing of a payload is looked at later. While it is not connected it keeps
 * payloads for longer, so then they get memory of their own. test/sequencer/publish-memory.test.ts guards both.
 */
const ROUND_BYTES = 1 << 22;

export class PublishMemory {
  readonly #round = new Uint8Array(ROUND_BYTES);
  #next = 0;
  /** Whether what is published is copied at the end of the turn. */
  connected = true;

  /** `bytes` of memory to fill and publish at once; begins at a multiple of 4. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    if (!this.connected || bytes > ROUND_BYTES) return new Uint8Array(bytes);
    if (this.#next + bytes > ROUND_BYTES) this.#next = 0;
    const taken = this.#round.subarray(this.#next, this.#next + bytes);
    this.#next = (this.#next + bytes + 3) & ~3;
    return taken;
  }
}
