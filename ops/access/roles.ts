import { ACTING_ROLES, type ActingRole, inboxPrefix } from '../../sequencer/principals.ts';
import { VENUE_PREFIX } from '../../sequencer/reports.ts';
import { PRIVATE_QUERIES } from '../reports/private-queries.ts';

/** What an identity is for. docs/access.md says what each may do, and why. */
export const ROLES = [
  'client',
  'fixGateway',
  'dropCopy',
  'reader',
  ...ACTING_ROLES,
  'operator',
  'follower',
  'auditor',
  'venue',
  'node',
] as const;
export type Role = (typeof ROLES)[number];

/** Somebody whom the NATS server lets in. */
export interface Identity {
  readonly name: string;
  readonly role: Role;
  /** Public part of its nkey: U and 55 letters and digits. */
  readonly key: string;
  /** Of a client or a FIX gateway: those it acts for. Of a role: those in whose sessions it acts. Of a drop copy: those it sees. */
  readonly accounts?: readonly number[] | undefined;
  /** Of a follower: how the subjects of its market data begin. */
  readonly feeds?: readonly string[] | undefined;
}

/** Subjects, with wildcards, as a NATS server's permissions have them. What is not listed is denied. */
export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** It may answer, once, on the reply subject of a request that it got. */
  readonly answers: boolean;
}

/** Roles whose rights are for certain accounts. */
export function hasAccounts(role: Role): boolean {
  return role === 'client' || role === 'fixGateway' || role === 'dropCopy' || isActing(role);
}

function isActing(role: Role): role is ActingRole {
  return ACTING_ROLES.some((one) => one === role);
}

/** Market data, as the venue and followers publish it, and on what they are asked for more of it. */
const PUBLISHED = ['trade.*', 'top.*', 'phase.*', 'feed.*.*'] as const;
const FEED_ASKED = 'feed.*.*.ask';
const ANSWERED = ['book.*', 'info', FEED_ASKED] as const;

/** Exactly what an identity needs on shard `shard`, a number or `*`, when `feeds` are published. */
export function permissionsOf(identity: Identity, shard: string, feeds: readonly string[]): Permissions {
  const { name, role, accounts = [] } = identity;
  const own = `${inboxPrefix(name)}.>`;
  const on = (...names: string[]): string[] => names.map((subject) => `${VENUE_PREFIX}.${shard}.${subject}`);
  const each = (subject: (account: number) => string): string[] => on(...accounts.map(subject));
  const queriesOf = (account: string): string[] => on(...PRIVATE_QUERIES.map((query) => `${query}.${name}.${account}`));
  const queries = accounts.flatMap((account) => queriesOf(String(account)));
  const reports = [...each((account) => `exec.${account}.*`), ...each((account) => `account.${account}`)];
  const missed = each((account) => `missed.${name}.${account}`);
  const market = [...on(...PUBLISHED), ...feeds.flatMap((feed) => PUBLISHED.map((name) => `${feed}.${shard}.${name}`))];
  const asksMarket = [
    ...on('info', FEED_ASKED),
    ...feeds.flatMap((feed) => ANSWERED.map((name) => `${feed}.${shard}.${name}`)),
  ];
  const ownFeeds = (names: readonly string[]): string[] =>
    (identity.feeds ?? []).flatMap((feed) => names.map((subject) => `${feed}.${shard}.${subject}`));
  const asksChain = on('repair', 'genesis', 'state', 'peers', 'peers.*.repair');
  const client: Permissions = {
    publish: [
      ...each((account) => `submit.${name}.${account}`),
      ...each((account) => `alive.${name}.${account}`),
      ...missed,
      ...queries,
      ...asksMarket,
    ],
    subscribe: [own, ...reports, ...market, ...on('primary')],
    answers: false,
  };
  switch (role) {
    case 'risk':
    case 'marketOperations':
    case 'clearing':
      return {
        publish: [...each((account) => `submit.${name}.${account}.${role}`), ...missed, ...queries, ...asksMarket],
        subscribe: [own, ...reports, ...market, ...on('primary', ...(role === 'marketOperations' ? ['status.*'] : []))],
        answers: false,
      };
    case 'client':
      return client;
    case 'fixGateway':
      // It follows the journal, from which it makes its reports.
      return {
        publish: [...client.publish, ...asksChain],
        subscribe: [...client.subscribe, ...on('block')],
        answers: false,
      };
    case 'dropCopy':
      return {
        publish: [...missed, ...queries, ...on('info')],
        subscribe: [own, ...reports, ...on('primary')],
        answers: false,
      };
    case 'reader':
      return { publish: asksMarket, subscribe: [own, ...market, ...on('primary')], answers: false };
    case 'operator':
      return {
        publish: [...on(`submit.${name}.0`, 'handover', 'state'), ...queriesOf('*'), ...asksMarket],
        subscribe: [own, ...market, ...on('status.*', 'primary')],
        answers: false,
      };
    case 'follower':
      return {
        publish: [...asksChain, ...ownFeeds(PUBLISHED)],
        subscribe: [
          own,
          ...on('block', 'peers', 'peers.*.repair', ...PRIVATE_QUERIES.map((query) => `${query}.*.*`)),
          ...ownFeeds(ANSWERED),
        ],
        answers: true,
      };
    case 'auditor':
      return {
        publish: [...asksChain, ...on('info')],
        subscribe: [own, ...on('block', 'exec.>', 'account.*', ...PUBLISHED, 'status.*', 'primary')],
        answers: false,
      };
    case 'venue':
      return venuePermissions(own, on);
    case 'node':
      return nodePermissions(own, on, shard);
  }
}

function venuePermissions(own: string, on: (...names: string[]) => string[]): Permissions {
  return {
    publish: [
      ...on('exec.*.*', 'account.*', ...PUBLISHED, 'status.*', 'block', 'primary', 'standby', 'state'),
      `${inboxPrefix('>')}`,
    ],
    subscribe: [
      own,
      ...on(
        'submit.*.*',
        'submit.*.*.*',
        'alive.*.*',
        'missed.*.*',
        'info',
        FEED_ASKED,
        'repair',
        'genesis',
        'state',
        'handover',
        'standby',
      ),
    ],
    answers: false,
  };
}

/** A node of a cluster is a venue, a follower of the log in JetStream and a giver of blocks. */
function nodePermissions(own: string, on: (...names: string[]) => string[], shard: string): Permissions {
  const venue = venuePermissions(own, on);
  const stream = shard === '*' ? '*' : `VERITAPE_${shard}`;
  const api = [
    'STREAM.INFO',
    'STREAM.CREATE',
    'STREAM.PURGE',
    'STREAM.MSG.GET',
    'CONSUMER.CREATE',
    'CONSUMER.MSG.NEXT',
  ].flatMap((call) => [
    `$JS.API.${call}.${stream}`,
    ...(call.startsWith('CONSUMER') ? [`$JS.API.${call}.${stream}.>`] : []),
  ]);
  return {
    publish: [
      ...venue.publish,
      ...on('log.epoch', 'log.block', 'lease', 'repair', 'genesis', 'peers', 'peers.*.repair'),
      '$JS.API.INFO',
      ...api,
      `$JS.API.CONSUMER.INFO.${stream}.*`,
      `$JS.API.CONSUMER.DELETE.${stream}.*`,
      `$JS.ACK.${stream}.>`,
    ],
    subscribe: [...venue.subscribe, ...on('lease', 'peers', 'peers.*.repair')],
    answers: true,
  };
}
