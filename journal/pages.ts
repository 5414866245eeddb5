import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { PAGE_BYTES, PAGE_HEADER_BYTES } from './block.ts';

/**
 * The pages of an LMDB data file (format 2, as lmdb-js writes it), read through plain file reads with every offset
 * checked. LMDB itself trusts its file: a flipped bit gives wrong data or a crash, a file cut short a SIGBUS. So a
 * journal is read and checked through this file, and LMDB may map a segment only after it was checked.
 *
 * Page header, 24 bytes:
 *
 * | byte | type | field |
 * |-----:|------|-------|
 * |  0 | u64 | number of the page |
 * |  8 | u64 | transaction that wrote it; zero in a meta page |
 * | 16 | u16 | zero |
 * | 18 | u16 | kind: 1 branch, 2 leaf, 4 overflow, 8 meta |
 * | 20 | u16 | branch, leaf: end of the node offsets, counted from byte 24 (two bytes a node); overflow: u32 pages |
 * | 22 | u16 | branch, leaf: begin of the nodes, counted from byte 24 |
 *
 * Meta, from byte 24 of pages 0 and 1 (transaction N writes page N % 2):
 *
 * | byte | type | field |
 * |-----:|------|-------|
 * |  0 | u32 | magic |
 * |  4 | u32 | format |
 * |  8 | u64 | address, unused |
 * | 16 | u64 | map bytes |
 * | 24 |     | tree of free pages |
 * | 72 |     | tree of the data |
 * | 120 | u64 | last page in use |
 * | 128 | u64 | transaction |
 *
 * Tree, 48 bytes: u32 page bytes (free) or zero, u16 flags, u16 depth, then u64 each: branch pages, leaf pages, overflow
 * pages, entries, root page (all ones: empty).
 *
 * Node, at even offsets: u32 data bytes, u16 flags (1: the data is on overflow pages), u16 key bytes, key, data. The data
 * of a big node is u64 first page, u64 transaction, u64 pages. In a branch the first six bytes are the child's page.
 */
const META_BYTES = 136;
const META_MAGIC = 0xbeef_c0de;
const META_FORMAT = 2;
const TREE_FREE_AT = 24;
const TREE_DATA_AT = 72;
const FREE_TREE_FLAGS = 8;
const NODE_HEADER_BYTES = 8;
const NODE_BIG = 1;
const BIG_BYTES = 24;
const PAGE_BODY_BYTES = PAGE_BYTES - PAGE_HEADER_BYTES;
/** Values of more bytes than this go to overflow pages. */
const NODE_BYTES_MAX = 2034;
/** Far above what a segment maps; a larger number is damage. */
const MAP_BYTES_MAX = 2 ** 40;
const DEPTH_MAX = 16;
const RETRIES_MAX = 400;
/** Pages kept during one look at a snapshot: a few searches pass through the same ones. */
const CACHED_PAGES_MAX = 16;

export const PageKind = { branch: 1, leaf: 2, overflow: 4, meta: 8 } as const;

/** What is wrong with a page. Carries no segment: the caller knows which. */
export class PageDamage extends Error {
  readonly page: number;

  constructor(page: number, text: string) {
    super(`page ${page}: ${text}`);
    this.page = page;
  }
}

export interface Tree {
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly entries: number;
  /** Undefined for an empty tree. */
  readonly root: number | undefined;
}

/** What one transaction left. */
export interface Snapshot {
  readonly transaction: number;
  readonly lastPage: number;
  readonly free: Tree;
  readonly data: Tree;
}

export interface PageNode {
  readonly key: Buffer;
  /** Child page of a branch node, first overflow page of a big leaf node, else 0. */
  readonly page: number;
  /** Bytes of the value. */
  readonly bytes: number;
  /** The value itself, when it is in the leaf. */
  readonly inline: Buffer | undefined;
}

export class PageFile {
  readonly path: string;
  readonly #fd: number;
  readonly #cache = new Map<number, Buffer>();
  #open = true;

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, 'r');
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#fd);
  }

  get fileBytes(): number {
    return fstatSync(this.#fd).size;
  }

  /**
   * Runs `read` on the newest snapshot, again if a writer moved on meanwhile: the pages of snapshot N may be written
   * over once N + 1 is committed and a next transaction has begun. Damage counts only if the file stood still.
   * `flushedMax` is the newest transaction that may be looked at. With `anyTime` a result counts even if the writer moved
   * on: for walks too long to be repeated until it rests, which compare the transaction of every page.
   */
  steady<T>(
    read: (snapshot: Snapshot) => T,
    flushedMax: (newest: number) => number = (newest) => newest,
    anyTime = false,
  ): T {
    for (let attempt = 1; ; attempt++) {
      const before = this.#metaBytes();
      this.#cache.clear();
      let outcome: { readonly value: T; readonly transaction: number } | undefined;
      let damage: PageDamage | undefined;
      try {
        const snapshot = this.#pick(before, flushedMax);
        outcome = { value: read(snapshot), transaction: snapshot.transaction };
      } catch (error) {
        if (!(error instanceof PageDamage)) throw error;
        damage = error;
      }
      const after = this.#metaBytes();
      if (after.equals(before)) {
        if (damage !== undefined) throw damage;
        if (outcome !== undefined) return outcome.value;
      }
      if (outcome !== undefined && (anyTime || newestTransaction(after) - outcome.transaction <= 1))
        return outcome.value;
      if (attempt === RETRIES_MAX) throw damage ?? new PageDamage(0, 'the file is written faster than it can be read');
    }
  }

  snapshot(flushedMax?: (newest: number) => number): Snapshot {
    return this.steady((snapshot) => snapshot, flushedMax);
  }

  /** Number of the newest transaction; unchecked and cheap, to find out whether anything happened. */
  newest(): number {
    return newestTransaction(this.#metaBytes());
  }

  /** Bytes in use, from the newest meta page. Unchecked and cheap. */
  usedBytes(): number {
    const metas = this.#metaBytes();
    const last = Math.max(u64(metas, PAGE_HEADER_BYTES + 120), u64(metas, META_SPAN + PAGE_HEADER_BYTES + 120));
    return (last + 1) * PAGE_BYTES;
  }

  /** A branch or leaf page of `snapshot`, its header checked. */
  nodePage(snapshot: Snapshot, page: number, leaf: boolean): Buffer {
    const cached = this.#cache.get(page);
    const bytes = cached ?? this.#read(snapshot, page);
    if (cached === undefined && this.#cache.size < CACHED_PAGES_MAX) this.#cache.set(page, bytes);
    checkPageHeader(bytes, page, leaf ? PageKind.leaf : PageKind.branch, snapshot.transaction);
    return bytes;
  }

  /**
   * Reads a big value into `into` behind the page header: the value is `into[24 .. 24 + bytes)`. The pages of a stored
   * block are never freed, so no snapshot has to be held for it.
   */
  readBig(node: PageNode, into: Buffer, bytes = node.bytes): Buffer {
    const wanted = PAGE_HEADER_BYTES + bytes;
    const read = readSync(this.#fd, into, 0, wanted, node.page * PAGE_BYTES);
    if (read !== wanted) throw new PageDamage(node.page, `the file ends ${wanted - read} bytes too early`);
    checkPageHeader(into, node.page, PageKind.overflow, Number.MAX_SAFE_INTEGER);
    const pages = into.readUInt32LE(20);
    if (pages !== overflowPages(node.bytes)) throw new PageDamage(node.page, `${pages} pages for ${node.bytes} bytes`);
    return into.subarray(PAGE_HEADER_BYTES, wanted);
  }

  #read(snapshot: Snapshot, page: number): Buffer {
    if (page < 2 || page > snapshot.lastPage) {
      throw new PageDamage(page, `not a page of the file, which ends at page ${snapshot.lastPage}`);
    }
    const bytes = Buffer.allocUnsafe(PAGE_BYTES);
    const read = readSync(this.#fd, bytes, 0, PAGE_BYTES, page * PAGE_BYTES);
    if (read !== PAGE_BYTES) throw new PageDamage(page, `the file ends ${PAGE_BYTES - read} bytes too early`);
    return bytes;
  }

  #metaBytes(): Buffer {
    const metas = Buffer.alloc(2 * META_SPAN);
    readSync(this.#fd, metas, 0, META_SPAN, 0);
    readSync(this.#fd, metas, META_SPAN, META_SPAN, PAGE_BYTES);
    return metas;
  }

  /** The newest snapshot, or the one before it when the newest may not be looked at yet. */
  #pick(metas: Buffer, flushedMax: (newest: number) => number): Snapshot {
    const size = this.fileBytes;
    if (size < 2 * PAGE_BYTES) throw new PageDamage(0, `a file of ${size} bytes is too short`);
    const both = [
      decodeMeta(metas.subarray(0, META_SPAN), 0, size),
      decodeMeta(metas.subarray(META_SPAN), 1, size),
    ] as const;
    const newer = both[0].transaction >= both[1].transaction ? both[0] : both[1];
    const older = newer === both[0] ? both[1] : both[0];
    for (const snapshot of both) this.#checkRoot(snapshot);
    return flushedMax(newer.transaction) < newer.transaction ? older : newer;
  }

  /**
   * Every transaction of a segment changes the data tree, so the root must be of the same transaction as the meta. A flip
   * in a transaction number must not make the older state look like the newer one.
   */
  #checkRoot(snapshot: Snapshot): void {
    const { root, depth } = snapshot.data;
    if (root === undefined) return;
    const bytes = this.nodePage(snapshot, root, depth === 1);
    const transaction = u64(bytes, 8);
    if (transaction !== snapshot.transaction) {
      throw new PageDamage(root, `root of transaction ${transaction} under a meta of ${snapshot.transaction}`);
    }
  }
}

const META_SPAN = PAGE_HEADER_BYTES + META_BYTES;

function newestTransaction(metas: Buffer): number {
  const at = PAGE_HEADER_BYTES + 128;
  return Math.max(u64(metas, at), u64(metas, META_SPAN + at));
}

function decodeMeta(bytes: Buffer, page: number, fileBytes: number): Snapshot {
  const wrong = (text: string): PageDamage => new PageDamage(page, text);
  const meta = bytes.subarray(PAGE_HEADER_BYTES);
  if (u64(bytes, 0) !== page || bytes.readUInt16LE(18) !== PageKind.meta) throw wrong('not a meta page');
  if (meta.readUInt32LE(0) !== META_MAGIC) throw wrong('no LMDB magic number');
  if (meta.readUInt32LE(4) !== META_FORMAT) throw wrong(`LMDB format ${meta.readUInt32LE(4)}, not ${META_FORMAT}`);
  const mapBytes = u64(meta, 16);
  const lastPage = u64(meta, 120);
  const transaction = u64(meta, 128);
  if (mapBytes < 2 * PAGE_BYTES || mapBytes > MAP_BYTES_MAX) throw wrong(`a map of ${mapBytes} bytes`);
  if (meta.readUInt32LE(TREE_FREE_AT) !== PAGE_BYTES) throw wrong(`pages of ${meta.readUInt32LE(TREE_FREE_AT)} bytes`);
  if (meta.readUInt32LE(TREE_DATA_AT) !== 0) throw wrong('the data tree has fixed-size values');
  if (lastPage < 1 || (lastPage + 1) * PAGE_BYTES > fileBytes) {
    throw wrong(`${lastPage + 1} pages are in use, but the file has ${fileBytes} bytes: it was cut short`);
  }
  if ((transaction & 1) !== page && transaction !== 0) throw wrong(`transaction ${transaction} in the wrong place`);
  const free = decodeTree(meta.subarray(TREE_FREE_AT), FREE_TREE_FLAGS, lastPage, wrong);
  const data = decodeTree(meta.subarray(TREE_DATA_AT), 0, lastPage, wrong);
  return { transaction, lastPage, free, data };
}

function decodeTree(bytes: Buffer, flags: number, lastPage: number, wrong: (text: string) => PageDamage): Tree {
  if (bytes.readUInt16LE(4) !== flags) throw wrong(`tree flags ${bytes.readUInt16LE(4)}, not ${flags}`);
  const depth = bytes.readUInt16LE(6);
  const root = u64(bytes, 40);
  const empty = root > Number.MAX_SAFE_INTEGER;
  const tree = {
    depth,
    branchPages: u64(bytes, 8),
    leafPages: u64(bytes, 16),
    overflowPages: u64(bytes, 24),
    entries: u64(bytes, 32),
    root: empty ? undefined : root,
  };
  if (empty !== (depth === 0) || empty !== (tree.entries === 0) || depth > DEPTH_MAX) {
    throw wrong(`a tree of depth ${depth} with ${tree.entries} entries`);
  }
  if (!empty && (root < 2 || root > lastPage)) throw wrong(`root page ${root} of ${lastPage}`);
  return tree;
}

function checkPageHeader(bytes: Buffer, page: number, kind: number, transactionMax: number): void {
  if (u64(bytes, 0) !== page) throw new PageDamage(page, `says it is page ${u64(bytes, 0)}`);
  if (u64(bytes, 8) > transactionMax) throw new PageDamage(page, `of transaction ${u64(bytes, 8)}, after the snapshot`);
  if (bytes.readUInt16LE(18) !== kind)
    throw new PageDamage(page, `kind ${bytes.readUInt16LE(18)} where ${kind} belongs`);
}

/** The nodes of a branch or leaf page that {@link PageFile.nodePage} gave; keys and values are views of it. */
export function pageNodes(bytes: Buffer, snapshot: Snapshot): PageNode[] {
  const page = u64(bytes, 0);
  const leaf = bytes.readUInt16LE(18) === PageKind.leaf;
  const lower = bytes.readUInt16LE(20);
  const upper = bytes.readUInt16LE(22);
  if ((lower & 1) !== 0 || lower > upper || upper > PAGE_BODY_BYTES) throw new PageDamage(page, 'node offsets overlap');
  const nodes: PageNode[] = [];
  let used = 0;
  for (let i = 0; i < lower; i += 2) {
    const offset = bytes.readUInt16LE(PAGE_HEADER_BYTES + i);
    if (offset < upper || (offset & 1) !== 0 || offset + NODE_HEADER_BYTES > PAGE_BODY_BYTES) {
      throw new PageDamage(page, `node ${i / 2} at offset ${offset}`);
    }
    const node = leaf ? leafNode(bytes, offset, page, snapshot) : branchNode(bytes, offset, page);
    used += node.span;
    nodes.push(node);
  }
  // LMDB keeps the nodes packed, so a node lost or doubled shows in the sum.
  if (used !== PAGE_BODY_BYTES - upper) {
    throw new PageDamage(page, `nodes of ${used} bytes in ${PAGE_BODY_BYTES - upper} bytes`);
  }
  if (nodes.length < (leaf ? 1 : 2)) throw new PageDamage(page, `only ${nodes.length} nodes`);
  return nodes;
}

function leafNode(bytes: Buffer, offset: number, page: number, snapshot: Snapshot): PageNode & { span: number } {
  const at = PAGE_HEADER_BYTES + offset;
  const dataBytes = bytes.readUInt32LE(at);
  const flags = bytes.readUInt16LE(at + 4);
  const keyBytes = bytes.readUInt16LE(at + 6);
  if (flags !== 0 && flags !== NODE_BIG) throw new PageDamage(page, `node flags ${flags}`);
  const big = flags === NODE_BIG;
  const length = NODE_HEADER_BYTES + keyBytes + (big ? BIG_BYTES : dataBytes);
  const fits = NODE_HEADER_BYTES + keyBytes + dataBytes <= NODE_BYTES_MAX;
  if (offset + length > PAGE_BODY_BYTES || big === fits) throw new PageDamage(page, `a node of ${dataBytes} bytes`);
  const key = bytes.subarray(at + NODE_HEADER_BYTES, at + NODE_HEADER_BYTES + keyBytes);
  const dataAt = at + NODE_HEADER_BYTES + keyBytes;
  const span = length + (length & 1);
  if (!big) return { key, page: 0, bytes: dataBytes, inline: bytes.subarray(dataAt, dataAt + dataBytes), span };
  const first = u64(bytes, dataAt);
  const pages = u64(bytes, dataAt + 16);
  if (first < 2 || first + pages - 1 > snapshot.lastPage || pages !== overflowPages(dataBytes)) {
    throw new PageDamage(page, `a value of ${dataBytes} bytes on ${pages} pages from ${first}`);
  }
  if (u64(bytes, dataAt + 8) > snapshot.transaction) throw new PageDamage(page, 'a value of a later transaction');
  return { key, page: first, bytes: dataBytes, inline: undefined, span };
}

function branchNode(bytes: Buffer, offset: number, page: number): PageNode & { span: number } {
  const at = PAGE_HEADER_BYTES + offset;
  const child = bytes.readUInt32LE(at) + bytes.readUInt16LE(at + 4) * 2 ** 32;
  const length = NODE_HEADER_BYTES + bytes.readUInt16LE(at + 6);
  if (offset + length > PAGE_BODY_BYTES) throw new PageDamage(page, `a branch node of ${length} bytes`);
  const key = bytes.subarray(at + NODE_HEADER_BYTES, at + length);
  return { key, page: child, bytes: 0, inline: undefined, span: length + (length & 1) };
}

export function overflowPages(bytes: number): number {
  return Math.floor((PAGE_HEADER_BYTES - 1 + bytes) / PAGE_BYTES) + 1;
}

/** A u64 as a number; above 2^53 only the size is right, which is enough to refuse it. */
export function u64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * 2 ** 32 + bytes.readUInt32LE(at);
}
