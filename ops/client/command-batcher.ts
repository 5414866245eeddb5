import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { MESSAGE_COMMANDS_MAX } from '../../sequencer/messages.ts';
import type { RoutedAnswer } from '../routing-client.ts';
import { ClientError } from '../venue-client.ts';

/** Messages under way at once: while so many are, what is given waits for the next and goes together. */
const MESSAGES_UNDER_WAY_MAX = 8;
/** Commands given and not sent, at most. */
const WAITING_COMMANDS_MAX = 65_536;

/** Where batches go: a client of one shard, or of several. */
export type SendBatch = (words: Uint32Array, count: number) => Promise<readonly RoutedAnswer[]>;

interface Waiting {
  readonly command: Command;
  readonly resolve: (answer: RoutedAnswer) => void;
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
   * Resolves with the answer. A signal takes the command back as long as it was not sent; then it rejects with its reason. What
   * was sent may be carried out, and is waited for. Rejects with a ClientError when the client ends or too much waits.
   */
  give(command: Command, signal?: AbortSignal): Promise<RoutedAnswer> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    if (this.#waiting.length >= WAITING_COMMANDS_MAX) {
      const text = `${WAITING_COMMANDS_MAX} commands wait to be sent, the most that may: wait for room()`;
      return Promise.reject(new ClientError(text));
    }
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { command, resolve, reject, signal, withdraw: () => this.#withdraw(waiting) };
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
    while (this.#waiting.length > 0 && this.#messages < MESSAGES_UNDER_WAY_MAX)
      void this.#sendNow(this.#waiting.splice(0, this.#batchMax));
    if (this.#waiting.length === 0) this.#wake();
  }

  async #sendNow(batch: readonly Waiting[]): Promise<void> {
    this.#messages++;
    const words = new Uint32Array(batch.length * COMMAND_WORDS);
    for (const [index, { command, signal, withdraw }] of batch.entries()) {
      signal?.removeEventListener('abort', withdraw);
      encodeCommand(words, index * COMMAND_WORDS, command);
    }
    try {
      const answers = await this.#send(words, batch.length);
      for (const [index, { resolve }] of batch.entries()) resolve(answers[index] as RoutedAnswer);
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
