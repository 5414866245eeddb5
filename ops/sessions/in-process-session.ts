import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { recordsOf } from '../../journal/order-terms.ts';
import { reasonText } from '../../journal/reasons.ts';
import type { CommandPort } from '../../sequencer/command-port.ts';
import {
  type Answer,
  type AnswerSink,
  decodeAnswers,
  MESSAGE_COMMANDS_MAX,
  type ReplyStatusName,
} from '../../sequencer/messages.ts';

/** The venue did not take a batch; nothing of it was sequenced, and the same call may be made again later. */
export class NotTaken extends Error {
  override name = 'NotTaken';
  readonly status: ReplyStatusName;

  constructor(status: ReplyStatusName, why: string) {
    super(why);
    this.status = status;
  }
}

/** A client session inside the venue's process: the records and promises of the NATS gateway without the network. */
export class InProcessSession {
  readonly session: number;
  readonly #port: CommandPort;
  #next: number;

  static async open(port: CommandPort, account: number, key: number | bigint): Promise<InProcessSession> {
    const [answer] = await submit(port, [{ op: 'sessionOpen', account, id: key }], 0, 0);
    if (answer === undefined || answer.reason !== 0) {
      throw new NotTaken('ok', `session: ${reasonText(answer?.reason ?? 0)}`);
    }
    return new InProcessSession(port, answer.open, answer.traded);
  }

  private constructor(port: CommandPort, session: number, handled: number) {
    this.#port = port;
    this.#next = handled + 1;
    this.session = session;
  }

  /** Request number of the next command; above 1 at once when the session was open before. */
  get nextRequest(): number {
    return this.#next;
  }

  /** Sends from an earlier request on again, as a client does that does not know what became of it. */
  goBackTo(request: number): void {
    this.#next = request;
  }

  /**
   * Sends commands of 1 to 256 records and resolves with their outcomes, in order, when the ack policy's copies exist: of a
   * command that takes several records, with that of the last. Rejects with {@link NotTaken} if the venue is busy or failed.
   */
  async send(commands: readonly Command[]): Promise<Answer[]> {
    const records: Command[] = [];
    const lasts: number[] = [];
    for (const command of commands) lasts.push(records.push(...recordsOf(command)) - 1);
    const first = this.#next;
    this.#next += records.length;
    try {
      const answers = await submit(this.#port, records, this.session, first);
      return lasts.map((last) => answers[last] as Answer);
    } catch (error) {
      if (error instanceof NotTaken && error.status === 'busy' && this.#next === first + records.length)
        this.#next = first;
      throw error;
    }
  }

  /**
   * Sends the first `count` records of `words`, 1 to 256, without an object for any of them. The records are copied, and
   * `sink` gets the answers as words when the ack policy's copies exist. Returns `ok`, or why nothing was taken: then the
   * same call may be made again later.
   */
  sendRecords(words: Uint32Array, count: number, sink: AnswerSink): ReplyStatusName {
    const status = this.#port.submit(words, 0, count, this.session, this.#next, sink);
    if (status === 'ok') this.#next += count;
    return status;
  }
}

function submit(
  port: CommandPort,
  commands: readonly Command[],
  session: number,
  firstRequest: number,
): Promise<Answer[]> {
  if (commands.length < 1 || commands.length > MESSAGE_COMMANDS_MAX) {
    throw new RangeError(`commands: ${commands.length} must be 1 to ${MESSAGE_COMMANDS_MAX}`);
  }
  const words = new Uint32Array(commands.length * COMMAND_WORDS);
  for (const [index, command] of commands.entries()) encodeCommand(words, index * COMMAND_WORDS, command);
  return new Promise((resolve, reject) => {
    const sink: AnswerSink = {
      done: (words, at, count) => resolve(decodeAnswers(words, at, count)),
      fail: (why) => reject(new NotTaken('unavailable', why)),
    };
    const status = port.submit(words, 0, commands.length, session, firstRequest, sink);
    if (status !== 'ok')
      reject(new NotTaken(status, status === 'busy' ? 'the input ring is full' : 'the venue is closing or failed'));
  });
}
