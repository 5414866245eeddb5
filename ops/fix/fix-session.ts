import type { Logger } from 'pino';
import { encodeMessage, type FixField, type FixMessage, parseUtcTimestamp, utcTimestamp } from './fix-codec.ts';
import { inFix44, MsgType, RejectReason, Tag, tagName } from './fix-tags.ts';

/** A message that was sent and may be asked for again. */
export interface SentMessage {
  readonly type: string;
  /** Its SendingTime. */
  readonly time: string;
  /** What follows the header. */
  readonly body: readonly FixField[];
}

/** What of a session outlives the process. */
export interface SessionNumbers {
  /** MsgSeqNum of the next message to send. */
  nextOut: number;
  /** MsgSeqNum of the next message to receive. */
  expectedIn: number;
  /** The last one up to which all are known to have been given to a socket. */
  written: number;
}

/** Where a session keeps what outlives the process. What is kept in one turn of the event loop is kept as a whole. */
export interface SessionMemory {
  keepNumbers(numbers: SessionNumbers): void;
  keepSent(sequence: number, message: SentMessage): void;
  /** Those of the range that are kept, in order. */
  sent(from: number, to: number): Iterable<readonly [sequence: number, message: SentMessage]>;
  forgetSent(): void;
  /** Calls back, in order, once everything kept so far is on disk. */
  whenDurable(then: () => void): void;
}

/** The socket behind a session. */
export interface SessionLink {
  write(bytes: Buffer): void;
  /** Closes it when everything is written. */
  end(): void;
}

export interface FixSessionOptions {
  /** CompID of the gateway, and of whom the session is with. */
  readonly own: string;
  readonly peer: string;
  readonly numbers: SessionNumbers;
  readonly memory: SessionMemory;
  readonly now: () => number;
  /** SendingTime may differ from this host's clock by so much; 0 for any. */
  readonly skewMsMax: number;
  /** Gets application messages, in sequence, each once. */
  readonly onApplication: (message: FixMessage) => void;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

const HEARTBEAT_SECONDS_MAX = 3_600;
/** Silence of this many heartbeat intervals is asked about, and after as many again the peer is taken for gone. */
const SILENCE_INTERVALS = 1.2;
/** A peer that does not answer our Logout is left after this. */
const LOGOUT_MS_MAX = 2_000;
/** A gap that is not being filled is asked for again after this, and so many times. */
const RESEND_MS_MAX = 10_000;
const RESEND_ATTEMPTS_MAX = 3;
/** ResendRequests in a minute; each may cost as many messages as are kept. */
const RESENDS_PER_MINUTE_MAX = 60;
const MINUTE_MS = 60_000;

/** What a gateway must know to speak to a peer that has logged on. */
interface LoggedOn {
  readonly link: SessionLink;
  readonly beginString: string;
  readonly heartbeatMs: number;
}

/**
 * One side of a FIX session, the acceptor's, over as many connections as come one after the other: sequence numbers, gaps,
 * resending, heartbeats. It owns no socket and no timer. Nothing is written before the sequence numbers that it uses are
 * durable, so a number is never given twice.
 */
export class FixSession {
  readonly #options: FixSessionOptions;
  readonly #numbers: SessionNumbers;
  #on: LoggedOn | undefined;
  #lastSentAt = 0;
  #lastReceivedAt = 0;
  #testRequestAt: number | undefined;
  /** The peer's answer was late at the tick before this one. */
  #isLate = false;
  #tests = 0;
  #gap: { readonly upTo: number; at: number; attempts: number } | undefined;
  #logoutAt: number | undefined;
  #hasLeft = false;
  #resends = { since: 0, count: 0 };

  constructor(options: FixSessionOptions) {
    this.#options = options;
    this.#numbers = options.numbers;
  }

  get peer(): string {
    return this.#options.peer;
  }

  get isLoggedOn(): boolean {
    return this.#on !== undefined;
  }

  /** Whether it was the peer that ended the session, by a Logout. */
  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  get numbers(): Readonly<SessionNumbers> {
    return this.#numbers;
  }

  /** Whether a connection is the one that is logged on. */
  isOn(link: SessionLink): boolean {
    return this.#on?.link === link;
  }

  /** Takes the Logon of a peer whose identity was checked. If it is refused, the link is ended. */
  logon(link: SessionLink, message: FixMessage): void {
    const { now } = this.#options;
    const wrong = whyNoLogon(message);
    const heartbeat = message.whole(Tag.HeartBtInt) ?? 0;
    const on = { link, beginString: message.get(Tag.BeginString) ?? '', heartbeatMs: heartbeat * 1000 };
    if (this.#on !== undefined) {
      // Without a message, whose number the other connection would miss.
      this.#options.log.warn({ peer: this.peer, why: 'it is logged on over another connection' }, 'logon refused');
      return link.end();
    }
    if (wrong !== undefined) return this.#refuse(on, wrong);
    const sequence = message.whole(Tag.MsgSeqNum) ?? 0;
    const resets = message.isYes(Tag.ResetSeqNumFlag);
    const late = this.#whyLate(message);
    if (late !== undefined) return this.#refuse(on, late);
    const expected = message.whole(Tag.NextExpectedMsgSeqNum);
    if (!resets) {
      if (sequence < this.#numbers.expectedIn) return this.#refuse(on, this.#tooLow(sequence));
      if (expected !== undefined && expected > this.#numbers.nextOut) {
        const rule = `must be at most ${this.#numbers.nextOut}, the next message of this side`;
        return this.#refuse(on, `NextExpectedMsgSeqNum (789): ${expected} ${rule}`);
      }
    }
    this.#on = on;
    this.#lastReceivedAt = now();
    this.#testRequestAt = undefined;
    this.#isLate = false;
    this.#gap = undefined;
    this.#logoutAt = undefined;
    this.#hasLeft = false;
    this.#acceptLogon(message, sequence, resets);
    const first = this.#numbers.nextOut - 1;
    if (!resets && expected !== undefined && expected < first) this.#replay(expected, first);
    this.#options.log.info({ peer: this.peer, beginString: on.beginString, heartbeat, resets }, 'logged on');
  }

  /** Takes a message of the connection that is logged on. */
  receive(message: FixMessage): void {
    const { own, peer, now } = this.#options;
    if (this.#on === undefined) return;
    this.#lastReceivedAt = now();
    this.#testRequestAt = undefined;
    this.#isLate = false;
    if (message.get(Tag.BeginString) !== this.#on.beginString)
      return this.logout(`BeginString (8): it must be ${this.#on.beginString}, as in the Logon`);
    const sequence = message.whole(Tag.MsgSeqNum);
    if (sequence === undefined || sequence === 0)
      return this.logout(`MsgSeqNum (34): "${message.get(Tag.MsgSeqNum) ?? ''}" must be a number from 1`);
    if (message.get(Tag.SenderCompID) !== peer || message.get(Tag.TargetCompID) !== own) {
      const text = `SenderCompID (49) and TargetCompID (56): must be ${peer}, ${own}`;
      return this.#refuseHeader(message, sequence, RejectReason.compId, undefined, text);
    }
    const late = this.#whyLate(message);
    if (late !== undefined)
      return this.#refuseHeader(message, sequence, RejectReason.sendingTime, Tag.SendingTime, late);
    this.#sequenced(message, sequence);
  }

  /** Sends an application message, now or when the peer is back and asks for what it missed. */
  send(type: string, body: readonly FixField[]): void {
    this.#send(type, body, true);
  }

  /** Answers a message that breaks a rule of the session: FIX 3. */
  reject(message: FixMessage, reason: number, tag: number | undefined, text: string): void {
    this.#reject(message, reason, tag, text);
  }

  /** Ends the session; the connection ends when the peer has said the same. */
  logout(text: string): void {
    if (this.#on === undefined || this.#logoutAt !== undefined) return;
    this.#logoutAt = this.#options.now();
    this.#options.log.info({ peer: this.peer, why: text }, 'logging out');
    this.#send(MsgType.Logout, [[Tag.Text, plain(text)]], false);
  }

  /** Ends the connection without waiting for the peer. */
  endWhenWritten(): void {
    const link = this.#on?.link;
    this.#options.memory.whenDurable(() => link?.end());
  }

  /** The connection is gone. */
  lost(link: SessionLink): void {
    if (this.#on?.link !== link) return;
    this.#on = undefined;
    this.#options.log.info({ peer: this.peer, ...this.#numbers }, 'connection ended');
  }

  /** A peer that is not read from, because too much is under way, is not silent. */
  excuse(): void {
    this.#lastReceivedAt = this.#options.now();
  }

  /** To be called several times a second. */
  tick(): void {
    const on = this.#on;
    if (on === undefined) return;
    const now = this.#options.now();
    if (this.#logoutAt !== undefined) {
      if (now - this.#logoutAt >= LOGOUT_MS_MAX) on.link.end();
      return;
    }
    this.#tickGap(now);
    if (on.heartbeatMs === 0) return;
    const patience = on.heartbeatMs * SILENCE_INTERVALS;
    if (this.#testRequestAt !== undefined && now - this.#testRequestAt >= patience) {
      // A gateway that stood still reads between two ticks what had come meanwhile.
      if (!this.#isLate) {
        this.#isLate = true;
        return;
      }
      this.logout('nothing was heard, and TestRequest was not answered');
      return this.endWhenWritten();
    }
    if (this.#testRequestAt === undefined && now - this.#lastReceivedAt >= patience) {
      this.#testRequestAt = now;
      this.#send(MsgType.TestRequest, [[Tag.TestReqID, `${++this.#tests}`]], false);
    } else if (now - this.#lastSentAt >= on.heartbeatMs) this.#send(MsgType.Heartbeat, [], false);
  }

  #acceptLogon(message: FixMessage, sequence: number, resets: boolean): void {
    const numbers = this.#numbers;
    const again = resets ? this.#reset() : [];
    const gap = sequence > numbers.expectedIn;
    if (!gap) numbers.expectedIn++;
    const reply: FixField[] = [
      [Tag.EncryptMethod, '0'],
      [Tag.HeartBtInt, message.get(Tag.HeartBtInt) ?? ''],
    ];
    if (resets) reply.push([Tag.ResetSeqNumFlag, 'Y']);
    if (message.has(Tag.NextExpectedMsgSeqNum)) reply.push([Tag.NextExpectedMsgSeqNum, String(numbers.expectedIn)]);
    const version = message.get(Tag.DefaultApplVerID);
    if (version !== undefined) reply.push([Tag.DefaultApplVerID, version]);
    this.#send(MsgType.Logon, reply, false);
    // What nobody can have received goes out under new numbers; the peer may have got it from a process that was killed.
    for (const { type, body } of again) this.#send(type, body, true, true);
    if (gap && !message.has(Tag.NextExpectedMsgSeqNum)) this.#askAgain(sequence);
    else if (gap) this.#gap = { upTo: sequence, at: this.#options.now(), attempts: 0 };
  }

  /** Both sides begin with 1 again. Gives what was never written to a socket. */
  #reset(): SentMessage[] {
    const numbers = this.#numbers;
    const unwritten = [...this.#options.memory.sent(numbers.written + 1, numbers.nextOut - 1)];
    this.#options.memory.forgetSent();
    numbers.nextOut = 1;
    numbers.expectedIn = 1;
    numbers.written = 0;
    this.#gap = undefined;
    return unwritten.map(([, message]) => message);
  }

  #sequenced(message: FixMessage, sequence: number): void {
    const numbers = this.#numbers;
    const { type } = message;
    if (type === MsgType.Logon && message.isYes(Tag.ResetSeqNumFlag)) return this.#resetWithin(message, sequence);
    const isOld = sequence < numbers.expectedIn && message.isYes(Tag.PossDupFlag);
    if (type === MsgType.Logout && !isOld) return this.#takeLogout(sequence);
    if (type === MsgType.SequenceReset && !message.isYes(Tag.GapFillFlag)) return this.#takeReset(message);
    if (sequence > numbers.expectedIn) {
      // First, because a peer that waits for it may not answer ours before.
      if (type === MsgType.ResendRequest && message.fault === undefined) this.#takeResendRequest(message);
      this.#askAgain(sequence);
      return;
    }
    if (sequence < numbers.expectedIn) return this.#takeLow(message, sequence);
    numbers.expectedIn++;
    this.#options.memory.keepNumbers(numbers);
    if (this.#gap !== undefined) this.#gap.at = this.#options.now();
    this.#take(message);
    if (this.#gap !== undefined && numbers.expectedIn > this.#gap.upTo) this.#gap = undefined;
  }

  /** A message that came in its turn. */
  #take(message: FixMessage): void {
    const { fault, type } = message;
    if (fault !== undefined) return this.#reject(message, fault.reason, fault.tag, fault.text);
    if (message.isYes(Tag.PossDupFlag) && !this.#isSentBefore(message)) return;
    switch (type) {
      case MsgType.Heartbeat:
        return;
      case MsgType.Reject:
        this.#options.log.warn(
          { peer: this.peer, refSeqNum: message.get(Tag.RefSeqNum), text: message.get(Tag.Text) },
          'the peer rejected a message',
        );
        return;
      case MsgType.TestRequest: {
        const id = message.get(Tag.TestReqID);
        if (id === undefined) return this.#missing(message, Tag.TestReqID);
        return this.#send(MsgType.Heartbeat, [[Tag.TestReqID, id]], false);
      }
      case MsgType.ResendRequest:
        return this.#takeResendRequest(message);
      case MsgType.SequenceReset:
        return this.#takeGapFill(message);
      case MsgType.Logon:
        return this.#reject(message, RejectReason.other, Tag.MsgType, 'the session is logged on already');
      default:
        this.#options.onApplication(message);
    }
  }

  #takeLow(message: FixMessage, sequence: number): void {
    if (!message.isYes(Tag.PossDupFlag)) return this.logout(this.#tooLow(sequence));
    // It was handled when it came first.
    this.#isSentBefore(message);
  }

  /** Whether a message with PossDupFlag says when it was sent first: FIX session test cases 2f and 2g. It is rejected if not. */
  #isSentBefore(message: FixMessage): boolean {
    const original = message.get(Tag.OrigSendingTime);
    // A gap fill was never sent before.
    if (original === undefined && message.type === MsgType.SequenceReset) return true;
    if (original === undefined) {
      this.#missing(message, Tag.OrigSendingTime);
      return false;
    }
    const sentAt = parseUtcTimestamp(message.get(Tag.SendingTime) ?? '') ?? 0;
    if ((parseUtcTimestamp(original) ?? Number.POSITIVE_INFINITY) <= sentAt) return true;
    const text = `OrigSendingTime (122): ${original} must not be after SendingTime (52)`;
    this.#reject(message, RejectReason.sendingTime, Tag.OrigSendingTime, text);
    this.logout(text);
    return false;
  }

  #takeLogout(sequence: number): void {
    const numbers = this.#numbers;
    if (sequence === numbers.expectedIn) {
      numbers.expectedIn++;
      this.#options.memory.keepNumbers(numbers);
    }
    this.#hasLeft = this.#logoutAt === undefined;
    this.logout('as asked');
    this.endWhenWritten();
  }

  #takeReset(message: FixMessage): void {
    const numbers = this.#numbers;
    const next = message.whole(Tag.NewSeqNo);
    if (next === undefined) return this.#missing(message, Tag.NewSeqNo);
    if (next < numbers.expectedIn) {
      const text = `NewSeqNo (36): ${next} must be at least ${numbers.expectedIn}, the next one expected`;
      return this.#reject(message, RejectReason.valueIncorrect, Tag.NewSeqNo, text);
    }
    numbers.expectedIn = next;
    this.#gap = undefined;
    this.#options.memory.keepNumbers(numbers);
    this.#options.log.warn({ peer: this.peer, next }, 'the peer reset its sequence: what it skipped is not asked for');
  }

  #takeGapFill(message: FixMessage): void {
    const numbers = this.#numbers;
    const next = message.whole(Tag.NewSeqNo);
    if (next === undefined) return this.#missing(message, Tag.NewSeqNo);
    // The number of the message itself was counted.
    if (next < numbers.expectedIn) {
      const text = `NewSeqNo (36): ${next} must be above MsgSeqNum (34)`;
      return this.#reject(message, RejectReason.valueIncorrect, Tag.NewSeqNo, text);
    }
    numbers.expectedIn = next;
    this.#options.memory.keepNumbers(numbers);
  }

  /** A reset in the middle of a session, for those who trade around the clock. */
  #resetWithin(message: FixMessage, sequence: number): void {
    if (sequence !== 1) return this.logout(`MsgSeqNum (34): ${sequence} must be 1 with ResetSeqNumFlag (141)`);
    // What still waits to be written has numbers of before.
    if (this.#on !== undefined) this.#on = { ...this.#on };
    this.#acceptLogon(message, sequence, true);
  }

  #takeResendRequest(message: FixMessage): void {
    const from = message.whole(Tag.BeginSeqNo);
    const to = message.whole(Tag.EndSeqNo);
    if (from === undefined) return this.#missing(message, Tag.BeginSeqNo);
    if (to === undefined) return this.#missing(message, Tag.EndSeqNo);
    const last = this.#numbers.nextOut - 1;
    if (from === 0 || from > last || (to !== 0 && to < from)) {
      const text = `BeginSeqNo (7): ${from} must be from 1 to ${last} and not above EndSeqNo (16)`;
      return this.#reject(message, RejectReason.valueIncorrect, Tag.BeginSeqNo, text);
    }
    const now = this.#options.now();
    if (now - this.#resends.since > MINUTE_MS) this.#resends = { since: now, count: 0 };
    if (++this.#resends.count > RESENDS_PER_MINUTE_MAX)
      return this.logout(`ResendRequest: at most ${RESENDS_PER_MINUTE_MAX} in a minute`);
    this.#replay(from, to === 0 ? last : Math.min(to, last));
  }

  /** Sends messages again as they were; those of the session itself, and those not kept, are skipped with a gap fill. */
  #replay(from: number, to: number): void {
    const on = this.#on;
    this.#options.memory.whenDurable(() => {
      if (on === undefined || this.#on !== on) return;
      let next = from;
      let count = 0;
      for (const [sequence, { type, time, body }] of this.#options.memory.sent(from, to)) {
        if (sequence > next) this.#fillGap(on, next, sequence);
        this.#write(on, sequence, type, body, utcTimestamp(this.#options.now()), [
          [Tag.PossDupFlag, 'Y'],
          [Tag.OrigSendingTime, time],
        ]);
        next = sequence + 1;
        count++;
      }
      if (next <= to) this.#fillGap(on, next, to + 1);
      this.#wrote(from, to);
      this.#options.log.info({ peer: this.peer, from, to, messages: count }, 'sent again');
    });
  }

  #fillGap(on: LoggedOn, sequence: number, next: number): void {
    const time = utcTimestamp(this.#options.now());
    const body: FixField[] = [
      [Tag.GapFillFlag, 'Y'],
      [Tag.NewSeqNo, String(next)],
    ];
    this.#write(on, sequence, MsgType.SequenceReset, body, time, [
      [Tag.PossDupFlag, 'Y'],
      [Tag.OrigSendingTime, time],
    ]);
  }

  #askAgain(upTo: number): void {
    if (this.#gap !== undefined) return;
    this.#gap = { upTo, at: this.#options.now(), attempts: 1 };
    this.#sendResendRequest();
  }

  #tickGap(now: number): void {
    const gap = this.#gap;
    if (gap === undefined || now - gap.at < RESEND_MS_MAX) return;
    if (gap.attempts >= RESEND_ATTEMPTS_MAX)
      return this.logout(`the messages from ${this.#numbers.expectedIn} on were not sent again`);
    gap.attempts++;
    gap.at = now;
    this.#sendResendRequest();
  }

  #sendResendRequest(): void {
    const fields: FixField[] = [
      [Tag.BeginSeqNo, String(this.#numbers.expectedIn)],
      [Tag.EndSeqNo, '0'],
    ];
    this.#send(MsgType.ResendRequest, fields, false);
  }

  /** Rejects a message for its header and ends the session. It has come: asked for again it would be carried out after all. */
  #refuseHeader(message: FixMessage, sequence: number, reason: number, tag: number | undefined, text: string): void {
    if (sequence === this.#numbers.expectedIn) this.#numbers.expectedIn++;
    this.#reject(message, reason, tag, text);
    this.logout(text);
  }

  #missing(message: FixMessage, tag: number): void {
    this.#reject(message, RejectReason.requiredTagMissing, tag, `${tagName(tag)}: it must be there`);
  }

  #reject(message: FixMessage, reason: number, tag: number | undefined, text: string): void {
    this.#options.log.info({ peer: this.peer, type: message.type, text }, 'message rejected');
    const body: FixField[] = [[Tag.RefSeqNum, message.get(Tag.MsgSeqNum) ?? '0']];
    if (tag !== undefined) body.push([Tag.RefTagID, String(tag)]);
    if (/^[0-9A-Za-z]{1,3}$/.test(message.type)) body.push([Tag.RefMsgType, message.type]);
    body.push([Tag.SessionRejectReason, String(reason)], [Tag.Text, plain(text)]);
    this.#send(MsgType.Reject, body, true);
  }

  #send(type: string, body: readonly FixField[], isKept: boolean, maySendTwice = false): void {
    const { memory, now } = this.#options;
    const numbers = this.#numbers;
    const sequence = numbers.nextOut++;
    const time = utcTimestamp(now());
    memory.keepNumbers(numbers);
    if (isKept) memory.keepSent(sequence, { type, time, body });
    const on = this.#on;
    if (on === undefined) return;
    this.#lastSentAt = now();
    memory.whenDurable(() => {
      // After a connection was lost the peer asks for what it missed.
      if (this.#on !== on) return;
      this.#write(on, sequence, type, body, time, maySendTwice ? [[Tag.PossResend, 'Y']] : []);
      this.#wrote(sequence, sequence);
    });
  }

  #write(
    on: LoggedOn,
    sequence: number,
    type: string,
    body: readonly FixField[],
    time: string,
    more: readonly FixField[],
  ): void {
    const { own, peer } = this.#options;
    const known = on.beginString === 'FIX.4.4' ? inFix44(body) : body;
    on.link.write(encodeMessage(on.beginString, [...header(type, own, peer, sequence, time), ...more, ...known]));
  }

  /** Says why a Logon is refused and ends the link. */
  #refuse(on: LoggedOn, text: string): void {
    const { own, peer, memory, now, log } = this.#options;
    log.warn({ peer, why: text }, 'logon refused');
    const sequence = this.#numbers.nextOut++;
    memory.keepNumbers(this.#numbers);
    const fields = header(MsgType.Logout, own, peer, sequence, utcTimestamp(now()));
    const bytes = encodeMessage(on.beginString, [...fields, [Tag.Text, plain(text)]]);
    memory.whenDurable(() => {
      on.link.write(bytes);
      on.link.end();
      this.#wrote(sequence, sequence);
    });
  }

  /** Notes that messages were given to a socket. One behind others that were not says nothing of those. */
  #wrote(from: number, to: number): void {
    const numbers = this.#numbers;
    if (from <= numbers.written + 1 && to > numbers.written && to < numbers.nextOut) numbers.written = to;
  }

  #whyLate(message: FixMessage): string | undefined {
    const { skewMsMax, now } = this.#options;
    const text = message.get(Tag.SendingTime) ?? '';
    const sentAt = parseUtcTimestamp(text);
    if (sentAt === undefined) return `SendingTime (52): "${text}" must be a time such as 20260131-09:30:00.000`;
    if (skewMsMax === 0 || Math.abs(now() - sentAt) <= skewMsMax) return undefined;
    return `SendingTime (52): ${text} must be within ${skewMsMax / 1000} s of ${utcTimestamp(now())}`;
  }

  #tooLow(sequence: number): string {
    return `MsgSeqNum too low, expecting ${this.#numbers.expectedIn} but received ${sequence}`;
  }
}

function header(type: string, own: string, peer: string, sequence: number, time: string): FixField[] {
  return [
    [Tag.MsgType, type],
    [Tag.SenderCompID, own],
    [Tag.TargetCompID, peer],
    [Tag.MsgSeqNum, String(sequence)],
    [Tag.SendingTime, time],
  ];
}

function whyNoLogon(message: FixMessage): string | undefined {
  if (message.fault !== undefined) return message.fault.text;
  const sequence = message.whole(Tag.MsgSeqNum);
  if (sequence === undefined || sequence === 0) return 'MsgSeqNum (34): it must be a number from 1';
  const encryption = message.get(Tag.EncryptMethod);
  if (encryption !== '0') return `EncryptMethod (98): "${encryption ?? ''}" must be 0; use TLS`;
  const heartbeat = message.whole(Tag.HeartBtInt);
  if (heartbeat === undefined || heartbeat > HEARTBEAT_SECONDS_MAX) {
    const given = message.get(Tag.HeartBtInt) ?? '';
    return `HeartBtInt (108): "${given}" must be a whole number from 0 to ${HEARTBEAT_SECONDS_MAX}`;
  }
  if (message.isYes(Tag.ResetSeqNumFlag) && sequence !== 1)
    return `MsgSeqNum (34): ${sequence} must be 1 with ResetSeqNumFlag (141)`;
  return undefined;
}

/** Text that a field can hold: no SOH and nothing that Latin-1 lacks. */
export function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a field must not hold
  return text.replaceAll(/[\u0000-\u001f\u007f]|[^\u0000-\u00ff]/g, '?').slice(0, 256);
}
