import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { recordsOf } from '../../journal/order-terms.ts';
import { Reason } from '../../journal/reasons.ts';
import { MESSAGE_COMMANDS_MAX } from '../../sequencer/messages.ts';
import type { RoutedAnswer } from '../sessions/routing-client.ts';
import { ClientError } from '../sessions/venue-client.ts';

/** Messages under way at once: while so many are, what is given waits for the next and goes together. */
const MESSAGES_UNDER_WAY_MAX = 8;
/** Commands given and not sent, at most. */
const WAITING_COMMANDS_MAX = 65_536;

/** The answer to a command that may have been several records. */
export interface BatchedAnswer extends RoutedAnswer {
  /** The order was entered, but a term that was sent before it was refused, so it is not the order that was meant. */
  readonly lacksTerm: boolean;
}

/** Where batches go: a client of one shard, or of several. */
export type SendBatch = (words: Uint32Array, count: number) => Promise<readonly RoutedAnswer[]>;

interface Waiting {
  /** One, or the terms that go before it, too. */
  readonly records: readonly Command[];
  readonly resolve: (answer: BatchedAnswer) => void;
  readonly reject: (error: unknown) => void;
  readonly signal: AbortSignal | undefined;
  readonly withdraw: () => void;
}

/**
 * Makes messages of commands: those given in one run of code go together, and under load as many as a message holds. The order
 * stays.
 */
export class CommandBatcher {
  readonly #send: SendBatch;
  readonly #batchMax: number;
  #waiting: Waiting[] = [];
  #messages = 0;
  #isDue = false;
  #closed: Error | undefined;
  #room: (() => void)[] = [];

  constructor(send: SendBatch, batchMax: number) {
    this.#send = send;
    this.#batchMax = Math.min(batchMax, MESSAGE_COMMANDS_MAX);
  }

  /** Commands that are not sent yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Resolves with the answer; of a command that takes several records, with that of the last. A signal takes the command back as long as it was not sent; then it rejects with its reason. What
   * was sent may be carried out, and is waited for. Rejects with a ClientError when the client ends or too much waits.
   */
  give(command: Command, signal?: AbortSignal): Promise<BatchedAnswer> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    if (this.#waiting.length >= WAITING_COMMANDS_MAX) {
      const text = `${WAITING_COMMANDS_MAX} commands wait to be sent, the most that may: wait for room()`;
      return Promise.reject(new ClientError(text));
    }
    const records = recordsOf(command);
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { records, resolve, reject, signal, withdraw: () => this.#withdraw(waiting) };
      signal?.addEventListener('abort', waiting.withdraw, { once: true });
      this.#waiting.push(waiting);
      this.#beDue();
    });
  }

  /** Resolves when nothing waits to be sent. */
  async room(): Promise<void> {
    while (this.#waiting.length > 0 && this.#closed === undefined)
      await new Promise<void>((resolve) => this.#room.push(resolve));
  }

  /** What was not sent is not sent any more. */
  close(error: Error): void {
    this.#closed ??= error;
    for (const waiting of this.#waiting.splice(0)) this.#drop(waiting, error);
    this.#wake();
  }

  /** At the end of what runs now, so that whatever it gives goes together. */
  #beDue(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#waiting.length > 0 && this.#messages < MESSAGES_UNDER_WAY_MAX) void this.#sendNow(this.#takeBatch());
    if (this.#waiting.length === 0) this.#wake();
  }

  /** As many as go in one message; the records of one command stay together. */
  #takeBatch(): Waiting[] {
    let [commands, records] = [0, 0];
    for (const waiting of this.#waiting) {
      records += waiting.records.length;
      if (commands > 0 && records > this.#batchMax) break;
      commands++;
    }
    return this.#waiting.splice(0, commands);
  }

  async #sendNow(batch: readonly Waiting[]): Promise<void> {
    this.#messages++;
    const records = batch.flatMap((waiting) => waiting.records);
    const words = new Uint32Array(records.length * COMMAND_WORDS);
    for (const [index, record] of records.entries()) encodeCommand(words, index * COMMAND_WORDS, record);
    for (const { signal, withdraw } of batch) signal?.removeEventListener('abort', withdraw);
    try {
      const answers = await this.#send(words, records.length);
      let end = 0;
      for (const waiting of batch) {
        end += waiting.records.length;
        waiting.resolve(combined(answers.slice(end - waiting.records.length, end)));
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      this.#messages--;
      this.#pump();
    }
  }

  #withdraw(waiting: Waiting): void {
    const index = this.#waiting.indexOf(waiting);
    if (index < 0) return;
    this.#waiting.splice(index, 1);
    this.#drop(waiting, waiting.signal?.reason);
  }

  #drop({ signal, withdraw, reject }: Waiting, error: unknown): void {
    signal?.removeEventListener('abort', withdraw);
    reject(error);
  }

  #wake(): void {
    for (const resolve of this.#room.splice(0)) resolve();
  }
}

/** Of what was refused with one of its terms, the term says why. */
function combined(answers: readonly RoutedAnswer[]): BatchedAnswer {
  const last = answers.at(-1) as RoutedAnswer;
  const refused = answers.find(({ reason }) => reason !== Reason.none);
  if (refused === undefined || last.reason !== Reason.none)
    return { ...last, reason: refused?.reason ?? last.reason, lacksTerm: false };
  return { ...last, lacksTerm: true };
}
