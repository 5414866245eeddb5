import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { PAGE_BYTES } from '../../journal/block.ts';
import { type Finding, JournalError } from '../../journal/findings.ts';
import { inspectJournal } from '../../journal/inspect.ts';
import { JournalWriter } from '../../journal/log.ts';
import { PageKind } from '../../journal/pages.ts';
import { JournalReader } from '../../journal/reader.ts';
import {
  blockKey,
  dataPath,
  decodeNumber,
  decodePoint,
  encodeNumber,
  encodePoint,
  KEY,
  openEnvironment,
  segmentPath,
} from '../../journal/segments.ts';
import {
  appendBlocks,
  createJournal,
  GENESIS,
  isIntact,
  removeTemporaryFolders,
  SMALL,
  temporaryFolder,
} from './temporary-journal.ts';

/**
 * Damages a small journal in many ways, in more with VERITAPE_DAMAGE=long. Each time: no crash, no block that is not as it was
 * written, and a finding that says where, unless every block is still there.
 */
const COUNTS = [1, 2, 61, 1, 5, 30, 29, 200, 1, 1, 3, 8, 1, 61, 1, 7, 90, 2, 1, 1, 12, 1, 1, 31, 1, 4, 1, 1, 16, 1];
const LONG = process.env['VERITAPE_DAMAGE'] === 'long';
const FLIPS = LONG ? 4000 : 1200;
const TRUNCATIONS = LONG ? 400 : 150;
const SWAPS = LONG ? 800 : 250;
const REFUSALS = LONG ? 600 : 200;
/** Damaged copies that LMDB writes to. */
const COPIES = 40;

let dir = '';
let path = '';
let good = Buffer.alloc(0);
let blocks = 0;

beforeAll(async () => {
  dir = await createJournal(COUNTS);
  const writer = JournalWriter.open(dir, SMALL);
  appendBlocks(writer, COUNTS.slice(10));
  await writer.close();
  path = dataPath(join(dir, 'journal'), 1);
  good = readFileSync(path);
  // The zeros kept in reserve behind the pages in use are of no interest here.
  const last = Math.max(good.readUInt32LE(24 + 120), good.readUInt32LE(PAGE_BYTES + 24 + 120));
  good = good.subarray(0, (last + 1) * PAGE_BYTES);
  blocks = COUNTS.length * 2 - 10;
});

afterAll(removeTemporaryFolders);

/** A generator of numbers below `bound` that gives the same ones in each run. */
function numbers(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

interface Outcome {
  readonly read: number;
  readonly finding: Finding | undefined;
}

/** Reads all blocks; a block that is not as it was written ends the test. */
function readAll(): Outcome {
  let read = 0;
  try {
    const reader = JournalReader.open(dir);
    const { last } = reader;
    for (const block of reader.blocks(1)) {
      read++;
      if (block.block !== read || !isIntact(block)) throw new Error(`block ${block.block} is wrong and was given out`);
    }
    if (last.block !== read) throw new Error(`block ${last.block} is the last, but ${read} were read`);
    return { read, finding: undefined };
  } catch (error) {
    if (!(error instanceof JournalError) || error.finding === undefined) throw error;
    return { read, finding: error.finding };
  }
}

function expectLocated({ text, kind, segment }: Finding): void {
  const located = /^segment 1, (page \d+|block \d+): .+|^segment 1, \w+/.test(text);
  if (!located || !/^[a-z-]+$/.test(kind) || segment !== 1) throw new Error(`not a good finding: ${kind}, ${text}`);
}

let checks = 0;

/** True if reading found the damage. */
function check(what: string): boolean {
  const { read, finding } = readAll();
  // Slower, and much the same: now and then.
  if (checks++ % 5 === 0) for (const found of inspectJournal(dir).findings) expectLocated(found);
  if (finding !== undefined) expectLocated(finding);
  // Whatever went unnoticed must not matter.
  else if (read !== blocks) throw new Error(`${what}: ${read} blocks were read and nothing was found`);
  return finding !== undefined;
}

function restore(): void {
  writeFileSync(path, good);
}

/** Lets LMDB write to copies of the journal whose damage reading did not notice, in a process that may crash. */
function writeToCopies(copies: Buffer[]): void {
  const dirs = copies.map((bytes) => {
    const copy = temporaryFolder();
    mkdirSync(segmentPath(join(copy, 'journal'), 1), { recursive: true });
    writeFileSync(dataPath(join(copy, 'journal'), 1), bytes);
    return copy;
  });
  const program = join(import.meta.dirname, 'programs', 'extender.ts');
  const child = spawnSync(process.execPath, [program, ...dirs], { encoding: 'utf8' });
  expect([child.signal, child.status, child.stderr]).toEqual([null, 0, '']);
  const lines = child.stdout.trim().split('\n');
  expect(lines).toHaveLength(dirs.length);
  for (const line of lines) expect(line).toMatch(new RegExp(`^(refused: segment 1, .*|${blocks + 12})$`));
}

test('the journal is good before it is damaged', () => {
  restore();
  expect(readAll()).toEqual({ read: blocks, finding: undefined });
  expect(inspectJournal(dir)).toMatchObject({ blocks, findings: [] });
  const kinds = new Set<number>();
  for (let page = 0; page < good.length; page += PAGE_BYTES) kinds.add(good.readUInt16LE(page + 18));
  for (const kind of Object.values(PageKind)) expect(kinds).toContain(kind);
});

test(`${FLIPS} flipped bits: no crash, no wrong block, each finding says where`, () => {
  restore();
  const next = numbers(1);
  // Half of the flips hit anywhere, half the pages that LMDB finds its way by.
  const guides: number[] = [];
  for (let page = 0; page < good.length; page += PAGE_BYTES) {
    if (good.readUInt16LE(page + 18) !== PageKind.overflow) guides.push(page);
  }
  const fd = openSync(path, 'r+');
  const unnoticed: number[] = [];
  for (let i = 0; i < FLIPS; i++) {
    const guide = guides[next(guides.length)] as number;
    const at = i % 2 === 0 ? next(good.length) : guide + next(i % 4 === 1 ? 200 : PAGE_BYTES);
    const bit = next(8);
    const before = good[at] as number;
    writeSync(fd, Buffer.of(before ^ (1 << bit)), 0, 1, at);
    if (!check(`bit ${bit} of byte ${at}`)) unnoticed.push(at * 8 + bit);
    writeSync(fd, Buffer.of(before), 0, 1, at);
  }
  closeSync(fd);
  expect(unnoticed.length).toBeLessThan(FLIPS * 0.7);
  expect(FLIPS - unnoticed.length).toBeGreaterThan(FLIPS * 0.3);
  const sample = unnoticed.filter((_, i) => i % Math.ceil(unnoticed.length / COPIES) === 0);
  writeToCopies(
    sample.map((bit) => {
      const bytes = Buffer.from(good);
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
      return bytes;
    }),
  );
});

test('each bit of both meta pages: noticed, or LMDB can write on', () => {
  restore();
  const fd = openSync(path, 'r+');
  const unnoticed: Buffer[] = [];
  for (const page of [0, PAGE_BYTES]) {
    for (let bit = 0; bit < 170 * 8; bit++) {
      const at = page + (bit >> 3);
      const flipped = (good[at] as number) ^ (1 << (bit & 7));
      writeSync(fd, Buffer.of(flipped), 0, 1, at);
      if (!check(`bit ${bit & 7} of byte ${at}`)) {
        const bytes = Buffer.from(good);
        bytes[at] = flipped;
        unnoticed.push(bytes);
      }
      writeSync(fd, good, at, 1, at);
    }
  }
  closeSync(fd);
  writeToCopies(unnoticed.filter((_, i) => i % Math.ceil(unnoticed.length / COPIES) === 0));
});

test('a meta page that claims another transaction is not believed', () => {
  const at = 24 + 128;
  for (const page of [0, PAGE_BYTES]) {
    const transaction = good.readUInt32LE(page + at);
    for (const change of [-6, -4, -2, -1, 1, 2, 4, 2 ** 20]) {
      const bytes = Buffer.from(good);
      bytes.writeUInt32LE(transaction + change, page + at);
      writeFileSync(path, bytes);
      expect([page, change, check('transaction')]).toEqual([page, change, true]);
    }
  }
});

test(`${TRUNCATIONS} files cut short: each is noticed before it could be mapped`, () => {
  const next = numbers(2);
  for (let i = 0; i < TRUNCATIONS; i++) {
    restore();
    const bytes = i < 20 ? i * 409 : next(good.length);
    const fd = openSync(path, 'r+');
    ftruncateSync(fd, bytes);
    closeSync(fd);
    expect([bytes, check(`cut to ${bytes} bytes`)]).toEqual([bytes, true]);
    expect(() => JournalWriter.open(dir, SMALL)).toThrow(/^segment 1, page \d+: /);
  }
});

test(`${SWAPS} pages swapped with or copied over another: each is noticed or does not matter`, () => {
  const next = numbers(3);
  const pages = good.length / PAGE_BYTES;
  let noticed = 0;
  for (let i = 0; i < SWAPS; i++) {
    const a = next(pages) * PAGE_BYTES;
    const b = next(pages) * PAGE_BYTES;
    const bytes = Buffer.from(good);
    good.copy(bytes, a, b, b + PAGE_BYTES);
    if (i % 2 === 0) good.copy(bytes, b, a, a + PAGE_BYTES);
    writeFileSync(path, bytes);
    if (check(`page ${a / PAGE_BYTES} and page ${b / PAGE_BYTES}`)) noticed++;
  }
  expect(noticed).toBeGreaterThan(SWAPS * 0.5);
});

test('a page filled with noise, zeros or ones: each is noticed or does not matter', () => {
  const next = numbers(4);
  for (let page = 0; page < good.length; page += PAGE_BYTES) {
    for (const fill of [() => 0, () => 255, () => next(256)]) {
      const bytes = Buffer.from(good);
      for (let i = 0; i < PAGE_BYTES; i++) bytes[page + i] = fill();
      writeFileSync(path, bytes);
      check(`page ${page / PAGE_BYTES}`);
    }
  }
});

test('the writer refuses a damaged segment before LMDB maps it', () => {
  const next = numbers(5);
  let refused = 0;
  for (let i = 0; i < REFUSALS; i++) {
    const bytes = Buffer.from(good);
    const at = next(2) * PAGE_BYTES + 24 + 24 + next(112);
    bytes[at] = (bytes[at] as number) ^ (1 << next(8));
    writeFileSync(path, bytes);
    if (inspectJournal(dir).findings.length === 0) continue;
    refused++;
    expect(() => JournalWriter.open(dir, SMALL)).toThrow(/^segment 1, /);
  }
  expect(refused).toBeGreaterThan(REFUSALS / 2);
});

/** Changes the entries of a good journal through LMDB itself, so that only the chain can tell. */
async function tamper(
  change: (entry: (block: number) => Buffer, put: (key: Buffer, value: Buffer) => void) => void,
): Promise<string> {
  const other = await createJournal(Array(12).fill(20));
  const environment = openEnvironment(dirname(dataPath(join(other, 'journal'), 1)), 2 ** 24);
  const entries = new Map(
    Array.from({ length: 12 }, (_, i) => [i + 1, environment.getBinary(blockKey(i + 1)) ?? Buffer.alloc(0)]),
  );
  change(
    (block) => Buffer.from(entries.get(block) ?? Buffer.alloc(0)),
    (key, value) => void (value.length === 0 ? environment.removeSync(key) : environment.putSync(key, value)),
  );
  await environment.close();
  return other;
}

function firstFinding(journal: string): string {
  const [finding] = inspectJournal(journal).findings;
  try {
    const reader = JournalReader.open(journal);
    for (const block of reader.blocks(1)) if (!isIntact(block)) return 'a wrong block was given out';
    return `nothing was thrown, ${reader.last.block} blocks`;
  } catch (error) {
    if (!(error instanceof JournalError)) throw error;
    if (finding === undefined) return `thrown but not reported: ${error.message}`;
    return error.message;
  }
}

const POINT = { block: 7, sequence: 1_000, epoch: 3, timeLow: 1, timeHigh: 2, hash: Buffer.alloc(32, 0x5a) };
test.each<[string, Buffer, (bytes: Buffer) => unknown, unknown]>([
  ['a stored number', encodeNumber(3), decodeNumber, 3],
  ['a stored place in the chain', encodePoint(POINT), decodePoint, POINT],
])('%s with any one bit flipped, or cut short, is none', (_, bytes, decode, decoded) => {
  expect(decode(bytes)).toEqual(decoded);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    expect(decode(flipped)).toBeUndefined();
  }
  expect(decode(bytes.subarray(0, -1))).toBeUndefined();
});

test('blocks exchanged, doubled, replaced or removed are noticed', async () => {
  const exchanged = await tamper((entry, put) => {
    put(blockKey(5), entry(6));
    put(blockKey(6), entry(5));
  });
  expect(firstFinding(exchanged)).toBe('segment 1, block 6: found where block 5 belongs');
  const doubled = await tamper((entry, put) => put(blockKey(7), entry(6)));
  expect(firstFinding(doubled)).toBe('segment 1, block 6: found where block 7 belongs');
  const removed = await tamper((_, put) => put(blockKey(4), Buffer.alloc(0)));
  expect(firstFinding(removed)).toMatch(/^segment 1, page 0: 14 entries where 3 and 12 blocks belong/);
  const cut = await tamper((_, put) => put(blockKey(1), Buffer.alloc(0)));
  expect(firstFinding(cut)).toMatch(/^segment 1, page 0: 14 entries where/);
  const added = await tamper((entry, put) => put(blockKey(14), entry(12)));
  expect(firstFinding(added)).toMatch(/^segment 1, page 0: 16 entries where/);
  const appended = await tamper((entry, put) => put(blockKey(13), entry(12)));
  expect(firstFinding(appended)).toBe('segment 1, block 12: found where block 13 belongs');
});

test('a block of another journal does not fit, even if its number does', async () => {
  const stranger = temporaryFolder();
  const writer = JournalWriter.open(stranger, { ...SMALL, genesis: { ...GENESIS, createdAt: 1n } });
  appendBlocks(writer, Array(12).fill(20));
  await writer.close();
  const environment = openEnvironment(dirname(dataPath(join(stranger, 'journal'), 1)), 2 ** 24);
  const foreign = environment.getBinary(blockKey(5)) ?? Buffer.alloc(0);
  await environment.close();
  const mixed = await tamper((_, put) => put(blockKey(5), Buffer.from(foreign)));
  expect(firstFinding(mixed)).toBe(
    'segment 1, block 5: does not follow the block before it: the previous hash differs',
  );
});

test('a segment put in the place of another is noticed', async () => {
  const counts = Array(90).fill(1021);
  const journal = await createJournal(counts);
  const other = await createJournal([5, ...counts]);
  const foreign = readFileSync(dataPath(join(other, 'journal'), 2));
  const path2 = dataPath(join(journal, 'journal'), 2);
  const own = readFileSync(path2);
  writeFileSync(path2, foreign);
  expect(firstFinding(journal)).toMatch(/^segment 2, begins after block \d+, not after block \d+/);
  expect(inspectJournal(journal).findings[0]?.text).toMatch(/^segment 2, begins after block \d+/);
  writeFileSync(path2, readFileSync(dataPath(join(journal, 'journal'), 1)));
  expect(firstFinding(journal)).toBe('segment 2, page 0: the entry "next" is missing or damaged');
  writeFileSync(path2, own);
  // The last one is looked at before anything is appended to it.
  const last = JournalReader.open(journal).segments.length;
  writeFileSync(dataPath(join(journal, 'journal'), last), readFileSync(dataPath(join(other, 'journal'), last)));
  expect(() => JournalWriter.open(journal, SMALL)).toThrow(/^segment \d+, begins after block \d+, not after block/);
});

test('damage in one of the last blocks is noticed before anything is appended behind it', async () => {
  const journal = await createJournal(Array(30).fill(61));
  const file = dataPath(join(journal, 'journal'), 1);
  const bytes = readFileSync(file);
  for (const block of [30, 15]) {
    const damaged = Buffer.from(bytes);
    damaged[headerOf(bytes, block) + 1000] = (bytes[headerOf(bytes, block) + 1000] as number) ^ 1;
    writeFileSync(file, damaged);
    expect(() => JournalWriter.open(journal, SMALL)).toThrow(`segment 1, block ${block}: the commands do not match`);
  }
  writeFileSync(file, bytes);
  await JournalWriter.open(journal, SMALL).close();
});

/** Where a block begins in a data file in which it has pages of its own. */
function headerOf(bytes: Buffer, block: number): number {
  for (let page = 0; page < bytes.length; page += PAGE_BYTES) {
    const isBlock =
      bytes.readUInt16LE(page + 18) === PageKind.overflow && bytes.toString('latin1', page + 24, page + 28) === 'VTBK';
    if (isBlock && bytes.readUInt32LE(page + 24 + 16) === block) return page + 24;
  }
  throw new Error(`block ${block} has no page of its own`);
}

test('a journal that ends sooner because its epoch was set back is noticed', async () => {
  const other = await createJournal([1]);
  for (let i = 0; i < 3; i++) {
    const writer = JournalWriter.open(other, SMALL);
    appendBlocks(writer, [1]);
    await writer.close();
  }
  const environment = openEnvironment(dirname(dataPath(join(other, 'journal'), 1)), 2 ** 24);
  environment.putSync(KEY.epoch, encodeNumber(2));
  await environment.close();
  const text = 'segment 1, holds a block of epoch 4, but its writer had epoch 2';
  expect(() => JournalReader.open(other).last).toThrow(text);
  expect(inspectJournal(other).findings[0]?.text).toBe(text);
  expect(() => JournalWriter.open(other, SMALL)).toThrow('holds epoch 4');
});

test('a journal of a newer version is told from a damaged one', async () => {
  const newer = await tamper((entry, put) => {
    const bytes = entry(9);
    bytes.writeUInt16LE(2, 4);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
    put(blockKey(9), bytes);
  });
  const read = () => [...JournalReader.open(newer).blocks()];
  expect(read).toThrow('segment 1, block 9: version 2 is not 1');
  expect(read).toThrow(expect.objectContaining({ code: 'newer-version' }));
  const genesis = await tamper((_, put) => {
    const bytes = Buffer.alloc(64);
    bytes.write('VTGN');
    bytes.writeUInt16LE(2, 4);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
    put(KEY.genesis, bytes);
  });
  for (const open of [() => JournalReader.open(genesis), () => JournalWriter.open(genesis, SMALL)]) {
    expect(open).toThrow('genesis: version 2 is newer than 1');
    expect(open).toThrow(expect.objectContaining({ code: 'newer-version' }));
  }
});

test('inspection goes on behind damage and names every place', async () => {
  const other = await createJournal(Array(90).fill(1021));
  const root = join(other, 'journal');
  const spoil = (segment: number, marker: number): void => {
    const bytes = readFileSync(dataPath(root, segment));
    for (let page = 0; page < bytes.length; page += PAGE_BYTES * 40) {
      const at = page + PAGE_BYTES * marker;
      bytes[at + 2000] = (bytes[at + 2000] ?? 0) ^ 1;
    }
    writeFileSync(dataPath(root, segment), bytes);
  };
  spoil(1, 20);
  spoil(2, 30);
  const report = inspectJournal(other);
  expect(report.findings.length).toBeGreaterThan(10);
  expect(new Set(report.findings.map(({ segment }) => segment))).toEqual(new Set([1, 2]));
  expect(report.blocks + report.findings.length).toBe(90);
  expect(report.last?.block).toBe(90);
});
