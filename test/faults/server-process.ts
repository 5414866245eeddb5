import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { VenueClosing } from '../../ops/venue.ts';

const COMMAND = fileURLToPath(new URL('../../ops/veritape.ts', import.meta.url));
/** As bin/veritape.js sets it; processes that are killed would otherwise strip types again at every start. */
const COMPILED = fileURLToPath(new URL('../../.cache/compiled', import.meta.url));
/** Length of the segments of a test's journals. */
const SEGMENT_BYTES = 4 * 2 ** 20;
const READY_MS_MAX = 60_000;
const END_MS_MAX = 45_000;

/** A line that a server logged. */
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

const living = new Set<VeritapeProcess>();

/** The command in a process of its own. Its log and its result are read as they come. */
export class VeritapeProcess {
  readonly log: LogLine[] = [];
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;
  readonly #startedAt = performance.now();
  #said = '';
  #result = '';
  #over = false;
  #readyMs = 0;
  #wake: (() => void)[] = [];

  static run(...args: readonly string[]): VeritapeProcess {
    return new VeritapeProcess(args);
  }

  /** `veritape serve` on small segments, so that giving up one for the next happens under load, too. */
  static serve(dir: string, nats: string, ...more: readonly string[]): VeritapeProcess {
    const fixed = ['--dir', dir, '--nats', nats, '--instrument', 'ACME', '--json'];
    const size = more.includes('--segment-bytes') ? [] : ['--segment-bytes', String(SEGMENT_BYTES)];
    return new VeritapeProcess(['serve', ...fixed, ...size, ...more]);
  }

  private constructor(args: readonly string[]) {
    const env = { ...process.env, NODE_COMPILE_CACHE: COMPILED };
    this.#child = spawn(process.execPath, [COMMAND, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
    living.add(this);
    let rest = '';
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#result += text;
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#hear(line);
      for (const wake of this.#wake.splice(0)) wake();
    });
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#over = true;
        living.delete(this);
        if (rest !== '') this.#hear(rest);
        for (const wake of this.#wake.splice(0)) wake();
        resolve({ code, signal, said: this.#said, result: this.#result === '' ? undefined : JSON.parse(this.#result) });
      });
    });
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
  }
}

/** The closing report of a server that ended well. */
export function closingOf(ending: Ending): VenueClosing {
  if (ending.code !== 0) throw new Error(`it ended with ${JSON.stringify(ending)}`);
  return ending.result as VenueClosing;
}

/** Ends whatever a failed test left behind. */
export async function endAllProcesses(): Promise<void> {
  await Promise.all([...living].map((server) => server.end('SIGKILL')));
}

// A test run that is itself ended must not leave servers behind.
process.on('exit', () => {
  for (const server of living) server.signal('SIGKILL');
});
