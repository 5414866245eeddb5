/** Slots of a venue: the one freed last is used first, and a slot's generation rises with each use. */
export class ModelSlots {
  readonly #max: number;
  readonly #generations = new Map<number, number>();
  readonly #free: number[] = [];
  #highWater = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get hasRoom(): boolean {
    return this.#free.length > 0 || this.#highWater < this.#max;
  }

  take(): { readonly slot: number; readonly generation: number } {
    const slot = this.#free.pop() ?? ++this.#highWater;
    return { slot, generation: this.raise(slot) };
  }

  raise(slot: number): number {
    const generation = (this.#generations.get(slot) ?? 0) + 1;
    this.#generations.set(slot, generation);
    return generation;
  }

  release(slot: number): void {
    this.#free.push(slot);
  }
}
