import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { createInbox } from '@nats-io/transport-node';

/** What an identity can be let act as; replicas/transition/roles.ts has what the account needs for it, too. */
export const ACTING_ROLES = ['risk', 'marketOperations', 'clearing'] as const;
export type ActingRole = (typeof ACTING_ROLES)[number];

/**
 * Who speaks on a subject. NATS does not tell a subscriber who published, but its server lets an identity publish only where
 * its permissions say. So requests that concern an account go to subjects that end in an identity and an account:
 *
 *     veritape.S.submit.IDENTITY.ACCOUNT
 *
 * and whoever could publish there is that identity and may act for that account, if the server's configuration is the one
 * that `veritape access config` writes. Account 0 is the administrator's, who may act for every account. With a role behind it,
 *
 *     veritape.S.submit.IDENTITY.ACCOUNT.ROLE
 *
 * it sends what that role is for, for other accounts too, in sessions of its own account, and nothing else.
 */
export interface Principal {
  readonly identity: string;
  readonly account: number;
  /** As what it acts, if not for its account alone. */
  readonly role?: ActingRole | undefined;
  /** All of that, as the subject has it. */
  readonly key: string;
  /** The accounts that it may act for, as those of a token. */
  readonly accounts: ReadonlySet<number>;
  /** How the subjects on which it may be answered begin. */
  readonly inbox: string;
}

/** Also a token of a NATS subject, so without dots, wildcards and blanks. */
export const IDENTITY_PATTERN = /^[A-Za-z0-9_-]{1,32}$/;
export const IDENTITY_RULE = '1 to 32 letters, digits, - and _';
/** Another spelling of a number would be another subject, which other permissions may cover. */
const ACCOUNT_PATTERN = /^(?:0|[1-9]\d{0,9})$/;
const U32_MAX = 4_294_967_295;
const INBOXES = '_INBOX.';
/** Principals kept at hand; with more, all are made anew. */
const PRINCIPALS_MAX = 16_384;

/** How the inboxes of an identity begin; its permissions let nobody else listen there. */
export function inboxPrefix(identity: string): string {
  return `${INBOXES}${identity}`;
}

/** A subject for replies to `connection`, where the server lets it listen. */
export function inboxOf(connection: NatsConnection): string {
  return createInbox(prefixOf(connection));
}

/** Whether `connection` was made as an identity, on a server that holds up permissions. */
export function isBound(connection: NatsConnection): boolean {
  return prefixOf(connection)?.startsWith(INBOXES) === true;
}

function prefixOf(connection: NatsConnection): string | undefined {
  // The interface does not tell the options that a connection was made with; the library's one class does.
  const { options } = connection as { readonly options?: { readonly inboxPrefix?: string } };
  return options?.inboxPrefix;
}

/** Finds the principals of the subjects below `prefix`, without an object for any that is known already. */
export class Principals {
  readonly #prefix: string;
  readonly #known = new Map<string, Principal>();

  constructor(prefix: string) {
    this.#prefix = `${prefix}.`;
  }

  /** Undefined if the subject names none. */
  of(subject: string): Principal | undefined {
    const known = this.#known.get(subject);
    if (known !== undefined) return known;
    const principal = subject.startsWith(this.#prefix) ? parsePrincipal(subject.slice(this.#prefix.length)) : undefined;
    if (principal === undefined) return undefined;
    if (this.#known.size >= PRINCIPALS_MAX) this.#known.clear();
    this.#known.set(subject, principal);
    return principal;
  }
}

function parsePrincipal(text: string): Principal | undefined {
  const [identity = '', digits = '', named, ...rest] = text.split('.');
  const account = Number(digits);
  if (rest.length > 0 || !IDENTITY_PATTERN.test(identity)) return undefined;
  if (!ACCOUNT_PATTERN.test(digits) || account > U32_MAX) return undefined;
  const role = ACTING_ROLES.find((one) => one === named);
  if (named !== undefined && role === undefined) return undefined;
  return { identity, account, role, key: text, accounts: new Set([account]), inbox: `${inboxPrefix(identity)}.` };
}

/**
 * Whether a message may be answered where it asks for. A NATS server does not check the reply subject of a request, and
 * whoever answers publishes there with permissions of its own: a client could have the venue speak on any subject of the
 * venue's, or to another client. `principal` is undefined for subjects that name none.
 */
export function mayAnswer(message: Msg, principal: Principal | undefined): boolean {
  const { reply } = message;
  return reply === undefined || reply === '' || reply.startsWith(principal?.inbox ?? INBOXES);
}
