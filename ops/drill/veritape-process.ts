import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { threadEntry } from '../../sequencer/thread-entry.ts';
import type { VenueClosing } from '../venue/venue.ts';

const COMMAND = fileURLToPath(threadEntry(import.meta.url, '../veritape'));
/** As bin/veritape.js sets it in a checkout; processes that are killed would otherwise strip types again at every start. */
const COMPILED: Record<string, string> = import.meta.url.endsWith('.ts')
  ? { NODE_COMPILE_CACHE: join(import.meta.dirname, '..', '..', '.cache', 'compiled') }
  : {};
/** Small, so that a journal goes from one segment to the next under load, too. */
const SEGMENT_BYTES = 4 * 2 ** 20;
/** Lines that are kept; older ones are in the log file, if there is one. */
const LOG_LINES_MAX = 10_000;
const READY_MS_MAX = 60_000;
const END_MS_MAX = 45_000;

/** A line that a process logged. */
export interface LogLine {
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** How a process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What it said on stderr outside its log. */
  readonly said: string;
  /** The object that it printed with --json. */
  readonly result: unknown;
}

/** How a process is started and listened to, where that is not the usual way. */
export interface ProcessOptions {
  /** The command that starts it, if it is to run in another network namespace. */
  readonly within?: readonly string[] | undefined;
  /** Arguments of Node itself. */
  readonly nodeArgs?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** All that it says on stderr is appended to this file. */
  readonly logFile?: string | undefined;
  /** Told of each line of its log as it is read. */
  readonly onLine?: ((line: LogLine) => void) | undefined;
}

const living = new Set<VeritapeProcess>();

/** The command in a process of its own. Its log and its result are read as they come. */
export class VeritapeProcess {
  readonly log: LogLine[] = [];
  /** Its log file, if there is one, has all of it by then. */
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;
  readonly #onLine: ((line: LogLine) => void) | undefined;
  readonly #startedAt = performance.now();
  #said = '';
  #result = '';
  #over = false;
  #readyMs = 0;
  #wake: (() => void)[] = [];

  static run(...args: readonly string[]): VeritapeProcess {
    return new VeritapeProcess(args);
  }

  static start(args: readonly string[], options: ProcessOptions): VeritapeProcess {
    return new VeritapeProcess(args, options);
  }

  /** `veritape serve` on small segments, with an instrument to trade. */
  static serve(dir: string, nats: string, ...more: readonly string[]): VeritapeProcess {
    return new VeritapeProcess(serveArguments(dir, nats, more));
  }

  private constructor(args: readonly string[], options: ProcessOptions = {}) {
    const env = { ...COMPILED, ...process.env, ...options.env };
    this.#onLine = options.onLine;
    const command = [...(options.within ?? []), process.execPath, ...(options.nodeArgs ?? []), COMMAND, ...args];
    const [program = '', ...rest] = command;
    this.#child = spawn(program, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env,
    });
    living.add(this);
    const { logFile } = options;
    const kept = logFile === undefined ? undefined : createWriteStream(logFile, { flags: 'a' });
    const written = new Promise<void>((resolve) => (kept === undefined ? resolve() : kept.once('close', resolve)));
    if (kept !== undefined) this.#child.stderr?.pipe(kept);
    let unfinished = '';
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#result += text;
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (unfinished + text).split('\n');
      unfinished = lines.pop() ?? '';
      for (const line of lines) this.#hear(line);
      for (const wake of this.#wake.splice(0)) wake();
    });
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#over = true;
        living.delete(this);
        if (unfinished !== '') this.#hear(unfinished);
        for (const wake of this.#wake.splice(0)) wake();
        const ending = { code, signal, said: this.#said, result: resultIn(this.#result) };
        void written.then(() => resolve(ending));
      });
    });
  }

  /** It has ended, and all that it said was read. */
  get over(): boolean {
    return this.#over;
  }

  /** What it has said on stderr outside its log so far. */
  get said(): string {
    return this.#said;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Waits for a line of the log, and gives it; throws if the process ends before. */
  async logged(msg: string, waitMsMax = READY_MS_MAX): Promise<LogLine> {
    const until = performance.now() + waitMsMax;
    for (;;) {
      const line = this.log.find((one) => one.msg === msg);
      if (line !== undefined) return line;
      if (this.#over) throw new Error(`it ended without "${msg}": ${JSON.stringify(await this.ended)}`);
      if (performance.now() > until) throw new Error(`no "${msg}" in ${waitMsMax} ms: ${JSON.stringify(this.log)}`);
      await Promise.race([new Promise<void>((resolve) => this.#wake.push(resolve)), pause(200)]);
    }
  }

  /** Resolves when it serves, with the milliseconds that took from the start of the process. */
  async ready(): Promise<number> {
    await this.logged('ready');
    return this.#readyMs;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends a signal, if any, and waits for the end; throws if that takes too long. */
  async end(signal?: NodeJS.Signals, waitMsMax = END_MS_MAX): Promise<Ending> {
    if (signal !== undefined) this.signal(signal);
    const tooLong = pause(waitMsMax, undefined, { ref: false });
    const ending = await Promise.race([this.ended, tooLong]);
    if (ending !== undefined) return ending;
    this.signal('SIGKILL');
    throw new Error(`it did not end in ${waitMsMax} ms: ${JSON.stringify({ log: this.log, said: this.#said })}`);
  }

  #hear(line: string): void {
    if (!line.startsWith('{')) {
      this.#said += `${line}\n`;
      return;
    }
    const logged = JSON.parse(line) as LogLine;
    if (logged.msg === 'ready') this.#readyMs = performance.now() - this.#startedAt;
    this.log.push(logged);
    if (this.log.length > LOG_LINES_MAX) this.log.shift();
    this.#onLine?.(logged);
  }
}

/** Arguments of `veritape serve` on a folder and a NATS server. */
export function serveArguments(dir: string, nats: string, more: readonly string[]): string[] {
  const fixed = ['serve', '--dir', dir, '--nats', nats, '--instrument', 'ACME', '--json'];
  const size = more.includes('--segment-bytes') ? [] : ['--segment-bytes', String(SEGMENT_BYTES)];
  return [...fixed, ...size, ...more];
}

/** What a process printed with --json; one that was killed may have printed half of it. */
function resultIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The closing report of a server that ended well. */
export function closingOf(ending: Ending): VenueClosing {
  if (ending.code !== 0) throw new Error(`it ended with ${JSON.stringify(ending)}`);
  return ending.result as VenueClosing;
}

/** Ends whatever was left behind. */
export async function endAllProcesses(): Promise<void> {
  await Promise.all([...living].map((server) => server.end('SIGKILL')));
}

// Nobody else would end them.
process.on('exit', () => {
  for (const server of living) server.signal('SIGKILL');
});
