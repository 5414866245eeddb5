import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What `programs/disk-recorder.c` recorded. Its comment has the table of bytes. */
const KIND = { end: 0, open: 1, write: 2, flush: 3, truncate: 4, rename: 5, remove: 6, folder: 7, told: 8 } as const;
const FLAG = { created: 1, synchronous: 2, failed: 4 } as const;
const ENTRY_BYTES = 40;
/** What a disk writes whole or not at all. */
const SECTOR_BYTES = 512;

interface Entry {
  readonly kind: number;
  readonly flags: number;
  readonly operation: bigint;
  readonly inode: bigint;
  readonly offset: number;
  readonly payload: Buffer;
}

/** What becomes of what was not flushed. */
export type Fate = 'kept' | 'dropped' | 'random';

/** A change of a file or of the names in a folder; `done` when its end was recorded, `flushed` when it is certain. */
interface Change {
  done: boolean;
  flushed: boolean;
}

interface Write extends Change {
  /** Undefined: the file gets the length `offset`. */
  readonly bytes: Buffer | undefined;
  readonly offset: number;
}

interface Naming extends Change {
  readonly name: string;
  /** Undefined: the name is taken away. */
  readonly object: DiskFile | DiskFolder | undefined;
}

class DiskFile {
  readonly changes: Write[] = [];

  contents(keeps: (whole: boolean) => boolean): Buffer {
    const bytes = Buffer.alloc(
      Math.max(0, ...this.changes.map((change) => change.offset + (change.bytes?.length ?? 0))),
    );
    let length = 0;
    const put = (change: Write, from: number, to: number): void => {
      change.bytes?.copy(bytes, change.offset + from, from, to);
      length = Math.max(length, change.offset + to);
    };
    for (const change of this.changes) {
      if (change.bytes === undefined) {
        if (!change.flushed && !keeps(true)) continue;
        bytes.fill(0, change.offset);
        length = change.offset;
      } else if (change.flushed) put(change, 0, change.bytes.length);
      else {
        for (let at = 0; at < change.bytes.length; ) {
          // To the end of the sector, as the disk has them.
          const next = Math.min(change.bytes.length, at + SECTOR_BYTES - ((change.offset + at) % SECTOR_BYTES));
          if (keeps(false)) put(change, at, next);
          at = next;
        }
      }
    }
    return bytes.subarray(0, length);
  }
}

class DiskFolder {
  readonly changes: Naming[] = [];
  /** As processes see it. */
  readonly names = new Map<string, DiskFile | DiskFolder>();

  change(naming: Naming): void {
    this.changes.push(naming);
    this.apply(naming, this.names);
  }

  /** Changes of a folder reach the disk in their order. */
  contents(keeps: (whole: boolean) => boolean): Map<string, DiskFile | DiskFolder> {
    const names = new Map<string, DiskFile | DiskFolder>();
    const certain = this.changes.findLastIndex((change) => change.flushed);
    for (const [index, change] of this.changes.entries()) {
      if (index > certain && !keeps(true)) break;
      this.apply(change, names);
    }
    return names;
  }

  private apply({ name, object }: Naming, names: Map<string, DiskFile | DiskFolder>): void {
    if (object === undefined) names.delete(name);
    else names.set(name, object);
  }
}

export class DiskRecord {
  readonly #entries: Entry[] = [];
  readonly #folder: string;

  /** `folder` is the one that was recorded; it was empty. */
  constructor(file: string, folder: string) {
    this.#folder = folder;
    const bytes = readFileSync(file);
    for (let at = 0; at + ENTRY_BYTES <= bytes.length; ) {
      const end = at + ENTRY_BYTES + Number(bytes.readBigUInt64LE(at + 32));
      this.#entries.push({
        kind: bytes.readUInt32LE(at),
        flags: bytes.readUInt32LE(at + 4),
        operation: bytes.readBigUInt64LE(at + 8),
        inode: bytes.readBigUInt64LE(at + 16),
        offset: Number(bytes.readBigUInt64LE(at + 24)),
        payload: bytes.subarray(at + ENTRY_BYTES, end),
      });
      at = end;
    }
  }

  /** Moments at which the power can go: after so many entries. */
  get length(): number {
    return this.#entries.length;
  }

  /** What was told before `cut`, line by line. */
  told(cut: number): string[] {
    return this.#entries
      .slice(0, cut)
      .filter(({ kind }) => kind === KIND.told)
      .flatMap(({ payload }) => payload.toString().trimEnd().split('\n'));
  }

  /**
   * Makes `target` what is on the disk when the power goes after `cut` entries. What a flush that ended was asked for is
   * there. Of the rest, writes are there sector by sector as `fate` says, and of the names of a folder the first so many.
   */
  restore(cut: number, target: string, fate: Fate, random: () => number): void {
    // Of names, more often all but a few are kept: what a disk forgets is what came last.
    const keeps = (whole: boolean): boolean => fate === 'kept' || (fate === 'random' && random() < (whole ? 0.8 : 0.5));
    const make = (folder: DiskFolder, path: string): void => {
      mkdirSync(path, { recursive: true });
      for (const [name, object] of folder.contents(keeps)) {
        if (object instanceof DiskFolder) make(object, join(path, name));
        else writeFileSync(join(path, name), object.contents(keeps));
      }
    };
    make(this.#replay(cut), target);
  }

  #replay(cut: number): DiskFolder {
    const root = new DiskFolder();
    const byInode = new Map<bigint, DiskFile | DiskFolder>();
    /** What an operation changes, and what it will be certain of, by its number. */
    const under = new Map<bigint, { readonly changes: Change[]; readonly flushes: Change[]; undo?: () => void }>();
    const folderOf = (path: string): DiskFolder => {
      const parent = this.#find(root, dirname(path));
      if (!(parent instanceof DiskFolder)) throw new Error(`the record names ${path}, but not its folder`);
      return parent;
    };
    const name = (path: string, object: DiskFile | DiskFolder | undefined): Naming => {
      const naming = { done: false, flushed: false, name: path.slice(path.lastIndexOf('/') + 1), object };
      folderOf(path).change(naming);
      return naming;
    };

    for (const { kind, flags, operation, inode, offset, payload } of this.#entries.slice(0, cut)) {
      if (kind === KIND.open) {
        const path = payload.toString();
        if ((flags & FLAG.created) !== 0) name(path, new DiskFile()).done = true;
        const object = this.#find(root, path);
        if (object !== undefined) byInode.set(inode, object);
      } else if (kind === KIND.write || kind === KIND.truncate) {
        const file = byInode.get(inode);
        if (!(file instanceof DiskFile)) throw new Error(`the record writes to inode ${inode}, which is no file`);
        const change = { done: false, flushed: false, bytes: kind === KIND.write ? payload : undefined, offset };
        file.changes.push(change);
        under.set(operation, { changes: [change], flushes: (flags & FLAG.synchronous) !== 0 ? [change] : [] });
      } else if (kind === KIND.flush) {
        const changes = byInode.get(inode)?.changes.filter(({ done }) => done) ?? [];
        under.set(operation, { changes: [], flushes: changes });
      } else if (kind === KIND.folder) {
        const path = payload.toString();
        if (path !== this.#folder && this.#find(root, path) === undefined) {
          under.set(operation, { changes: [name(path, new DiskFolder())], flushes: [] });
        }
      } else if (kind === KIND.remove) {
        const path = payload.toString();
        const object = this.#find(root, path);
        // A folder that is not empty stays.
        if (object === undefined || (object instanceof DiskFolder && object.names.size > 0)) continue;
        under.set(operation, { changes: [name(path, undefined)], flushes: [] });
      } else if (kind === KIND.rename) {
        const [from = '', to = ''] = payload.toString().split('\0');
        const object = this.#find(root, from);
        const taken = this.#find(root, to);
        if (object === undefined || (taken instanceof DiskFolder && taken.names.size > 0)) continue;
        under.set(operation, { changes: [name(to, object), name(from, undefined)], flushes: [] });
      } else if (kind === KIND.end) {
        const { changes = [], flushes = [] } = under.get(operation) ?? {};
        under.delete(operation);
        if ((flags & FLAG.failed) !== 0) continue;
        for (const change of changes) change.done = true;
        for (const change of flushes) change.flushed = true;
      }
    }
    return root;
  }

  #find(root: DiskFolder, path: string): DiskFile | DiskFolder | undefined {
    let object: DiskFile | DiskFolder | undefined = root;
    for (const part of path.slice(this.#folder.length).split('/')) {
      if (part === '') continue;
      object = object instanceof DiskFolder ? object.names.get(part) : undefined;
    }
    return object;
  }
}
