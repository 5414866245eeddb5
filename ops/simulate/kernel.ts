/** What can be dead: an event of a dead owner does not happen. */
export interface Owner {
  readonly alive: boolean;
}

interface Scheduled {
  readonly time: number;
  /** Events at the same time happen in the order in which they were scheduled. */
  readonly order: number;
  /** For the hash of what happened. */
  readonly code: number;
  readonly owner: Owner | undefined;
  readonly action: () => void;
}

/**
 * Simulated time and the events that happen in it, one after another, in one thread. Times are whole microseconds since the
 * simulation began.
 *
 * Code of the product that takes its time inside of one call, such as the journal writer between a commit and its flush,
 * calls {@link Kernel.pass}: others go on meanwhile, and may kill it. As there is one stack, who passes time inside of
 * another one's passing holds that one up until it is done itself: slower than it would be, never impossible.
 */
export class Kernel {
  #now = 0;
  #scheduled = 0;
  #happened = 0;
  #hash = 0x811c_9dc5;
  #stopped = false;
  readonly #heap: Scheduled[] = [];
  /** Told of what is worth telling, in words, and when. */
  onTell: ((micros: number, text: string) => void) | undefined;

  tell(text: string): void {
    this.onTell?.(this.#now, text);
  }

  get now(): number {
    return this.#now;
  }

  /** Events that happened. */
  get happened(): number {
    return this.#happened;
  }

  /** Of everything that happened and when: two runs with the same hash did the same. */
  get hash(): number {
    return this.#hash >>> 0;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  after(delay: number, owner: Owner | undefined, code: number, action: () => void): void {
    const time = this.#now + Math.max(0, Math.round(delay));
    this.#push({ time, order: this.#scheduled++, code, owner, action });
  }

  /** Lets everything happen until then. */
  runUntil(time: number): void {
    while (!this.#stopped) {
      const next = this.#heap[0];
      if (next === undefined || next.time > time) break;
      this.#pop();
      if (next.time > this.#now) this.#now = next.time;
      if (next.owner?.alive === false) continue;
      this.#happened++;
      this.note(next.code);
      next.action();
    }
    if (!this.#stopped && time > this.#now) this.#now = time;
  }

  /** To be called from inside an event: others go on for `micros`. */
  pass(micros: number): void {
    this.runUntil(this.#now + Math.max(0, Math.round(micros)));
  }

  /** Nothing happens any more. */
  stop(): void {
    this.#stopped = true;
  }

  /** Adds to the hash of what happened. */
  note(value: number): void {
    this.#hash = Math.imul(this.#hash ^ value, 0x0100_0193) ^ Math.imul(this.#now, 0x9e37_79b1);
  }

  #push(event: Scheduled): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!isBefore(event, heap[parent] as Scheduled)) break;
      heap[at] = heap[parent] as Scheduled;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Scheduled;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Scheduled, heap[child] as Scheduled)) child++;
      if (!isBefore(heap[child] as Scheduled, last)) break;
      heap[at] = heap[child] as Scheduled;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}
