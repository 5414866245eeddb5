import { constants } from 'node:os';
import { JournalError } from '../journal/findings.ts';
import { ForkedJournalError, ReplicatedLogError } from '../sequencer/replicated-log.ts';
import { FlowError } from './marketdata/flow-error.ts';

/** What every command ends with. For signals, see {@link exitCodeOfSignal}. */
export const ExitCode = {
  /** Done, and what was checked is true. */
  done: 0,
  /** What was checked is false. */
  false: 1,
  /** Wrong usage or input. */
  usage: 2,
  /** The disk, the network, a port; or a fault in this program, which then prints where. */
  environment: 3,
} as const;

/** The shell's rule: 129 for SIGHUP, 130 for SIGINT, 143 for SIGTERM. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/** Wrong usage or input: which field (an option, an argument, a record's field), its value, and the rule it breaks. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly field: string;
  /** Undefined if it is missing. */
  readonly value: unknown;
  readonly rule: string;
  /** Line of the input, from 1. */
  readonly line: number | undefined;

  constructor(field: string, value: unknown, rule: string, line?: number) {
    const place = line === undefined ? '' : `line ${line}: `;
    super(`${place}${field}: ${value === undefined ? 'missing' : shown(value)}: ${rule}`);
    this.field = field;
    this.value = value;
    this.rule = rule;
    this.line = line;
  }
}

/** The disk, the network or a port refused. Of an address in the message, user and password are left out. */
export class EnvironmentFault extends Error {
  override readonly name = 'EnvironmentFault';

  constructor(message: string, options?: ErrorOptions) {
    super(withoutPasswords(message), options);
  }
}

/** Stopped by a signal, in good order. The message says what was done until then. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals, done: string) {
    super(done);
    this.signal = signal;
  }
}

/** System errors that say that a path which somebody gave is wrong, rather than that the disk is. */
const WRONG_PATH = ['ENOENT', 'EEXIST', 'EISDIR', 'ENOTDIR', 'ENAMETOOLONG', 'ERR_FS_FILE_TOO_LARGE', 'ELOOP'];
const WRONG_JOURNAL = ['not-a-journal', 'no-such-block', 'newer-version'];
const BAD_JOURNAL = ['damaged', 'missing-segment'];

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError || error instanceof FlowError) return ExitCode.usage;
  if (error instanceof ForkedJournalError) return ExitCode.false;
  if (error instanceof Interrupted) return exitCodeOfSignal(error.signal);
  if (error instanceof JournalError) {
    if (BAD_JOURNAL.includes(error.code)) return ExitCode.false;
    return WRONG_JOURNAL.includes(error.code) ? ExitCode.usage : ExitCode.environment;
  }
  return WRONG_PATH.includes(systemCode(error) ?? '') ? ExitCode.usage : ExitCode.environment;
}

/** Whether the message says it all: other errors are faults of this program and want their stack shown. */
export function isExpected(error: unknown): boolean {
  const known = [
    UsageError,
    FlowError,
    EnvironmentFault,
    Interrupted,
    JournalError,
    ForkedJournalError,
    ReplicatedLogError,
  ].some((kind) => error instanceof kind);
  return known || systemCode(error) !== undefined;
}

/** The code of an error of the operating system, or of Node about a file. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  return 'syscall' in error || error.code.startsWith('ERR_FS_') ? error.code : undefined;
}

const SHOWN_CHARACTERS_MAX = 80;

function shown(value: unknown): string {
  const text = withoutPasswords(typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? String(value)));
  return text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}…` : text;
}

/** A text in which addresses do not tell users and passwords: nats://user:password@host. A password may have @ and / in it. */
export function withoutPasswords(text: string): string {
  return text.replace(/:\/\/[^\s,"]+@/g, '://…@');
}
