import { createHash, timingSafeEqual } from 'node:crypto';
import { CANCEL_AFTER_MS_MAX, CANCEL_AFTER_MS_MIN } from '../../sequencer/disconnect-watch.ts';
import { UsageError } from '../exit-codes.ts';
import { parseJson, readNamedFile, refuseOthers } from '../named-file.ts';
import { DecimalScale } from './decimal-scale.ts';
import type { FeeScale, InstrumentScale } from './order-terms.ts';

/** Somebody who may log on, and what for. */
export interface FixClientConfig {
  /** SenderCompID (49) of its messages. */
  readonly compId: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** SHA-256 of the client's TLS certificate, as 64 hexadecimal digits. */
  readonly certificate: string | undefined;
  /** Accounts of the venue that it may trade for. */
  readonly accounts: readonly number[];
  /** What the venue knows the gateway by when it acts for this client. */
  readonly token: string | undefined;
  /** How long after its connection is lost the venue cancels all open orders of its accounts; undefined for never. */
  readonly cancelAfterMs: number | undefined;
}

const CLIENTS_MAX = 256;
const ACCOUNTS_MAX = 64;
const PASSWORD_CHARACTERS_MIN = 16;
const SKEW_SECONDS_DEFAULT = 120;
const SKEW_SECONDS_MAX = 86_400;
const U32_MAX = 4_294_967_295;
const COMP_ID = /^[!-~]{1,32}$/;
/** Codes of ISO 4217 have three letters; names of other assets are longer. */
const CURRENCY = /^[!-~]{1,16}$/;

/**
 * The gateway's configuration, a JSON file:
 *
 * | field | meaning |
 * |-------|---------|
 * | compId | what clients call the gateway (TargetCompID of their messages); VERITAPE unless given |
 * | sendingTimeSkewSeconds | how far SendingTime may be off; 120 unless given, 0 for any |
 * | instruments | by name: { tick, lot, unit, currency }, all but the last decimal numbers in strings; `*` is for all that are not named |
 * | clients | { compId, username, password, certificate, accounts, token, cancelAfterMs } each |
 */
export class FixGatewayConfig {
  readonly compId: string;
  readonly sendingTimeSkewSeconds: number;
  readonly clients: readonly FixClientConfig[];
  /** Ticks and lots as they are. */
  readonly wholeScale: InstrumentScale = { ticks: new DecimalScale('1'), lots: new DecimalScale('1') };
  readonly #scales = new Map<string, InstrumentScale>();

  /** Throws a {@link UsageError}, also if others may read passwords or tokens that are in it. */
  static read(file: string): FixGatewayConfig {
    const { text, mode } = readNamedFile(file, 'config');
    const config = new FixGatewayConfig(parseJson(text, file, 'config'));
    const hasSecrets = config.clients.some(({ password, token }) => password !== undefined || token !== undefined);
    if (hasSecrets) refuseOthers(file, 'config', mode);
    return config;
  }

  constructor(parsed: unknown) {
    const fields = objectOf('config', parsed, ['compId', 'sendingTimeSkewSeconds', 'instruments', 'clients']);
    this.compId = compId('compId', fields['compId'] ?? 'VERITAPE');
    const skew = fields['sendingTimeSkewSeconds'] ?? SKEW_SECONDS_DEFAULT;
    this.sendingTimeSkewSeconds = whole('sendingTimeSkewSeconds', skew, SKEW_SECONDS_MAX);
    for (const [name, scale] of Object.entries(objectOf('instruments', fields['instruments'] ?? {})))
      this.#scales.set(name, instrumentScale(name, scale));
    const clients = fields['clients'];
    if (!Array.isArray(clients) || clients.length === 0 || clients.length > CLIENTS_MAX)
      throw new UsageError('clients', '(not shown)', `must be an array of 1 to ${CLIENTS_MAX} clients`);
    this.clients = clients.map((client, index) => clientOf(`clients[${index}]`, client));
    const names = new Set(this.clients.map((client) => client.compId));
    if (names.size !== clients.length) throw new UsageError('clients', [...names], 'no two may have the same compId');
    this.clients.forEach(checkOwnAccounts);
  }

  /** Undefined if the instrument is not named and there is no `*`. */
  scaleOf(name: string): InstrumentScale | undefined {
    return this.#scales.get(name) ?? this.#scales.get('*');
  }
}

/** Why somebody who says to be a client is not let in; undefined if it is. */
export function whyNotAuthentic(
  client: FixClientConfig,
  shown: {
    readonly username: string | undefined;
    readonly password: string | undefined;
    readonly certificate: string | undefined;
  },
): string | undefined {
  if (client.certificate !== undefined && shown.certificate !== client.certificate) return 'certificate';
  if (client.username !== undefined && shown.username !== client.username) return 'Username (553)';
  if (client.password !== undefined && !isSame(client.password, shown.password ?? '')) return 'Password (554)';
  return undefined;
}

/** Compared by digest, so that nothing is learnt from how long it takes. */
function isSame(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text, 'latin1').digest();
  return timingSafeEqual(digest(one), digest(other));
}

/** Others who show that an account is there would hide that its client is gone. */
function checkOwnAccounts(
  { accounts, cancelAfterMs }: FixClientConfig,
  index: number,
  all: readonly FixClientConfig[],
): void {
  if (cancelAfterMs === undefined) return;
  const shared = accounts.find((account) => all.some((other, at) => at !== index && other.accounts.includes(account)));
  if (shared !== undefined)
    throw new UsageError(
      `clients[${index}].accounts`,
      shared,
      'no other client may have an account of one with cancelAfterMs',
    );
}

function clientOf(field: string, value: unknown): FixClientConfig {
  const known = ['compId', 'username', 'password', 'certificate', 'accounts', 'token', 'cancelAfterMs'];
  const fields = objectOf(field, value, known);
  const username = optionalText(`${field}.username`, fields['username'], 1);
  const password = optionalText(`${field}.password`, fields['password'], PASSWORD_CHARACTERS_MIN);
  const certificate = optionalText(`${field}.certificate`, fields['certificate'], 64)
    ?.toLowerCase()
    .replaceAll(':', '');
  if (certificate !== undefined && !/^[0-9a-f]{64}$/.test(certificate))
    throw new UsageError(
      `${field}.certificate`,
      certificate,
      'must be the SHA-256 of a certificate, 64 hexadecimal digits',
    );
  if (password === undefined && certificate === undefined)
    throw new UsageError(`${field}.password`, undefined, 'a client must have a password, a certificate, or both');
  const accounts = fields['accounts'];
  if (!Array.isArray(accounts) || accounts.length === 0 || accounts.length > ACCOUNTS_MAX)
    throw new UsageError(`${field}.accounts`, accounts, `must be an array of 1 to ${ACCOUNTS_MAX} accounts`);
  // Account 0 is the administrator's, whose sessions may act for every account.
  for (const account of accounts) whole(`${field}.accounts`, account, U32_MAX, 1);
  if (new Set(accounts).size !== accounts.length)
    throw new UsageError(`${field}.accounts`, accounts, 'must be different accounts');
  return {
    compId: compId(`${field}.compId`, fields['compId']),
    ...{ username, password, certificate, accounts: accounts as number[] },
    token: optionalText(`${field}.token`, fields['token'], 1),
    cancelAfterMs:
      fields['cancelAfterMs'] === undefined
        ? undefined
        : whole(`${field}.cancelAfterMs`, fields['cancelAfterMs'], CANCEL_AFTER_MS_MAX, CANCEL_AFTER_MS_MIN),
  };
}

function instrumentScale(name: string, value: unknown): InstrumentScale {
  const field = `instruments.${name}`;
  const fields = objectOf(field, value, ['tick', 'lot', 'unit', 'currency']);
  const fees = feeScale(field, fields['unit'], fields['currency']);
  return {
    ticks: decimal(`${field}.tick`, fields['tick']),
    lots: decimal(`${field}.lot`, fields['lot'] ?? '1'),
    ...(fees === undefined ? {} : { fees }),
  };
}

function feeScale(field: string, unit: unknown, currency: unknown): FeeScale | undefined {
  if (unit === undefined && currency === undefined) return undefined;
  if (unit === undefined || currency === undefined)
    throw new UsageError(field, '(not shown)', 'fees are told with both unit and currency, or not at all');
  if (typeof currency !== 'string' || !CURRENCY.test(currency))
    throw new UsageError(`${field}.currency`, currency, 'must be 1 to 16 printable ASCII characters without spaces');
  return { currency, units: decimal(`${field}.unit`, unit) };
}

function decimal(field: string, value: unknown): DecimalScale {
  // A JSON number would have been made a floating-point number before it could be looked at.
  if (typeof value !== 'string')
    throw new UsageError(field, value, 'must be a decimal number in a string, such as "0.01"');
  try {
    return new DecimalScale(value);
  } catch (error) {
    throw new UsageError(field, value, error instanceof Error ? error.message : String(error));
  }
}

function objectOf(field: string, value: unknown, known?: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UsageError(field, '(not shown)', 'must be a JSON object');
  const unknown = known === undefined ? undefined : Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new UsageError(`${field}.${unknown}`, '', `there are only ${known?.join(', ')}`);
  return value as Record<string, unknown>;
}

function compId(field: string, value: unknown): string {
  if (typeof value === 'string' && COMP_ID.test(value)) return value;
  throw new UsageError(field, value, 'must be 1 to 32 printable ASCII characters without spaces');
}

function optionalText(field: string, value: unknown, charactersMin: number): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && value.length >= charactersMin && value.length <= 1_024) return value;
  throw new UsageError(field, '(not shown)', `must be text of at least ${charactersMin} characters`);
}

function whole(field: string, value: unknown, max: number, min = 0): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new UsageError(field, value, `must be a whole number from ${min} to ${max}`);
}
