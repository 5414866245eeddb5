import { expect, test } from '@jest/globals';
import { writeWide } from '../../journal/amounts.ts';
import { EVENT_WORD, EVENT_WORDS, EventType } from '../../journal/events.ts';
import { type ReportCursor, ReportLog } from '../../ops/reports/report-log.ts';

/** Tells a log of trades: the account and the sequence of each. */
function tell(log: ReportLog, ...trades: [account: number, sequence: number][]): void {
  const words = new Uint32Array(EVENT_WORDS);
  for (const [account, sequence] of trades) {
    words[0] = EventType.tradeTaker;
    words[EVENT_WORD.account] = account;
    writeWide(words, EVENT_WORD.sequence, sequence);
    log.take(words, 0, 0, 1);
  }
}

const ALL = Number.MAX_SAFE_INTEGER;

/** Sequences of all reports of an account from a cursor on, page by page. */
function readAll(log: ReportLog, account: number, cursor: ReportCursor, limit: number): number[] {
  const sequences: number[] = [];
  for (let from = cursor, pages = 0; pages < 100_000; pages++) {
    const { records, next, complete } = log.page(account, from, limit);
    const words = new Uint32Array(records.buffer);
    for (let at = 0; at < words.length; at += EVENT_WORDS) sequences.push(words[at + EVENT_WORD.sequence] as number);
    if (complete) return sequences;
    expect(next).not.toEqual(from);
    from = next;
  }
  throw new Error('it does not come to an end');
}

test('the reports of an account come in order, each once, whatever a page holds', () => {
  const log = new ReportLog(64);
  tell(log, [7, 1], [8, 1], [7, 3], [7, 3], [8, 4], [7, 3_000_000_000], [7, 3_000_000_000], [7, 3_000_000_000]);
  for (const limit of [1, 2, 3, 100]) {
    expect(readAll(log, 7, { after: 0, had: ALL }, limit)).toEqual([1, 3, 3, ...Array(3).fill(3_000_000_000)]);
    expect(readAll(log, 7, { after: 1, had: ALL }, limit)).toEqual([3, 3, ...Array(3).fill(3_000_000_000)]);
    expect(readAll(log, 7, { after: 3, had: 1 }, limit)).toEqual([3, ...Array(3).fill(3_000_000_000)]);
    expect(readAll(log, 7, { after: 2, had: ALL }, limit)).toEqual([3, 3, ...Array(3).fill(3_000_000_000)]);
    expect(readAll(log, 8, { after: 0, had: ALL }, limit)).toEqual([1, 4]);
    expect(readAll(log, 9, { after: 0, had: ALL }, limit)).toEqual([]);
    expect(readAll(log, 7, { after: 3_000_000_000, had: ALL }, limit)).toEqual([]);
  }
});

test('a cursor stays good while more comes', () => {
  const log = new ReportLog(64);
  tell(log, [7, 1], [7, 2]);
  const { next } = log.page(7, { after: 0, had: ALL }, 10);
  tell(log, [8, 3], [7, 4], [7, 4]);
  expect(readAll(log, 7, next, 1)).toEqual([4, 4]);
});

test('what is not kept any more is told by the first sequence that is whole', () => {
  const log = new ReportLog(4);
  tell(log, [7, 1], [7, 2], [7, 2], [7, 3]);
  expect(log.page(7, { after: 0, had: ALL }, 10).first).toBe(1);
  tell(log, [7, 4]);
  expect(log.page(7, { after: 0, had: ALL }, 10).first).toBe(2);
  tell(log, [7, 5]);
  // One of the two of sequence 2 is gone.
  expect(log.page(7, { after: 0, had: ALL }, 10).first).toBe(3);
});

test('a command with more reports than are looked at for a page does not stop a reader', () => {
  const log = new ReportLog(2 ** 18);
  tell(log, [7, 5]);
  for (let count = 0; count < 140_000; count++) tell(log, [8, 5]);
  tell(log, [7, 6]);
  expect(readAll(log, 7, { after: 4, had: ALL }, 10)).toEqual([5, 6]);
  expect(readAll(log, 7, { after: 5, had: 1 }, 10)).toEqual([6]);
});
