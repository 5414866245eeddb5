import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, expect, test } from '@jest/globals';
import type { BlockView } from '../../journal/block.ts';
import { EVENT_WORDS, EventType, eventType } from '../../journal/events.ts';
import { JournalReader } from '../../journal/reader.ts';
import { SEGMENT_BYTES_MIN } from '../../journal/segments.ts';
import { Interruption } from '../../ops/cli/interruption.ts';
import { JournalAudit } from '../../ops/journal-audit.ts';
import { DIGEST_EVERY } from '../../replicas/event-digest.ts';
import { type CopyListener, JournalCopy, type JournalCopyOptions } from '../../replicas/journal-copy.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { writeJournal } from '../ops/journal-fixture.ts';

/** 14,000 commands in blocks of many sizes, more than a segment of the smallest size holds. */
const BLOCKS = Array.from({ length: 70 }, (_, index) => 1 + ((index * 37) % 397));
const SNAPSHOT_EVERY = 3_000;

afterAll(removeTemporaryFolders);

function blocksOf(directory: string): BlockView[] {
  return Array.from(JournalReader.open(directory).blocks(), (view) => view.copy());
}

function options(directory: string, source: string, more: Partial<JournalCopyOptions> = {}): JournalCopyOptions {
  const { genesis } = JournalReader.open(source);
  return { directory, genesis, segmentBytesMax: SEGMENT_BYTES_MIN, preallocate: false, ...more };
}

test('a copy has the blocks, the state and the snapshots of its original, and audits like one', async () => {
  const source = temporaryFolder();
  const original = await writeJournal(source, { blocks: BLOCKS, reopenBefore: [20, 40, 41] });
  const directory = temporaryFolder();
  const copy = await JournalCopy.open(options(directory, source, { snapshotEvery: SNAPSHOT_EVERY }));
  const views = blocksOf(source);
  for (const view of views) {
    copy.take(view);
    // Snapshots are written beside; one that comes before the last is written would take its place.
    await pause(5);
  }
  expect(copy.last).toEqual(JournalReader.open(source).last);
  expect([copy.stateHash(), copy.last.hash.toString('hex')]).toEqual([original.stateHash, original.chainHash]);
  await copy.close();

  const bytes = (dir: string): Buffer[] => blocksOf(dir).map((view) => view.bytes);
  expect(bytes(directory)).toEqual(bytes(source));
  const audit = new JournalAudit(directory, {});
  using interruption = new Interruption();
  await audit.run(interruption);
  expect(audit).toMatchObject({ findingCount: 0, blocks: BLOCKS.length, epochs: 4, stateHash: original.stateHash });
  expect(audit.snapshotsCompared).toBeGreaterThan(0);
  // After the first block that ends at or after each multiple, and at the end.
  const due = new Set(
    views
      .filter(
        ({ firstSequence, lastSequence }) =>
          Math.floor(lastSequence / SNAPSHOT_EVERY) > Math.floor((firstSequence - 1) / SNAPSHOT_EVERY),
      )
      .map(({ lastSequence }) => lastSequence),
  );
  due.add(copy.last.sequence);
  for (const name of readdirSync(join(directory, 'snapshots'))) expect(due).toContain(Number(/\d+/.exec(name)?.[0]));
});

test('a copy that was opened again, at any place, has the same events and digests from there on', async () => {
  const source = temporaryFolder();
  await writeJournal(source, { blocks: BLOCKS, reopenBefore: [35] });
  const views = blocksOf(source);
  const whole = new Map<number, number>();
  const events: string[] = [];
  const collect = (into: string[]): CopyListener => {
    return (words, mask, from, count) => {
      for (let index = 0; index < count; index++) {
        const at = ((from + index) & mask) * EVENT_WORDS;
        // Best of book is told when it differs from what was told before, which a copy does not keep.
        if (eventType(words, at) !== EventType.top) into.push(words.slice(at, at + EVENT_WORDS).join());
      }
    };
  };
  const straight = await JournalCopy.open(
    options(temporaryFolder(), source, {
      onDigest: (sequence, value) => whole.set(sequence, value),
    }),
  );
  straight.observe({ take: collect(events), topOfBook: true });
  for (const view of views) straight.take(view);
  await straight.close();
  expect([...whole.keys()]).toEqual([1, 2, 3].map((window) => window * DIGEST_EVERY));

  const directory = temporaryFolder();
  const again: string[] = [];
  const digests = new Map<number, number>();
  for (let done = 0; done < views.length; ) {
    const copy = await JournalCopy.open(
      options(directory, source, {
        snapshotEvery: done % 2 === 0 ? 0 : 1_000,
        onDigest: (sequence, value) => {
          expect(value).toBe(whole.get(sequence));
          digests.set(sequence, value);
        },
      }),
    );
    copy.observe({ take: collect(again), topOfBook: true });
    expect(copy.last.block).toBe(done);
    for (const view of views.slice(done, done + 17)) copy.take(view);
    done = copy.last.block;
    // As a process leaves it that is killed.
    await copy.close(done % 3 === 0);
  }
  expect(again).toEqual(events);
  expect(digests.size).toBeGreaterThan(0);
});

test('observers have the same events by command and by batch, from when they are added, and best of book if they want it', async () => {
  const source = temporaryFolder();
  await writeJournal(source, { blocks: [300, 10, 40] });
  const views = blocksOf(source);
  const directory = temporaryFolder();
  const before = await JournalCopy.open(options(directory, source));
  before.take(views[0] as BlockView);
  await before.close();

  const told = { replayed: 0, byCommand: [] as string[], byBatch: [] as string[], blocks: new Set<number>(), tops: 0 };
  const lines = (words: Uint32Array, mask: number, from: number, count: number): string[] =>
    Array.from({ length: count }, (_, index) => {
      const at = ((from + index) & mask) * EVENT_WORDS;
      return words.slice(at, at + EVENT_WORDS).join();
    });
  const isTop = (words: Uint32Array, from: number): boolean => eventType(words, from * EVENT_WORDS) === EventType.top;
  const copy = await JournalCopy.open(
    options(directory, source, {
      observers: [
        {
          take: (_words, _mask, _from, count, { block }) => {
            if (block === 1) told.replayed += count;
          },
        },
      ],
    }),
  );
  copy.observe({
    each: (words, mask, from, count) => told.byCommand.push(...lines(words, mask, from, count)),
    take: (words, mask, from, count, { block }) => {
      told.byBatch.push(...lines(words, mask, from, count));
      told.blocks.add(block);
    },
  });
  copy.observe({
    topOfBook: true,
    take: (words, _mask, from, count) => {
      for (let slot = from; slot < from + count; slot++) if (isTop(words, slot)) told.tops++;
    },
  });
  for (const view of views.slice(1)) copy.take(view);
  await copy.close();
  expect(told.replayed).toBeGreaterThan(300);
  expect(told.byBatch.length).toBeGreaterThan(50);
  expect(told.byBatch).toEqual(told.byCommand);
  expect([...told.blocks]).toEqual([2, 3]);
  expect(told.tops).toBeGreaterThan(0);
});

test('a copy refuses what does not follow, and stays as it was; another genesis and a second writer are refused', async () => {
  const source = temporaryFolder();
  await writeJournal(source, { blocks: [10, 10, 10, 10] });
  const other = temporaryFolder();
  await writeJournal(other, { blocks: [10, 10, 10, 10], seed: 9 });
  const [first, second, third] = blocksOf(source) as [BlockView, BlockView, BlockView];
  const directory = temporaryFolder();
  const copy = await JournalCopy.open(options(directory, source));
  copy.take(first);
  for (const wrong of [first, third, blocksOf(other)[1] as BlockView])
    expect(() => copy.take(wrong)).toThrow(expect.objectContaining({ code: 'damaged' }));
  expect(copy.last.block).toBe(1);
  copy.take(second);
  expect(copy.last).toMatchObject({ block: 2, sequence: 20 });
  await expect(JournalCopy.open(options(directory, source))).rejects.toMatchObject({ code: 'in-use' });
  await copy.close();
  expect(() => copy.take(third)).toThrow('closed');

  const { genesis } = JournalReader.open(source);
  const strange = options(directory, source, { genesis: { ...genesis, createdAt: 2n } });
  await expect(JournalCopy.open(strange)).rejects.toMatchObject({ code: 'not-a-journal' });
  await expect(JournalCopy.open({ directory: temporaryFolder() })).rejects.toMatchObject({ code: 'not-a-journal' });
});
