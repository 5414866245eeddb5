import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import { Reason, reasonName, reasonText } from '../../journal/reasons.ts';
import type { Answer } from '../../sequencer/messages.ts';
import { accountSubject, execSubject, tradeSubject } from '../../sequencer/reports.ts';
import { usageFields } from '../cli/result.ts';
import { UsageError } from '../exit-codes.ts';
import { commandOfFields, SENT_OP_WORDS } from '../ndjson/ndjson-commands.ts';
import { ClientError } from '../sessions/venue-client.ts';
import type { ClientTokens, TokenClient } from './client-tokens.ts';
import { accountEvents, orderEvents, tradeEvents } from './json-events.ts';
import { ADMINISTRATOR, type VenueAccess } from './venue-access.ts';

export interface ConnectionOptions {
  readonly socket: WebSocket;
  readonly venue: VenueAccess;
  readonly shard: number;
  /** That the client acts for; only the administrator, 0, acts for every account and sees the orders of all. */
  readonly account: number;
  /** Whom a token showed it to be. */
  readonly client?: TokenClient | undefined;
  /** Messages a second; twice as many may come at once. */
  readonly rateMax: number;
  readonly log: Logger;
}

/** WebSocket close codes: RFC 6455 7.4.1. */
const CLOSE = { goingAway: 1001, unsupported: 1003, policy: 1008 } as const;
/** The code of the ranges for applications that resembles HTTP's 401. */
export const UNAUTHORIZED = 4_401;
/** Commands of a connection without an answer. */
const UNDER_WAY_MAX = 256;
const SUBSCRIPTIONS_MAX = 64;
/** Messages refused for their rate, after which the connection ends. */
const REFUSED_MAX = 1_000;
/** What a connection has not read yet. */
const UNREAD_BYTES_MAX = 4 * 2 ** 20;
const REF_CHARACTERS_MAX = 64;
const U32_MAX = 4_294_967_295;
const OPS = [...SENT_OP_WORDS.split(', '), 'subscribe', 'unsubscribe'];

/** What can be subscribed to, and how its records are told; `top` is no subject of records. */
const CHANNELS = { trades: tradeEvents, top: undefined, orders: orderEvents, account: accountEvents } as const;

type Ref = string | number | undefined;
type Fields = Readonly<Record<string, unknown>>;

interface Subscribed {
  readonly unsubscribe: () => void;
  /** Rejects if there is nothing to subscribe to. */
  readonly begun: Promise<void>;
}

/** What a subscription is to: as a subject, or as the instrument whose best prices it is for. */
interface Wanted {
  readonly channel: keyof typeof CHANNELS;
  /** Tells it from the others of the connection. */
  readonly subject: string;
  readonly symbol: number | undefined;
}

/** One connection: JSON objects in, answers and events out. */
export class WebSocketConnection {
  readonly closed: Promise<void>;
  readonly counts = { messages: 0, commands: 0, refused: 0 };
  readonly #options: ConnectionOptions;
  readonly #subscriptions = new Map<string, Subscribed>();
  #underWay = 0;
  /** The command before was sent. */
  #turn: Promise<void> = Promise.resolve();
  #isEnding = false;
  #tokens: number;
  #tokensAt = performance.now();
  #slow = 0;
  #alive = true;

  constructor(options: ConnectionOptions) {
    const { socket, rateMax, log } = options;
    this.#options = options;
    this.#tokens = rateMax * 2;
    socket.on('message', (data, isBinary) => this.#take(data, isBinary));
    socket.on('ping', (data) => this.#pong(data));
    socket.on('pong', () => {
      this.#alive = true;
    });
    socket.on('error', (error) => log.info({ why: error.message }, 'connection failed'));
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        for (const subscription of this.#subscriptions.values()) subscription.unsubscribe();
        this.#subscriptions.clear();
        resolve();
      });
    });
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** Looks whether the other side is still there; ends the connection if it did not answer the last time. */
  check(): void {
    const { socket } = this.#options;
    if (!this.#alive) return socket.terminate();
    this.#alive = false;
    socket.ping();
  }

  /** Takes no commands any more. */
  refuse(): void {
    this.#isEnding = true;
  }

  /** Says good bye. */
  end(): void {
    this.#options.socket.close(CLOSE.goingAway, 'the gateway is closing');
  }

  /** Ends it if its client is not let in any more. */
  hold(tokens: ClientTokens): void {
    const { client, socket, log } = this.#options;
    if (client !== undefined && tokens.has(client)) return;
    this.#isEnding = true;
    log.info({ client: client?.name }, 'the client is let in no more');
    socket.close(UNAUTHORIZED, 'token: it is of no client any more');
  }

  cutOff(): void {
    this.#options.socket.terminate();
  }

  #take(data: unknown, isBinary: boolean): void {
    const { socket } = this.#options;
    this.counts.messages++;
    if (isBinary) return socket.close(CLOSE.unsupported, 'messages are text: one JSON object each');
    if (!this.#mayCome()) return this.#refuseRate();
    let ref: Ref;
    try {
      const fields = objectOf(String(data));
      ref = refOf(fields);
      const { ref: _, ...rest } = fields;
      if (fields['op'] === 'subscribe') this.#subscribe(rest, ref);
      else if (fields['op'] === 'unsubscribe') this.#unsubscribe(rest, ref);
      else this.#command(rest, ref);
    } catch (error) {
      this.#refuse(error, ref);
    }
  }

  #command(fields: Fields, ref: Ref): void {
    if (this.#isEnding) throw new UsageError('message', fields['op'], 'the gateway is closing');
    if (!OPS.includes(fields['op'] as string))
      throw new UsageError('op', fields['op'], `must be one of ${OPS.join(', ')}`);
    const { account: own } = this.#options;
    // The venue's session would stop at such a command.
    if (own !== ADMINISTRATOR && fields['account'] !== undefined && fields['account'] !== own)
      throw new UsageError('account', fields['account'], `must be ${own}, which this connection acts for`);
    if (this.#underWay >= UNDER_WAY_MAX) {
      throw new UsageError(
        'message',
        fields['op'],
        `at most ${UNDER_WAY_MAX} commands of a connection may be under way`,
      );
    }
    this.#underWay++;
    const sent = this.#turn.then(() => this.#send(fields));
    this.#turn = sent.then(
      () => undefined,
      () => undefined,
    );
    sent
      .then(async ({ answered }) => this.#answer(fields, ref, await answered))
      .catch((error: unknown) => this.#refuse(error, ref))
      .finally(() => {
        this.#underWay--;
      });
  }

  /** Sends a command when those before it were sent. */
  async #send(fields: Fields): Promise<{ readonly answered: Promise<Answer> }> {
    const { venue, account: own } = this.#options;
    const owned = own === ADMINISTRATOR ? fields : { account: own, ...fields };
    // Everything but the name is looked at first, so that nothing is created for a command that is wrong.
    commandOfFields(owned, venue);
    if (typeof fields['symbol'] === 'string') await venue.learn(fields['symbol'], own);
    await venue.ready(own);
    this.counts.commands++;
    return { answered: venue.send(own, commandOfFields(owned, venue)) };
  }

  #answer(fields: Fields, ref: Ref, { sequence: seq, open, traded, reason }: Answer): void {
    const what = { ref, ev: 'answer', seq, op: fields['op'], account: fields['account'], id: fields['id'] };
    if (reason === Reason.none) this.#tell({ ...what, open, traded });
    else this.#tell({ ...what, reason: reasonName(reason), text: reasonText(reason) });
  }

  #subscribe(fields: Fields, ref: Ref): void {
    const wanted = this.#wantedOf(fields);
    const known = this.#subscriptions.get(wanted.subject);
    if (known === undefined && this.#subscriptions.size >= SUBSCRIPTIONS_MAX)
      throw new UsageError('channel', fields['channel'], `a connection has at most ${SUBSCRIPTIONS_MAX} subscriptions`);
    const told = (): void => this.#tell({ ref, ev: 'subscribed', ...fields, op: undefined });
    if (wanted.channel === 'top') return this.#subscribeTop(wanted, known, told, ref);
    if (known === undefined) this.#subscriptions.set(wanted.subject, this.#subscribeRecords(wanted, fields));
    told();
  }

  #subscribeRecords({ channel, subject }: Wanted, { op: _, ...fields }: Fields): Subscribed {
    const { venue } = this.#options;
    const tell = CHANNELS[channel] as typeof orderEvents;
    const take = (words: Uint32Array): void => {
      for (const event of tell(words, (symbol) => venue.nameOf(symbol))) this.#tell(event);
    };
    const unsubscribe = venue.subscribe(subject, take, () => this.#tell({ ev: 'interrupted', ...fields }));
    return { unsubscribe, begun: Promise.resolve() };
  }

  /** Told to be subscribed when there is a book, so that a snapshot follows; refused if nobody publishes one. */
  #subscribeTop({ subject, symbol }: Wanted, known: Subscribed | undefined, told: () => void, ref: Ref): void {
    const refuse = (why: string): void => this.#refuse(new UsageError('channel', 'top', why), ref);
    if (known !== undefined) return void known.begun.then(told, (error: Error) => refuse(error.message));
    const { venue } = this.#options;
    const feed = venue.joinTop(symbol as number);
    const take = (event: object): void => this.#tell(event);
    const subscribed: Subscribed = {
      begun: feed.ready,
      unsubscribe: () => {
        feed.remove(take);
        venue.leaveTop(feed);
      },
    };
    this.#subscriptions.set(subject, subscribed);
    const isWanted = (): boolean => this.#subscriptions.get(subject) === subscribed;
    feed.ready.then(
      () => {
        if (!isWanted()) return refuse('it was unsubscribed before it began');
        told();
        feed.add(take);
      },
      (error: Error) => {
        if (isWanted()) {
          this.#subscriptions.delete(subject);
          subscribed.unsubscribe();
        }
        refuse(error.message);
      },
    );
  }

  #unsubscribe(fields: Fields, ref: Ref): void {
    const { subject } = this.#wantedOf(fields);
    const subscription = this.#subscriptions.get(subject);
    if (subscription === undefined) throw new UsageError('channel', fields['channel'], 'it is not subscribed to');
    this.#subscriptions.delete(subject);
    subscription.unsubscribe();
    this.#tell({ ref, ev: 'unsubscribed', ...fields, op: undefined });
  }

  /** What a subscription is to; trades and orders are of all instruments unless one is named. */
  #wantedOf(fields: Fields): Wanted {
    const { venue, shard, account: own } = this.#options;
    const { op: _, channel: called, symbol: name, account, ...more } = fields;
    for (const [field, value] of Object.entries(more))
      throw new UsageError(field, value, 'subscriptions have channel, symbol, account and ref');
    const channel = Object.keys(CHANNELS).find((one) => one === called) as keyof typeof CHANNELS | undefined;
    if (channel === undefined)
      throw new UsageError('channel', called, `must be one of ${Object.keys(CHANNELS).join(', ')}`);
    let symbol: number | undefined;
    if (name !== undefined || channel === 'top') {
      symbol = typeof name === 'string' ? venue.instruments.get(name) : undefined;
      if (symbol === undefined) throw new UsageError('symbol', name, 'must be the name of an instrument of the venue');
    }
    // A subject may name all of something, and then is no number.
    const any = symbol ?? ('*' as unknown as number);
    if (channel === 'trades' || channel === 'top') {
      if (account !== undefined) throw new UsageError('account', account, `does not go with channel ${channel}`);
      return { channel, symbol, subject: channel === 'top' ? `top ${symbol}` : tradeSubject(shard, any) };
    }
    if (channel === 'account' && symbol !== undefined)
      throw new UsageError('symbol', name, 'does not go with channel account');
    if (typeof account !== 'number' || !Number.isInteger(account) || account < 0 || account > U32_MAX)
      throw new UsageError('account', account, `must be a whole number from 0 to ${U32_MAX}`);
    if (own !== ADMINISTRATOR && account !== own)
      throw new UsageError('account', account, `must be ${own}, which this connection acts for`);
    const subject = channel === 'account' ? accountSubject(shard, account) : execSubject(shard, account, any);
    return { channel, symbol, subject };
  }

  /** Whether a message may come now: so many a second, and twice as many at once. */
  #mayCome(): boolean {
    const { rateMax } = this.#options;
    const now = performance.now();
    this.#tokens = Math.min(rateMax * 2, this.#tokens + ((now - this.#tokensAt) / 1000) * rateMax);
    this.#tokensAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  #refuseRate(): void {
    const { socket, rateMax } = this.#options;
    if (++this.#slow > REFUSED_MAX) return socket.close(CLOSE.policy, `more than ${rateMax} messages a second`);
    this.#refuse(
      new UsageError('message', 'too many', `at most ${rateMax} messages a second, and twice as many at once`),
      undefined,
    );
  }

  /** Pings count like messages, and their answers like all that the client has to read. */
  #pong(data: Buffer): void {
    const { socket } = this.#options;
    if (!this.#mayCome()) return this.#refuseRate();
    if (this.#isRead()) socket.pong(data);
  }

  #refuse(error: unknown, ref: Ref): void {
    this.counts.refused++;
    if (error instanceof UsageError) {
      const { line: _, ...fields } = usageFields(error) as Fields;
      return this.#tell({ ref, ev: 'error', ...fields });
    }
    if (!(error instanceof Error)) throw error;
    if (!(error instanceof ClientError)) this.#options.log.warn({ why: error.message }, 'command failed');
    const rule = `${error.message}; whether it was handled is in the journal`;
    this.#tell({ ref, ev: 'error', field: 'venue', value: 'unavailable', rule });
  }

  #tell(message: object): void {
    if (this.#isRead()) this.#options.socket.send(JSON.stringify(message));
  }

  /** Whether more may be written; a client that leaves too much unread is left. */
  #isRead(): boolean {
    const { socket, log } = this.#options;
    if (socket.readyState !== socket.OPEN) return false;
    if (socket.bufferedAmount <= UNREAD_BYTES_MAX) return true;
    log.warn({ unread: socket.bufferedAmount }, 'the client does not read');
    socket.terminate();
    return false;
  }
}

function objectOf(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageError(
      'message',
      text,
      `must be one JSON object (${error instanceof Error ? error.message : error})`,
    );
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new UsageError('message', text, 'must be one JSON object');
}

/** What a client calls its message, and the answer repeats. */
function refOf(fields: Fields): Ref {
  const ref = fields['ref'];
  if (ref === undefined || (typeof ref === 'number' && Number.isFinite(ref))) return ref;
  if (typeof ref === 'string' && ref.length <= REF_CHARACTERS_MAX) return ref;
  throw new UsageError('ref', ref, `must be a number, or text of at most ${REF_CHARACTERS_MAX} characters`);
}
