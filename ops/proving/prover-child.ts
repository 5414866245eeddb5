import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { JournalError } from '../../journal/findings.ts';
import { temporaryName } from '../../proofs/matching/proof-store.ts';
import { EnvironmentFault, UsageError } from '../exit-codes.ts';
import type { ProvenSpan, ProverFailure, ProverNews, ProverSettings, ProvingJob } from './prover-process.ts';

/** A span is given up when so many processes have ended over it. */
export const ATTEMPTS_MAX = 3;

/** What is told while a span is proven. */
export interface ProverEvents {
  readonly onStage: (stage: string) => void;
  readonly onNotice: (text: string) => void;
  /** Which commands the span takes. */
  readonly onCut?: (firstSequence: number, lastSequence: number) => void;
}

/** The process has ended before its span was proven: another one can take it. */
export class ProverEndedError extends Error {
  override readonly name = 'ProverEndedError';
}

/** A prover in a process of its own, from the side of the one that started it. Proves one span at a time. */
export class ProverChild {
  readonly #child: ChildProcess;
  readonly #ready: Promise<void>;
  readonly #ended: Promise<string>;
  #hear: (news: ProverNews) => void = () => undefined;
  #endsWithParent = false;
  #stopped = false;

  constructor(settings: ProverSettings) {
    const args = [process.argv[1] ?? '', 'prove', settings.directory, '--as-prover', JSON.stringify(settings)];
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // What it is to do is in its arguments: a file of settings that changed meanwhile is not its own.
      env: { ...process.env, VERITAPE_SETTINGS: '' },
    });
    this.#child = child;
    let failure: string | undefined;
    // One that says it could not be sent something has ended, or is about to.
    child.on('error', (error) => {
      if (child.pid === undefined) failure = error.message;
    });
    this.#ended = new Promise((resolve) =>
      child.once('close', (code, signal) => resolve(failure ?? String(signal ?? code))),
    );
    this.#ready = new Promise((resolve) =>
      child.on('message', (news: ProverNews) => {
        if (news.kind === 'ready') {
          this.#endsWithParent = news.endsWithParent;
          resolve();
        } else this.#hear(news);
      }),
    );
  }

  /** The first span among these commands, or undefined if there is none. Throws a {@link ProverEndedError}. */
  async prove(job: ProvingJob, { onStage, onNotice, onCut }: ProverEvents): Promise<ProvenSpan | undefined> {
    const ended = this.#ended.then(async (how) => {
      if (job.out !== undefined && this.#child.pid !== undefined) {
        await rm(temporaryName(job.out, this.#child.pid), { force: true });
      }
      throw new ProverEndedError(how);
    });
    const proven = new Promise<ProvenSpan | undefined>((resolve, reject) => {
      this.#hear = (news) => {
        if (news.kind === 'stage') onStage(news.stage);
        else if (news.kind === 'unprovable') onNotice(news.text);
        else if (news.kind === 'cut') onCut?.(news.firstSequence, news.lastSequence);
        else if (news.kind === 'done') resolve(news.span);
        else if (news.kind === 'none') resolve(undefined);
        else if (news.kind === 'failed') reject(errorOf(news));
      };
    });
    await Promise.race([this.#ready, ended]);
    this.#child.send(job);
    return Promise.race([proven, ended]);
  }

  /**
   * Has it stand still, with all that it has done so far. Where the kernel would not end it with this process it goes on instead:
   * nobody would ever end it, if this process were killed.
   */
  pause(): void {
    if (this.#endsWithParent && !this.#stopped) this.#stopped = this.#child.kill('SIGSTOP');
  }

  resume(): void {
    if (this.#stopped) this.#child.kill('SIGCONT');
    this.#stopped = false;
  }

  /** Ends the process, whatever it does. */
  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

function errorOf({ text, cause, stack }: ProverFailure): Error {
  if (cause === 'span') return new UsageError('height', undefined, `a larger one is needed: ${text}`);
  if (cause === 'expected') return new EnvironmentFault(text);
  if (cause !== 'fault') return new JournalError(cause, text);
  const error = new Error(text);
  if (stack !== undefined) error.stack = stack;
  return error;
}
