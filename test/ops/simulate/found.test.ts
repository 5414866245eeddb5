import { expect, test } from '@jest/globals';
import { BLOCK_HEADER_WORDS, BlockBuffer } from '../../../journal/block.ts';
import { JournalError } from '../../../journal/findings.ts';
import { DEFAULT_LIMITS } from '../../../journal/genesis.ts';
import { JournalWriter } from '../../../journal/log.ts';
import { JournalReader } from '../../../journal/reader.ts';
import { SEGMENT_BYTES_MIN } from '../../../journal/segments.ts';
import { Disk } from '../../../ops/simulate/disk.ts';
import { Faults } from '../../../ops/simulate/faults.ts';
import { Kernel } from '../../../ops/simulate/kernel.ts';
import { Host, Process } from '../../../ops/simulate/process.ts';
import { Random } from '../../../ops/simulate/random.ts';

/** What simulations have found in the journal, each led there directly. */

const FLUSH_MICROS = 100;

class Place {
  readonly kernel = new Kernel();
  readonly host = new Host('host');
  readonly disk = new Disk(
    // Some ten blocks fill a segment.
    { flushMicros: [FLUSH_MICROS, FLUSH_MICROS], entryOverheadBytes: 2 ** 16 },
    { committed: () => undefined, flushed: () => undefined, lost: () => undefined },
  );
  readonly #faults = new Faults(1, {});

  process(name: string): Process {
    return new Process(this.kernel, this.host, name);
  }

  open(process: Process, takeOver = true, takeOverFrom?: number): JournalWriter {
    return JournalWriter.over(this.disk.store(process, this.#faults.at(process.name)), {
      genesis: { shard: 0, createdAt: 1n, limits: DEFAULT_LIMITS },
      segmentBytesMax: SEGMENT_BYTES_MIN,
      takeOver,
      takeOverFrom,
    });
  }

  read(): JournalReader {
    return JournalReader.over(this.disk.store(this.process('reader'), this.#faults.at('reader')));
  }
}

function append(writer: JournalWriter, count = 1): void {
  const block = new BlockBuffer();
  block.words.fill(7, BLOCK_HEADER_WORDS, BLOCK_HEADER_WORDS + count * 16);
  writer.append(block, count, writer.last.sequence + 1, writer.last.block + 1, 0);
}

/** A writer that is killed while it appends, as soon as `isTime` says so. */
function killedWriter(place: Place, isTime: () => boolean): void {
  const process = place.process('first');
  const writer = place.open(process);
  killWhen(place, process, isTime);
  expect(() => {
    for (;;) append(writer);
  }).toThrow();
}

function killWhen(place: Place, process: Process, isTime: () => boolean): void {
  const watch = (): void => {
    if (isTime()) process.end('killed');
    else place.kernel.after(FLUSH_MICROS / 4, process, 1, watch);
  };
  watch();
}

/** Power losses that take what they can, and some that take less. */
const LOSSES = [0, 1, 2, 3, 4, 5, 6, 7];

test.each(LOSSES)(
  'the link to the newest segment stays, although who put it there was killed in its flush: %i',
  (seed) => {
    const place = new Place();
    killedWriter(place, () => place.disk.segments.get(1)?.names.has('next') === true);
    expect(place.disk.segments.get(1)?.unflushed.length).toBe(1);

    const second = place.open(place.process('second'));
    while (second.segment < 4) append(second);
    const { block } = second.last;
    place.disk.losePower(new Random(seed, 'power'));
    expect([...place.read().blocks()].length).toBe(block);
  },
);

test.each(LOSSES)('a segment whose name is not on disk yet stays if a writer goes on in it: %i', (seed) => {
  const place = new Place();
  killedWriter(place, () => place.disk.segments.get(2)?.named === false);
  expect(place.disk.segments.get(2)?.named).toBe(false);

  const second = place.open(place.process('second'));
  append(second);
  const { block } = second.last;
  place.disk.losePower(new Random(seed, 'power'));
  expect([...place.read().blocks()].length).toBe(block);
});

test('a take-over that ended in the middle of a roll does not keep standbys from the next one', () => {
  const place = new Place();
  const names = (segment: number) => place.disk.segments.get(segment)?.names;
  killedWriter(place, () => names(2)?.has('start') === true && names(1)?.has('next') !== true);
  const epoch = names(1)?.get('epoch');
  const second = place.process('second');
  killWhen(place, second, () => names(1)?.get('epoch') !== epoch);
  expect(() => place.open(second)).toThrow();
  expect([names(1)?.has('next'), names(2)?.get('epoch')]).toEqual([false, epoch]);

  // A standby takes over from the epoch that it sees.
  const reader = place.read();
  const third = place.open(place.process('third'), true, reader.state(reader.segmentInUse).epoch);
  append(third);
  expect(place.read().last.block).toBe(third.last.block);
});

test('a writer that is overtaken while it opens says so, and finds no damage', () => {
  for (let micros = 0; micros < 12 * FLUSH_MICROS; micros += FLUSH_MICROS / 4) {
    const place = new Place();
    append(place.open(place.process('first')));
    const slow = place.process('slow');
    place.kernel.after(micros, undefined, 1, () => {
      slow.pause(20 * FLUSH_MICROS);
      const third = place.open(place.process('third'));
      append(third);
      append(third);
    });
    let code: string | undefined;
    try {
      append(place.open(slow));
    } catch (error) {
      if (!(error instanceof JournalError)) throw error;
      ({ code } = error);
    }
    expect([undefined, 'epoch-lost']).toContain(code);
  }
});

test('a search by sequence does not go astray over a block in the place of another', () => {
  for (let from = 1; from <= 5; from++) {
    for (let to = 1; to <= 5; to++) {
      if (from === to) continue;
      const place = new Place();
      const writer = place.open(place.process('first'));
      for (let block = 1; block <= 5; block++) append(writer, 3);
      const blocks = new Map([...place.disk.segments.values()].flatMap((segment) => [...segment.blocks]));
      for (const segment of place.disk.segments.values())
        if (segment.blocks.has(to)) segment.blocks.set(to, blocks.get(from) as Buffer);
      for (let sequence = 1; sequence <= 15; sequence++) {
        try {
          const [first] = place.read().blocksFromSequence(sequence);
          expect(first?.firstSequence).toBeLessThanOrEqual(sequence);
          expect(first?.lastSequence).toBeGreaterThanOrEqual(sequence);
        } catch (error) {
          expect((error as JournalError).code).toBe('damaged');
        }
      }
    }
  }
});
