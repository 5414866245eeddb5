import type { Profile } from './world.ts';

const MESSAGES = { drop: 20_000, duplicate: 20_000, delay: 20_000, reorder: 20_000 } as const;
const WRITES = {
  'crash-in-write': 500,
  'slow-flush': 2_000,
  'write-error': 1_000,
  'disk-full': 500,
  'late-open': 200_000,
} as const;

/** What `veritape simulate` runs, by name; without a name, all of them in turn. */
export const PROFILES = {
  'one-host': {
    summary: 'one venue and its clients: every kind of fault of messages, writes, processes and the host',
    faultMicros: 5_000_000,
    clients: 4,
    rates: { ...MESSAGES, ...WRITES },
    every: {
      kill: 800_000,
      pause: 1_000_000,
      slow: 1_000_000,
      partition: 1_500_000,
      'power-loss': 1_500_000,
      'clock-jump': 2_000_000,
      'needless-take-over': 1_000_000,
    },
  },
  'bad-network': {
    summary: 'one venue that does not fail; most of what its clients send is lost, late, doubled or out of order',
    faultMicros: 5_000_000,
    clients: 6,
    rates: { drop: 100_000, duplicate: 100_000, delay: 100_000, reorder: 100_000 },
    every: { partition: 300_000, pause: 700_000 },
  },
  'writers-at-odds': {
    summary: 'several venues at one journal, each taking it from the others, stopped and killed inside their writes',
    faultMicros: 4_000_000,
    clients: 3,
    rates: { ...MESSAGES, 'crash-in-write': 5_000, 'slow-flush': 50_000, 'write-error': 1_000, 'late-open': 300_000 },
    every: { 'needless-take-over': 100_000, pause: 150_000, 'power-loss': 600_000, kill: 1_000_000 },
  },
  standbys: {
    summary: 'one host: a primary and two standbys that watch its lease, take over, and are started again to stand by',
    faultMicros: 6_000_000,
    clients: 4,
    processes: 3,
    rates: { ...MESSAGES, ...WRITES, 'lease-drop': 100_000 },
    every: {
      kill: 600_000,
      pause: 500_000,
      slow: 1_500_000,
      partition: 2_000_000,
      'power-loss': 3_000_000,
      'hand-over': 700_000,
    },
  },
  cluster: {
    summary: 'three hosts with a journal each and a replicated log; every kind of fault of hosts, links and the log',
    faultMicros: 8_000_000,
    clients: 4,
    hosts: 3,
    rates: { ...MESSAGES, ...WRITES, 'lease-drop': 50_000, 'lost-puback': 10_000, 'late-puback': 20_000 },
    every: {
      kill: 1_000_000,
      pause: 800_000,
      slow: 2_000_000,
      partition: 800_000,
      'power-loss': 2_500_000,
      'clock-jump': 3_000_000,
      'log-election': 1_500_000,
    },
  },
  'bad-disk': {
    summary:
      'one venue whose disk changes bits, loses the rest of a block, or puts one in the place of another, at rest',
    faultMicros: 4_000_000,
    clients: 3,
    rates: { ...MESSAGES },
    every: {
      'bit-flip': 400_000,
      'torn-write': 700_000,
      'misdirected-write': 700_000,
      'lost-write': 700_000,
      kill: 300_000,
      'needless-take-over': 700_000,
    },
  },
} as const satisfies Readonly<Record<string, Profile>>;

export type ProfileName = keyof typeof PROFILES;
export const PROFILE_NAMES = Object.keys(PROFILES) as ProfileName[];
