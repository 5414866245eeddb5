import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readWide, writeWide } from '../../../journal/amounts.ts';
import { EVENT_WORD, EVENT_WORDS, EventType } from '../../../journal/events.ts';
import { ReportStream } from '../../../ops/client/report-stream.ts';

const HELD_EVENTS_MAX = 65_536;

interface Event {
  readonly symbol: number;
  readonly sequence: number;
  /** Tells it from all others. */
  readonly name: number;
  readonly type?: number;
}

function records(events: readonly Event[]): Uint32Array {
  const words = new Uint32Array(events.length * EVENT_WORDS);
  for (const [index, { symbol, sequence, name, type = EventType.accepted }] of events.entries()) {
    const at = index * EVENT_WORDS;
    words[at] = type;
    words[at + EVENT_WORD.symbol] = symbol;
    writeWide(words, at + EVENT_WORD.sequence, sequence);
    writeWide(words, at + EVENT_WORD.id, name);
  }
  return words;
}

/** What a venue lets out: commands one after another, each with events of one instrument, or of several. */
const commands = fc
  .array(fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 5 }), { maxLength: 30 })
  .map((symbols) => {
    let name = 0;
    return symbols.map((of, index) => of.map((symbol): Event => ({ symbol, sequence: index + 1, name: name++ })));
  });

test('whatever is lost, doubled back or split, each report is listened to once, those of an instrument in order', () => {
  fc.assert(
    fc.property(
      commands,
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 30, maxLength: 30 }),
      fc.array(fc.constantFrom('ok', 'lost', 'lost', 'repair'), { minLength: 60, maxLength: 60 }),
      fc.nat(30),
      (all, passes, fates, from) => {
        const heard: { symbol: number; name: number }[] = [];
        const stream = new ReportStream(0, (words, at) => {
          heard.push({ symbol: words[at + EVENT_WORD.symbol] as number, name: readWide(words, at + EVENT_WORD.id) });
        });
        const told = all.flat();
        const repair = (): void => {
          const through = told.at(-1)?.sequence ?? 0;
          stream.repair(records(told.filter(({ sequence }) => sequence > stream.sure && sequence <= through)), through);
          expect(stream.resume()).toBe(true);
        };
        let fate = 0;
        let begin = 0;
        // A turn of the gateway: some of the events that are let out, in a message for each instrument.
        for (const pass of passes) {
          const turn = told.slice(begin, begin + pass);
          begin += pass;
          for (const messages of Map.groupBy(turn, ({ symbol }) => symbol).values()) {
            const what = fates[fate++ % fates.length];
            if (what === 'lost') stream.doubt();
            else stream.take(records(messages));
            if (what !== 'repair') continue;
            // The venue had let out more than came, or less.
            const through = told[Math.min(begin + from, told.length) - 1]?.sequence ?? 0;
            if (through < (turn.at(-1)?.sequence ?? 0)) continue;
            stream.doubt();
            stream.repair(
              records(told.filter(({ sequence }) => sequence > stream.sure && sequence <= through)),
              through,
            );
            stream.resume();
          }
        }
        stream.doubt();
        repair();
        for (const symbol of [0, 1, 2]) {
          const names = (of: readonly { symbol: number; name: number }[]): number[] =>
            of.filter((event) => event.symbol === symbol).map(({ name }) => name);
          expect(names(heard)).toEqual(names(told));
        }
      },
    ),
    { numRuns: 1_000 },
  );
});

test('what is about the account itself has an order of its own, whatever numbers its assets have', () => {
  const told: readonly Event[] = [
    { symbol: 1, sequence: 5, name: 0 },
    // Of one command, of an asset with the instrument's number and of no asset.
    { symbol: 1, sequence: 6, name: 1, type: EventType.balance },
    { symbol: 0, sequence: 6, name: 2, type: EventType.kill },
    { symbol: 1, sequence: 7, name: 3 },
    { symbol: 2, sequence: 8, name: 4, type: EventType.account },
  ];
  const heard: number[] = [];
  const stream = new ReportStream(4, (words, at) => heard.push(readWide(words, at + EVENT_WORD.id)));
  const of = (...names: number[]): Uint32Array => records(told.filter(({ name }) => names.includes(name)));
  // The instrument's reports came, of the account's the first one of the command.
  stream.take(of(0));
  stream.take(of(3));
  stream.take(of(1));
  stream.doubt();
  stream.take(of(4));
  expect([stream.isTaken(1, 7), stream.isTaken(1, 8), stream.isTaken(0, 6), stream.isTaken(2, 8)]).toEqual([
    ...[true, false, false, false],
  ]);
  stream.repair(of(1, 2, 3), 7);
  expect(heard).toEqual([0, 3, 1, 2]);
  expect(stream.resume()).toBe(true);
  expect(heard).toEqual([0, 3, 1, 2, 4]);
});

test('an answer makes certain what came before it, but not while something is missing', () => {
  const stream = new ReportStream(5, () => undefined);
  stream.take(records([{ symbol: 1, sequence: 9, name: 1 }]));
  expect([stream.sure, stream.isTaken(1, 9), stream.isTaken(1, 10), stream.isTaken(0, 9)]).toEqual([
    5,
    true,
    false,
    false,
  ]);
  stream.confirm(9);
  expect(stream.sure).toBe(9);
  stream.doubt();
  stream.confirm(12);
  expect(stream.sure).toBe(9);
  stream.repair(new Uint32Array(0), 15);
  expect([stream.resume(), stream.sure]).toEqual([true, 15]);
  stream.doubt();
  stream.take(records([{ symbol: 2, sequence: 20, name: 2 }]));
  expect(stream.isTaken(2, 20)).toBe(false);
  expect([stream.resume(), stream.isTaken(2, 20), stream.sure]).toEqual([true, true, 15]);
});

test('more than may be held is let go, and asked for again', () => {
  const heard: number[] = [];
  const stream = new ReportStream(0, (words, at) => heard.push(readWide(words, at + EVENT_WORD.sequence)));
  stream.doubt();
  const events = Array.from({ length: HELD_EVENTS_MAX + 1 }, (_, index) => ({
    symbol: 0,
    sequence: 2 + index,
    name: index,
  }));
  for (let at = 0; at < events.length; at += 256) stream.take(records(events.slice(at, at + 256)));
  stream.repair(records([{ symbol: 0, sequence: 1, name: 0 }]), 1);
  expect(stream.resume()).toBe(false);
  const through = events.length + 1;
  stream.repair(records(events), through);
  expect(stream.resume()).toBe(true);
  stream.take(records([{ symbol: 0, sequence: through + 1, name: 0 }]));
  expect(heard).toEqual(Array.from({ length: through + 1 }, (_, index) => index + 1));
});
