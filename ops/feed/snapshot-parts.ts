import type { PacketHeader } from './feed-records.ts';

/** More than the largest venue's orders take. */
const PARTS_MAX = 65_536;

/** The parts of one snapshot, which come in any order, more than once, or not at all. */
export class SnapshotParts {
  readonly header: PacketHeader;
  readonly #packets: (DataView | undefined)[];
  #missing: number;

  /** For the snapshot that a part belongs to; undefined if it says of how many parts it is in a way that can not be. */
  static begin(header: PacketHeader): SnapshotParts | undefined {
    return header.parts < 1 || header.parts > PARTS_MAX || header.part >= header.parts
      ? undefined
      : new SnapshotParts(header);
  }

  private constructor(header: PacketHeader) {
    this.header = header;
    this.#missing = header.parts;
    this.#packets = new Array<DataView | undefined>(header.parts).fill(undefined);
  }

  isOf({ epoch, first, sequence, parts }: PacketHeader): boolean {
    const own = this.header;
    return own.epoch === epoch && own.first === first && own.sequence === sequence && own.parts === parts;
  }

  isNewerThan({ epoch, sequence }: PacketHeader): boolean {
    return this.header.epoch === epoch && this.header.sequence > sequence;
  }

  /** Keeps a part in memory of its own. */
  add({ part }: PacketHeader, packet: DataView): void {
    if (part >= this.#packets.length || this.#packets[part] !== undefined) return;
    const bytes = new Uint8Array(packet.buffer, packet.byteOffset, packet.byteLength).slice();
    this.#packets[part] = new DataView(bytes.buffer);
    this.#missing--;
  }

  get isComplete(): boolean {
    return this.#missing === 0;
  }

  *packets(): Generator<DataView, void, undefined> {
    for (const packet of this.#packets) if (packet !== undefined) yield packet;
  }
}
