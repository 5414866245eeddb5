import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Logger } from 'pino';
import { PinningError, parsePinning } from '../../sequencer/placement.ts';
import { type Parser, parser, positiveSeconds } from '../cli/arguments.ts';
import { UsageError } from '../exit-codes.ts';
import { PROFILE_KINDS, type ProfileKind, profileThreads } from '../thread-profiles.ts';

/** Options of `veritape serve` about the machine that it runs on: places of threads, pages, profiles. */
export interface ServeHostOptions {
  readonly pin: string;
  readonly lockMemory?: boolean;
  readonly hugePages?: boolean;
  readonly profile?: readonly ProfileKind[];
  readonly profileSeconds: number;
  readonly profileDir: string;
}

const PROFILE_SECONDS_DEFAULT = 10;

export function addHostOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--pin <places>', 'cores for threads: none, auto, or such as sequencer=1,replica0=2,gateway=0')
        .default('none')
        .argParser(pinning),
    )
    .option('--lock-memory', 'have the pages of rings and books in memory from the start, and keep them there')
    .option(
      '--huge-pages',
      'have huge pages under rings and books from the start; books ask for them anyway, one by one',
    )
    .addOption(
      new Option('--profile <kinds>', `profile every thread once ready: ${PROFILE_KINDS.join(', ')}`).argParser(
        profileKinds,
      ),
    )
    .addOption(
      new Option('--profile-seconds <seconds>', 'how long to profile')
        .default(PROFILE_SECONDS_DEFAULT)
        .argParser(positiveSeconds),
    )
    .option('--profile-dir <folder>', 'where the profiles are written', 'veritape-profiles');
}

/** Profiles as asked for, and says where the files are. Without its files a venue still serves. */
export async function profileAsAsked(options: ServeHostOptions, signal: AbortSignal, log: Logger): Promise<void> {
  const { profile: kinds, profileSeconds: seconds, profileDir: directory } = options;
  if (kinds === undefined) return;
  log.info({ kinds, seconds }, 'profile: begins');
  try {
    for (const { thread, kind, file, allocatedBytes } of await profileThreads({ kinds, seconds, directory, signal }))
      log.info({ thread, kind, file, allocatedBytes }, 'profile: written');
  } catch (error) {
    log.warn({ why: error instanceof Error ? error.message : String(error) }, 'profile: failed');
  }
}

/** A pinning that this machine has no cores for is wrong usage. */
export function pinningAsUsage(error: unknown): never {
  if (error instanceof PinningError) throw new UsageError('pin', error.value, error.rule);
  throw error;
}

const pinning: Parser<string> = Object.assign(
  (text: string): string => {
    try {
      parsePinning(text);
    } catch (error) {
      if (error instanceof PinningError) throw new InvalidArgumentError(`${error.value} ${error.rule}.`);
      throw error;
    }
    return text;
  },
  { rule: 'none, auto, or threads with their cores, such as sequencer=1,replica0=2' },
);

const profileKinds: Parser<ProfileKind[]> = parser(
  `one or more of ${PROFILE_KINDS.join(', ')}, with commas between`,
  (text) => {
    const kinds = text.split(',').map((kind) => PROFILE_KINDS.find((one) => one === kind));
    return kinds.every((kind) => kind !== undefined) ? kinds : undefined;
  },
);
