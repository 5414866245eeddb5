import { PAGE_HEADER_BYTES } from './block.ts';
import {
  overflowPages,
  PageDamage,
  type PageFile,
  type PageNode,
  pageNodes,
  type Snapshot,
  type Tree,
  u64,
} from './pages.ts';

/** The leaf of the data tree that `key` is in, or would be in; empty for an empty tree. */
export function leafOf(file: PageFile, snapshot: Snapshot, key: Buffer): PageNode[] {
  return descend(file, snapshot, (nodes) => {
    let child = nodes.length - 1;
    // The first key of a branch stands for everything below the second and is not looked at.
    while (child > 0 && Buffer.compare(key, (nodes[child] as PageNode).key) < 0) child--;
    return child;
  });
}

/** The leaf at the right edge of the data tree. */
export function lastLeaf(file: PageFile, snapshot: Snapshot): PageNode[] {
  return descend(file, snapshot, (nodes) => nodes.length - 1);
}

export function findNode(file: PageFile, snapshot: Snapshot, key: Buffer): PageNode | undefined {
  return leafOf(file, snapshot, key).find((node) => node.key.equals(key));
}

function descend(file: PageFile, snapshot: Snapshot, choose: (nodes: PageNode[]) => number): PageNode[] {
  const { root, depth } = snapshot.data;
  if (root === undefined) return [];
  let page = root;
  for (let level = depth; level > 1; level--) {
    const nodes = pageNodes(file.nodePage(snapshot, page, false), snapshot);
    page = (nodes[choose(nodes)] as PageNode).page;
  }
  const nodes = pageNodes(file.nodePage(snapshot, page, true), snapshot);
  checkOrder(nodes, page, Buffer.compare);
  return nodes;
}

type CompareKeys = (a: Buffer, b: Buffer) => number;

/**
 * Checks everything that LMDB trusts when it writes: both trees, key order, page counts, the list of free pages, and
 * that no page is used twice. Does not read the blocks on overflow pages. `onNode` gets the data nodes in key order.
 *
 * Pages that a living writer may use again soon are looked at first: those at the right edge and the free lists.
 */
export function checkPages(file: PageFile, snapshot: Snapshot, onNode: (node: PageNode) => void): void {
  const used = new Uint8Array((snapshot.lastPage >> 3) + 1);
  const claim = (first: number, pages: number, by: number): void => {
    for (let page = first; page < first + pages; page++) {
      const bit = 1 << (page & 7);
      const at = page >> 3;
      if (((used[at] as number) & bit) !== 0) throw new PageDamage(page, `used twice, the second time by page ${by}`);
      used[at] = (used[at] as number) | bit;
    }
  };
  claim(0, 2, 0);
  lastLeaf(file, snapshot);
  const freeLists: PageNode[] = [];
  new TreeCheck(file, snapshot, snapshot.free, compareWholeKeys, claim, (node) => freeLists.push(node)).run('free');
  for (const list of freeLists) checkFreeList(file, snapshot, list, claim);
  new TreeCheck(file, snapshot, snapshot.data, Buffer.compare, claim, onNode).run('data');
}

/** Checks the free lists, and those pages of the data tree that are newer than `since`, as {@link checkPages} does. */
export function checkNewPages(file: PageFile, snapshot: Snapshot, since: number): void {
  const claimed = new Set<number>();
  const claim = (first: number, pages: number, by: number): void => {
    for (let page = first; page < first + pages; page++) {
      if (claimed.has(page)) throw new PageDamage(page, `used twice, the second time by page ${by}`);
      claimed.add(page);
    }
  };
  const freeLists: PageNode[] = [];
  new TreeCheck(file, snapshot, snapshot.free, compareWholeKeys, claim, (node) => freeLists.push(node)).run('free');
  for (const list of freeLists) checkFreeList(file, snapshot, list, claim);
  new TreeCheck(file, snapshot, snapshot.data, Buffer.compare, claim, () => undefined, since).run('data');
}

class TreeCheck {
  readonly #file: PageFile;
  readonly #snapshot: Snapshot;
  readonly #tree: Tree;
  readonly #compare: CompareKeys;
  readonly #claim: (first: number, pages: number, by: number) => void;
  readonly #onNode: (node: PageNode) => void;
  /** Pages of this transaction and those before are passed over. */
  readonly #since: number;
  #branchPages = 0;
  #leafPages = 0;
  #overflowPages = 0;
  #entries = 0;
  #lastKey: Buffer | undefined;

  constructor(
    file: PageFile,
    snapshot: Snapshot,
    tree: Tree,
    compare: CompareKeys,
    claim: (first: number, pages: number, by: number) => void,
    onNode: (node: PageNode) => void,
    since = -1,
  ) {
    this.#since = since;
    this.#file = file;
    this.#snapshot = snapshot;
    this.#tree = tree;
    this.#compare = compare;
    this.#claim = claim;
    this.#onNode = onNode;
  }

  run(name: string): void {
    const { root, depth, branchPages, leafPages, entries } = this.#tree;
    if (root === undefined) return;
    this.#visit(root, depth, undefined, root);
    if (this.#since >= 0) return;
    const found = [this.#branchPages, this.#leafPages, this.#overflowPages, this.#entries];
    const expected = [branchPages, leafPages, this.#tree.overflowPages, entries];
    if (found.join() === expected.join()) return;
    throw new PageDamage(
      root,
      `the ${name} tree has ${found.join(', ')} branch, leaf, overflow pages and entries, its root says ${expected.join(', ')}`,
    );
  }

  #visit(page: number, level: number, below: Buffer | undefined, parent: number): void {
    const bytes = this.#file.nodePage(this.#snapshot, page, level === 1);
    this.#claim(page, 1, parent);
    if (u64(bytes, 8) <= this.#since) return;
    const nodes = pageNodes(bytes, this.#snapshot);
    if (level === 1) {
      this.#leafPages++;
      this.#visitLeaf(nodes, page, below);
      return;
    }
    this.#branchPages++;
    for (const [i, node] of nodes.entries()) {
      if (i > 0 && this.#lastKey !== undefined && this.#compare(this.#lastKey, node.key) >= 0) {
        throw new PageDamage(page, `child ${i} begins before the end of child ${i - 1}`);
      }
      this.#visit(node.page, level - 1, nodes[i + 1]?.key ?? below, page);
    }
  }

  #visitLeaf(nodes: PageNode[], page: number, below: Buffer | undefined): void {
    for (const node of nodes) {
      if (this.#lastKey !== undefined && this.#compare(this.#lastKey, node.key) >= 0) {
        throw new PageDamage(page, 'keys are not in order');
      }
      if (below !== undefined && this.#compare(node.key, below) >= 0) {
        throw new PageDamage(page, 'a key belongs to the page after this one');
      }
      this.#lastKey = node.key;
      this.#entries++;
      if (node.inline === undefined) {
        const pages = overflowPages(node.bytes);
        this.#claim(node.page, pages, page);
        this.#overflowPages += pages;
      }
      this.#onNode(node);
    }
  }
}

/** A list of free pages: u64 slots in use, then per slot zero, a page, or minus a length and the first page of a run. */
function checkFreeList(
  file: PageFile,
  snapshot: Snapshot,
  list: PageNode,
  claim: (first: number, pages: number, by: number) => void,
): void {
  const big = list.inline === undefined;
  const bytes = list.inline ?? file.readBig(list, Buffer.alloc(PAGE_HEADER_BYTES + list.bytes));
  const page = big ? list.page : 0;
  if ((bytes.length & 7) !== 0 || bytes.length < 8) throw new PageDamage(page, `a free list of ${bytes.length} bytes`);
  const slots = u64(bytes, 0);
  if (slots > bytes.length / 8 - 1)
    throw new PageDamage(page, `a free list of ${slots} slots in ${bytes.length} bytes`);
  for (let i = 1; i <= slots; i++) {
    const slot = bytes.readBigInt64LE(i * 8);
    if (slot === 0n) continue;
    const run = slot < 0n ? Number(-slot) : 1;
    if (slot < 0n) i++;
    const first = i <= slots ? u64(bytes, i * 8) : 0;
    if (first < 2 || run > snapshot.lastPage || first + run - 1 > snapshot.lastPage) {
      throw new PageDamage(
        page,
        `the free list names ${run} pages from ${first}, the file ends at ${snapshot.lastPage}`,
      );
    }
    claim(first, run, page);
  }
}

function compareWholeKeys(a: Buffer, b: Buffer): number {
  if (a.length !== 8 || b.length !== 8) throw new PageDamage(0, 'a free list under a key that is no transaction');
  return u64(a, 0) - u64(b, 0);
}

function checkOrder(nodes: PageNode[], page: number, compare: CompareKeys): void {
  for (let i = 1; i < nodes.length; i++) {
    if (compare((nodes[i - 1] as PageNode).key, (nodes[i] as PageNode).key) < 0) continue;
    throw new PageDamage(page, 'keys are not in order');
  }
}
