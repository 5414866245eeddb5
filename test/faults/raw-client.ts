import { setTimeout as pause } from 'node:timers/promises';
import { connect, createInbox, type NatsConnection } from '@nats-io/transport-node';
import { COMMAND_WORDS, encodeCommand } from '../../journal/commands.ts';
import { Acknowledged } from '../../ops/drill/acknowledged.ts';
import { commandOf } from '../../ops/drill/order-flow.ts';
import { natsConnectionOptions } from '../../ops/nats-server.ts';
import { type Answer, decodeReply, encodeRequest, type Refusal } from '../../sequencer/messages.ts';
import { submitSubject } from '../../sequencer/nats-gateway.ts';

const ANSWER_MS_MAX = 10_000;
const COMMANDS = 8;

/** What became of a request. `unheard`: no server listens, which NATS itself says at once. */
export type Reply = Answer[] | Refusal | 'unheard' | 'no answer';

/** A client without patience: it notes what each message came to and sends nothing again. */
export class RawClient {
  readonly told: Acknowledged;
  readonly #connection: NatsConnection;
  #next = 1;

  static async open(nats: string, account: number): Promise<RawClient> {
    const client = new RawClient(await connect(natsConnectionOptions(nats)), account);
    const words = new Uint32Array(COMMAND_WORDS);
    encodeCommand(words, 0, { op: 'sessionOpen', account, id: account });
    const [reply] = await client.#ask(encodeRequest(0, 0, new Uint8Array(words.buffer)), 1);
    if (reply === undefined || !isAnswered(reply)) throw new Error(`no session: ${JSON.stringify(reply)}`);
    client.told.session = reply[0]?.open ?? 0;
    return client;
  }

  private constructor(connection: NatsConnection, account: number) {
    this.#connection = connection;
    this.told = new Acknowledged(account);
  }

  /** Sends the next few commands and waits for as many replies as servers are expected to give. */
  async send(replies = 1): Promise<Reply[]> {
    const first = this.#next;
    this.#next += COMMANDS;
    const words = new Uint32Array(COMMANDS * COMMAND_WORDS);
    for (let index = 0; index < COMMANDS; index++)
      encodeCommand(words, index * COMMAND_WORDS, commandOf(this.told.account, first + index));
    const got = await this.#ask(encodeRequest(this.told.session, first, new Uint8Array(words.buffer)), replies);
    for (const reply of got) if (isAnswered(reply)) this.told.take(first, reply);
    return got;
  }

  /** Sends, several messages at a time, until one of them is not answered as it should be; gives what all of them came to. */
  async sendUntilRefused(atOnce: number): Promise<Reply[]> {
    const replies: Reply[] = [];
    let refused = false;
    const lane = async (): Promise<void> => {
      while (!refused) {
        const got = await this.send();
        replies.push(...got);
        refused ||= got.some((reply) => !isAnswered(reply));
      }
    };
    await Promise.all(Array.from({ length: atOnce }, lane));
    return replies;
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async #ask(bytes: Uint8Array, replies: number): Promise<Reply[]> {
    const got: Reply[] = [];
    let done = (): void => {};
    const all = new Promise<void>((resolve) => {
      done = resolve;
    });
    const inbox = createInbox();
    const subscription = this.#connection.subscribe(inbox, {
      callback: (_, message) => {
        const unheard = message.headers?.code === 503;
        got.push(unheard ? 'unheard' : decodeReply(message.data));
        if (unheard || got.length === replies) done();
      },
    });
    this.#connection.publish(submitSubject(0), bytes, { reply: inbox });
    await Promise.race([all, pause(ANSWER_MS_MAX, undefined, { ref: false })]);
    subscription.unsubscribe();
    return got.length === 0 ? ['no answer'] : got;
  }
}

export function isAnswered(reply: Reply): reply is Answer[] {
  return Array.isArray(reply);
}

/** Why the venue could not take a message, as it told the client. */
export function whyUnavailable(reply: Reply): string | undefined {
  return typeof reply === 'object' && 'error' in reply && reply.error === 'unavailable' ? reply.rule : undefined;
}
