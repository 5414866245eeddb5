import { createHash } from 'node:crypto';
import { COMMAND_WORD, COMMAND_WORDS, Op } from '../journal/commands.ts';
import type { CommandPort, EventListener } from './command-port.ts';
import {
  type AnswerSink,
  checkRequest,
  isRefusal,
  MESSAGE_COMMANDS_MAX,
  MESSAGE_HEADER_BYTES,
  type Refusal,
  type RequestHeader,
} from './messages.ts';
import type { OpenSessions } from './open-sessions.ts';
import type { ActingRole, Principal } from './principals.ts';

/** Carries a client's token in a request. */
export const TOKEN_HEADER = 'Veritape-Token';
/** The administrator's account; its token may act for every account. */
const ADMINISTRATOR = 0;

/** 1 for each kind of command that is passed on. */
const OPS_TAKEN = new Uint8Array(256);
for (const op of [
  Op.new,
  Op.cancel,
  Op.reduce,
  Op.replace,
  Op.massCancel,
  Op.terms,
  Op.massStatus,
  Op.moveIn,
  Op.moveOut,
  Op.moveStatus,
  Op.moveTerms,
  Op.moveSet,
  Op.instrumentCreate,
  Op.instrumentUpdate,
  Op.instrumentAssign,
  Op.instrumentSet,
  Op.halt,
  Op.resume,
  Op.openAuction,
  Op.uncross,
  Op.schedule,
  Op.unschedule,
  Op.phase,
  Op.accountSet,
  Op.deposit,
  Op.withdraw,
  Op.kill,
  Op.reinstate,
  Op.sessionOpen,
  Op.sessionClose,
])
  OPS_TAKEN[op] = 1;

/** Whether a kind of command is passed on. A message with one that is not is refused as a whole. */
export function isPassedOn(op: number): boolean {
  return OPS_TAKEN[op] === 1;
}

const OF_ORDERS = [Op.cancel, Op.reduce, Op.massCancel];
/** What each role may send, for any account. */
export const OPS_OF_ROLE: Readonly<Record<ActingRole, readonly number[]>> = {
  risk: [...OF_ORDERS, Op.accountSet, Op.kill, Op.reinstate],
  marketOperations: [
    ...[...OF_ORDERS, Op.massStatus, Op.moveIn, Op.moveOut, Op.moveStatus, Op.moveTerms, Op.moveSet],
    ...[Op.instrumentCreate, Op.instrumentUpdate, Op.instrumentAssign, Op.instrumentSet],
    ...[Op.halt, Op.resume, Op.openAuction, Op.uncross, Op.schedule, Op.unschedule, Op.phase],
  ],
  clearing: [Op.deposit, Op.withdraw],
};

/** Tokens are compared by digest, so that nothing is learnt from how long a comparison takes. */
export function tokenDigest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Messages taken, commands in them, messages refused, and those answered `busy`. */
export interface IntakeCounts {
  requests: number;
  commands: number;
  refused: number;
  busy: number;
}

/**
 * What a gateway does with a request before and while it puts it into the sequence: shape, rights, order. Knows nothing of
 * networks, and has no clock and no timer: a simulator runs the same code.
 */
export class RequestIntake {
  readonly counts: IntakeCounts = { requests: 0, commands: 0, refused: 0, busy: 0 };
  readonly #port: CommandPort;
  readonly #sessions: OpenSessions;
  readonly #tokens: ReadonlyMap<string, ReadonlySet<number>> | undefined;
  readonly #bound: boolean;
  readonly #scratch = new Uint32Array(MESSAGE_COMMANDS_MAX * COMMAND_WORDS);
  readonly #scratchBytes = new Uint8Array(this.#scratch.buffer);

  /**
   * @param tokens accounts that each token may act for, by {@link tokenDigest}; without it everybody may for every one
   * @param bound whether only principals may speak, each for its account
   */
  constructor(
    port: CommandPort,
    sessions: OpenSessions,
    tokens?: ReadonlyMap<string, ReadonlySet<number>>,
    bound = false,
  ) {
    this.#port = port;
    this.#sessions = sessions;
    this.#tokens = tokens;
    this.#bound = bound;
  }

  /** To be called with the events that are let out. */
  readonly take: EventListener = (words, mask, from, count) => this.#sessions.take(words, mask, from, count);

  /** Passes a request on to the sequencer, or says why not. */
  pass(bytes: Uint8Array, token: string | undefined, sink: AnswerSink, principal?: Principal): Refusal | undefined {
    const refusal = this.#pass(bytes, token ?? '', sink, principal);
    if (refusal?.error === 'busy') this.counts.busy++;
    else if (refusal !== undefined) this.counts.refused++;
    return refusal;
  }

  /** Whose the session is that a request names; undefined if it names none that is open. */
  ownerOf(bytes: Uint8Array): number | undefined {
    const header = checkRequest(bytes);
    return isRefusal(header) ? undefined : this.#sessions.accountOf(header.session);
  }

  #pass(bytes: Uint8Array, token: string, sink: AnswerSink, principal: Principal | undefined): Refusal | undefined {
    const header = checkRequest(bytes);
    if (isRefusal(header)) return header;
    const { refusal: why } = this.#port;
    if (why !== undefined) return { error: 'unavailable', field: 'venue', value: 'refuses', rule: why };
    this.#scratchBytes.set(bytes.subarray(MESSAGE_HEADER_BYTES));
    const refusal = this.#checkRecords(header) ?? this.#authorize(token, principal, header) ?? this.#checkOrder(header);
    if (refusal !== undefined) return refusal;
    const { count, session, firstRequest } = header;
    const outcome = this.#port.submit(this.#scratch, 0, count, session, firstRequest, sink);
    if (outcome === 'busy')
      return { error: 'busy', field: 'count', value: count, rule: 'the input ring is full; send the message again' };
    this.counts.requests++;
    this.counts.commands += count;
    if (session !== 0) this.#sessions.pass(session, firstRequest + count);
    return undefined;
  }

  #checkRecords(header: RequestHeader): Refusal | undefined {
    for (let index = 0; index < header.count; index++) {
      const op = (this.#scratch[index * COMMAND_WORDS] as number) & 255;
      if (!isPassedOn(op))
        return {
          error: 'malformed',
          field: `commands[${index}].op`,
          value: op,
          rule: 'a kind of command that this version takes',
        };
      if ((op === Op.sessionOpen) !== (header.session === 0)) {
        return {
          error: 'malformed',
          field: 'session',
          value: header.session,
          rule: 'sessions are opened without a session, and every other command needs one',
        };
      }
    }
    return undefined;
  }

  /**
   * Whether what a token is sent with may concern the whole venue. Without tokens everything may: where principals are
   * bound, NATS lets nobody else publish on such subjects.
   */
  isAdministrator(token = ''): boolean {
    return this.#tokens === undefined || this.#tokens.get(tokenDigest(token))?.has(ADMINISTRATOR) === true;
  }

  /** Why whoever asks, with a token or as a principal, may not know of an account; undefined if they may. */
  refusalFor(token: string | undefined, principal: Principal | undefined, account: number): Refusal | undefined {
    const misplaced = this.#misplaced(principal);
    if (misplaced !== undefined) return misplaced;
    const accounts = principal?.accounts ?? this.#tokens?.get(tokenDigest(token ?? ''));
    const isOpen = principal === undefined && this.#tokens === undefined;
    if (isOpen || accounts?.has(ADMINISTRATOR) === true || accounts?.has(account) === true) return undefined;
    return { error: 'unauthorized', field: 'account', value: account, rule: 'an account that the sender may act for' };
  }

  /** Why a request may not come on the subject of a principal, or of none. */
  #misplaced(principal: Principal | undefined): Refusal | undefined {
    if (this.#bound === (principal !== undefined)) return undefined;
    return {
      error: 'unauthorized',
      field: 'subject',
      value: principal?.identity ?? 'no identity',
      rule: this.#bound
        ? 'requests come on the subject of an identity and an account, veritape.S.submit.IDENTITY.ACCOUNT'
        : 'this venue does not bind identities to accounts (serve --bound): requests come on veritape.S.submit',
    };
  }

  #authorize(token: string, principal: Principal | undefined, header: RequestHeader): Refusal | undefined {
    const misplaced = this.#misplaced(principal);
    if (misplaced !== undefined) return misplaced;
    if (principal !== undefined) return this.#authorizeFor(principal.accounts, header, principal.role);
    if (this.#tokens === undefined) return undefined;
    const accounts = this.#tokens.get(tokenDigest(token));
    if (accounts !== undefined) return this.#authorizeFor(accounts, header);
    return {
      error: 'unauthorized',
      field: TOKEN_HEADER,
      value: token === '' ? 'missing' : 'unknown',
      rule: 'a token that the venue knows',
    };
  }

  #authorizeFor(accounts: ReadonlySet<number>, header: RequestHeader, role?: ActingRole): Refusal | undefined {
    if (role === undefined && accounts.has(ADMINISTRATOR)) return undefined;
    // Whoever may use a session of the administrator's may act for every account.
    const owner = this.#sessions.accountOf(header.session);
    if (header.session !== 0 && (owner === undefined || !accounts.has(owner))) {
      return {
        error: 'unauthorized',
        field: 'session',
        value: header.session,
        rule: 'an open session of an account that the sender may act for',
      };
    }
    if (role !== undefined && header.session !== 0) return this.#whyNotAs(role, header);
    for (let index = 0; index < header.count; index++) {
      const account = this.#scratch[index * COMMAND_WORDS + COMMAND_WORD.account] as number;
      if (!accounts.has(account)) {
        return {
          error: 'unauthorized',
          field: `commands[${index}].account`,
          value: account,
          rule: 'an account that the sender may act for',
        };
      }
    }
    return undefined;
  }

  /** By the kind of each command; whether the account has the role, and for whom, the venue's state tells. */
  #whyNotAs(role: ActingRole, header: RequestHeader): Refusal | undefined {
    for (let index = 0; index < header.count; index++) {
      const op = (this.#scratch[index * COMMAND_WORDS] as number) & 255;
      if (op === Op.sessionClose || OPS_OF_ROLE[role].includes(op)) continue;
      return {
        error: 'unauthorized',
        field: `commands[${index}].op`,
        value: op,
        rule: `a kind of command that the role ${role} is for`,
      };
    }
    return undefined;
  }

  /** Refuses what would leave a gap, so that a client whose message was answered `busy` can send the rest again in order. */
  #checkOrder(header: RequestHeader): Refusal | undefined {
    const next = this.#sessions.nextOf(header.session);
    if (next === undefined || header.firstRequest <= next) return undefined;
    return {
      error: 'requestGap',
      field: 'firstRequest',
      value: header.firstRequest,
      rule: `at most ${next}, the next of its session`,
    };
  }
}
