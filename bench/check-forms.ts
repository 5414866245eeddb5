import { join } from 'node:path';
import { playApart } from './benchmark.ts';
import type { PlayedBook } from './book-play.ts';
import type { Played } from './challenge-play.ts';
import { writeReplayJournal } from './replay-journal.ts';
import type { Replayed } from './replay-play.ts';
import type { RuledPlayed } from './ruled-play.ts';
import { takeYardstick, type YardstickTaken } from './yardstick.ts';

/** Short forms of the benchmarks that do not hang on the disk or the network, each in fresh processes. */
interface CheckForm {
  readonly name: string;
  /** Part of the quick check, too. */
  readonly quick: boolean;
  /** One measurement: operations a second. */
  measure(directory: string): Promise<number>;
}

const BOOK_COMMANDS = 500_000;
const CHALLENGE_NEW_ORDERS = 200_000;
const REPLAY_COMMANDS = 400_000;

const book = async (resting: number): Promise<number> =>
  1e9 / (await playApart<PlayedBook>('book-play.ts', 'matcher', String(resting), String(BOOK_COMMANDS))).nsPerCommand;

const FORMS: readonly CheckForm[] = [
  { name: 'book: 10,000 resting', quick: true, measure: () => book(10_000) },
  { name: 'book: 1,000,000 resting', quick: false, measure: () => book(1_000_000) },
  {
    name: 'challenge: swing-40 into a ring',
    quick: true,
    measure: async () => {
      const orders = String(CHALLENGE_NEW_ORDERS);
      const { messages, elapsedMs } = await playApart<Played>('challenge-play.ts', 'ring', 'swing-40', orders);
      return (messages * 1000) / elapsedMs;
    },
  },
  {
    name: 'replay of a journal',
    quick: true,
    measure: async (directory) => {
      const { elapsedMs } = await playApart<Replayed>('replay-play.ts', 'replay', join(directory, 'journal'));
      return (REPLAY_COMMANDS * 1000) / elapsedMs;
    },
  },
];

/** What is measured against something else in the same process, and needs no yardstick. */
export const RULED_BY_PLAIN = 'challenge: swing-25, ruled by plain';
const RULED_NEW_ORDERS = 100_000;
const RULED_PAIRS = 15;

async function measureRuled(): Promise<number> {
  const options = ['swing-25', RULED_NEW_ORDERS, RULED_PAIRS].map(String);
  return (await playApart<RuledPlayed>('ruled-play.ts', ...options)).ratio;
}

/** Each form once, with the yardstick before and after. */
export interface CheckRound {
  readonly before: YardstickTaken;
  readonly after: YardstickTaken;
  /** Operations a second, by form. */
  readonly rates: Readonly<Record<string, number>>;
  /** {@link RULED_BY_PLAIN}. */
  readonly ruledByPlain: number;
}

export function formNames(quick: boolean): string[] {
  return FORMS.filter((form) => form.quick || !quick).map(({ name }) => name);
}

/** Writes what the forms read. */
export async function prepareForms(directory: string): Promise<void> {
  await writeReplayJournal(join(directory, 'journal'), REPLAY_COMMANDS, false);
}

export async function takeRound(
  directory: string,
  names: readonly string[],
  before: YardstickTaken,
): Promise<CheckRound> {
  const rates: Record<string, number> = {};
  for (const { name, measure } of FORMS) if (names.includes(name)) rates[name] = await measure(directory);
  const ruledByPlain = await measureRuled();
  return { before, after: await takeYardstick(), rates, ruledByPlain };
}
