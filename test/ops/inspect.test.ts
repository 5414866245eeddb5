import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { encodeCommand } from '../../journal/commands.ts';
import { JournalReader } from '../../journal/reader.ts';
import { dataPath, journalPath } from '../../journal/segments.ts';
import { describeRecord } from '../../ops/ndjson/ndjson-records.ts';
import { writeJournal } from './journal-fixture.ts';
import { linesOf, removeTemporaryFolders, temporaryFolder, veritape } from './run-veritape.ts';

let directory = '';
let expected: Awaited<ReturnType<typeof writeJournal>>;

async function make(): Promise<string> {
  const folder = temporaryFolder();
  expected = await writeJournal(folder, {
    blocks: [1, 4093, 4093, 4093, 10],
    reopenBefore: [3, 5],
    snapshotsAfter: [2, 5],
  });
  return folder;
}

beforeAll(async () => {
  directory = await make();
});
afterAll(removeTemporaryFolders);

function inspect(...args: string[]): { code: number | null; result: Record<string, unknown> } {
  const { code, stdout, stderr } = veritape(['inspect', ...args, '--json']);
  expect(stderr).not.toContain('    at ');
  return { code, result: linesOf(stdout)[0] ?? {} };
}

test('segments, epochs, snapshots and limits', () => {
  const { code, result } = inspect(directory);
  expect(code).toBe(0);
  expect(result).toMatchObject({
    genesis: { shard: 7, createdAt: '1970-01-01T00:00:00.000Z', limits: { ordersMax: 4096, instrumentsMax: 4 } },
    begin: { block: 0, sequence: 0 },
    blocks: 5,
    epochs: [
      { epoch: 1, firstBlock: 1, lastBlock: 2, firstSequence: 1, lastSequence: 4094 },
      { epoch: 2, firstBlock: 3, lastBlock: 4, firstSequence: 4095, lastSequence: 12_280 },
      { epoch: 3, firstBlock: 5, lastBlock: 5, firstSequence: 12_281, lastSequence: 12_290 },
    ],
    findings: [],
  });
  const segments = result['segments'] as Record<string, unknown>[];
  expect(segments.length).toBeGreaterThan(1);
  expect(segments[0]).toMatchObject({
    segment: 1,
    file: dataPath(journalPath(directory), 1),
    fileBytes: readFileSync(dataPath(journalPath(directory), 1)).length,
    sealed: true,
    firstBlock: 1,
    firstSequence: 1,
  });
  expect(segments.at(-1)).toMatchObject({ sealed: false, lastBlock: 5, lastSequence: 12_290 });
  for (const [index, { firstBlock }] of segments.slice(1).entries()) {
    expect(firstBlock).toBe(Number(segments[index]?.['lastBlock']) + 1);
  }
  expect(result['snapshots']).toEqual([
    expect.objectContaining({ sequence: 4094, block: 2 }),
    expect.objectContaining({ sequence: 12_290, block: 5, ...hashes() }),
  ]);
  const words = veritape(['inspect', directory]).stdout;
  expect(words).toContain('epoch      2: blocks 3 to 4, sequences 4095 to 12280\n');
  expect(words).toContain(`state ${expected.stateHash}\n`);
  expect(words).toContain('ordersMax 4,096');
});

function hashes(): object {
  return { stateHash: expected.stateHash, chainHash: expected.chainHash };
}

test('--block prints its header and its commands, one a line', () => {
  const { code, stdout } = veritape(['inspect', directory, '--block', '2']);
  expect(code).toBe(0);
  const [header, first, ...rest] = linesOf(stdout);
  const view = JournalReader.open(directory).cursor(2).next();
  expect(header).toEqual({
    block: 2,
    epoch: 1,
    shard: 7,
    firstSequence: 2,
    lastSequence: 4094,
    count: 4093,
    bytes: 128 + 4093 * 64,
    time: '2',
    previousHash: view?.previousHash.toString('hex'),
    hash: view?.hash.toString('hex'),
  });
  expect(first).toEqual({ seq: 2, op: 'cancel', symbol: 0, account: expect.any(Number), id: 1, time: 0 });
  expect(rest).toHaveLength(4092);
  expect(rest.at(-1)).toMatchObject({ seq: 4094 });
  expect(inspect(directory, '--block', '2').result).toEqual({ ...header, commands: [first, ...rest] });
});

test('a block that is not there exits with 2', () => {
  expect(inspect(directory, '--block', '6')).toMatchObject({
    code: 2,
    result: { error: { field: 'block', value: 6 } },
  });
});

test('a damaged journal is shown as far as it can be read, with 1', async () => {
  const folder = await make();
  const reader = JournalReader.open(folder);
  const last = reader.segments.at(-1) ?? 0;
  const headers = [1, 3].map((block) => ({
    file: dataPath(journalPath(folder), reader.segmentOf(block)),
    bytes: Buffer.from(reader.cursor(block).next()?.bytes.subarray(0, 64) ?? ''),
  }));
  for (const header of headers) {
    const bytes = readFileSync(header.file);
    // LMDB leaves older copies of a page behind.
    for (let place = bytes.indexOf(header.bytes); place >= 0; place = bytes.indexOf(header.bytes, place + 1)) {
      bytes[place + 60] = (bytes[place + 60] ?? 0) ^ 1;
    }
    writeFileSync(header.file, bytes);
  }
  truncateSync(dataPath(journalPath(folder), last), 5_000);
  truncateSync(join(folder, 'snapshots', 'snapshot-0000000000004094.vts'), 100);

  const { code, result } = inspect(folder);
  expect(code).toBe(1);
  const findings = result['findings'] as { kind: string; text: string }[];
  expect(findings.map(({ text }) => text)).toEqual([
    expect.stringContaining(`segment ${last}`),
    expect.stringContaining('block 1: the header does not match its checksum'),
    expect.stringContaining('block 3: the header does not match its checksum'),
    expect.stringContaining('snapshot-0000000000004094.vts'),
  ]);
  expect(result).toMatchObject({
    snapshots: [{ sequence: 12_290 }],
    epochs: [{ epoch: 1, firstBlock: 2, lastBlock: 2 }],
  });
  expect((result['segments'] as object[]).at(-1)).toMatchObject({ segment: last, readable: false });
  expect(veritape(['inspect', folder]).stdout).toMatch(/\nfinding {4}\[header-crc\] .*block 1:/);
  expect(inspect(folder, '--block', '3')).toMatchObject({ code: 1, result: { finding: { kind: 'header-crc' } } });
  expect(inspect(folder, '--block', '2').code).toBe(0);
});

test('a record that its names do not tell whole is shown with its bytes', () => {
  const words = new Uint32Array(32);
  encodeCommand(words, 16, {
    op: 'new',
    symbol: 1,
    account: 2,
    id: 2n ** 64n - 1n,
    side: 'sell',
    price: 3,
    quantity: 4,
    time: 2n ** 63n,
  });
  const plain = describeRecord(9, words, 16);
  expect(plain).toEqual({
    seq: 9,
    op: 'new',
    symbol: 1,
    account: 2,
    id: '18446744073709551615',
    side: 'sell',
    type: 'limit',
    tif: 'gtc',
    price: 3,
    qty: 4,
    time: '9223372036854775808',
  });
  words[16 + 1] = 1 << 15;
  expect(describeRecord(9, words, 16)).toEqual({ ...plain, record: expect.stringMatching(/^[0-9a-f]{128}$/) });
  words[16] = 200;
  expect(describeRecord(9, words, 16)).toEqual({ seq: 9, op: 200, record: expect.stringMatching(/^c8000000/) });
});
