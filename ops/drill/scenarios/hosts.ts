import { ExitCode } from '../../exit-codes.ts';
import type { Member } from '../drill-cluster.ts';
import type { DrillRound } from '../drill-round.ts';
import type { Scenario } from '../scenario.ts';
import type { LinkDirection } from '../tcp-link.ts';

const HOSTS = { placement: 'hosts', processes: 3 } as const;
const STREAM = 'VERITAPE_0';
/** What was under way when the majority went may still be answered. */
const UNDER_WAY_MS = 1_000;

/** Holds what a process and all NATS servers send to each other. */
function hold(member: Member, ...directions: readonly LinkDirection[]): void {
  for (const link of member.links) link.hold(...directions);
}

function mend(member: Member): void {
  for (const link of member.links) link.mend();
}

/** The primary is cut off in some way, is replaced, and finds that out when the network is mended. */
async function partedAndFenced(
  round: DrillRound,
  text: string,
  cut: (primary: Member) => void,
  undo: (primary: Member) => void,
): Promise<void> {
  await round.atWork(100, 800);
  const { primary } = round.cluster;
  await round.inject(`${primary.name} ${text}`, () => cut(primary));
  await round.replaced(primary);
  await round.atWork(50, 1_000);
  round.note('the network is mended');
  undo(primary);
  await round.fenced(primary);
}

/** NATS servers are killed, and started again after a while. A process that lost its server goes to another one. */
async function withoutServers(round: DrillRound, text: string, servers: readonly number[]): Promise<void> {
  const { cluster } = round;
  await round.inject(text, () => cluster.killServers(servers));
  await round.resumed();
  round.note('service is back');
  await cluster.startServers(servers);
  round.note('all NATS servers are back');
}

export const hostScenarios: readonly Scenario[] = [
  {
    ...HOSTS,
    name: 'cluster-kill-primary',
    what: 'of three nodes on hosts of their own, the process that is primary is killed (SIGKILL)',
    promise: 'another node takes over with all that was acknowledged, and all journals come to be the same',
    round: async (round) => {
      await round.atWork(100, 800);
      const { primary } = round.cluster;
      await round.inject(`${primary.name} is killed`, () => round.cluster.killMember(primary));
      await round.replaced(primary);
    },
  },
  {
    ...HOSTS,
    name: 'cluster-kill-host',
    what: 'the primary is killed, and its NATS server with it',
    promise: 'another node takes over with all that was acknowledged; the host catches up when it is back',
    round: async (round) => {
      await round.atWork(100, 800);
      const { cluster } = round;
      const { primary } = cluster;
      const host = cluster.hostOf(primary);
      await round.inject(`the host of ${primary.name} is killed`, () =>
        Promise.all([cluster.killMember(primary), cluster.killServers([host])]),
      );
      await round.replaced(primary);
      await cluster.startServers([host]);
      round.note('the host is back');
    },
  },
  {
    ...HOSTS,
    name: 'cluster-pause-primary',
    what: 'the primary is stopped in its tracks (SIGSTOP) for longer than its lease, and wakes up under load',
    promise: 'another node takes over; the sleeper stores nothing when it wakes up, acknowledges nothing, and ends',
    round: (round) =>
      partedAndFenced(
        round,
        'is paused',
        (primary) => round.cluster.pause(primary),
        (primary) => round.cluster.wake(primary),
      ),
  },
  {
    ...HOSTS,
    name: 'cluster-part-primary',
    what: 'nothing passes between the primary and any NATS server until another node has taken over',
    promise: 'another node takes over; the primary acknowledges nothing meanwhile, and ends when it is heard again',
    round: (round) => partedAndFenced(round, 'is parted from NATS', (one) => hold(one, 'there', 'back'), mend),
  },
  {
    ...HOSTS,
    name: 'cluster-part-one-way',
    what: 'the primary hears NATS and everybody, and nothing that it says comes through',
    promise: 'another node takes over, of which the primary hears; what it then stores counts for nobody',
    round: (round) => partedAndFenced(round, 'is not heard any more', (one) => hold(one, 'there'), mend),
  },
  {
    ...HOSTS,
    name: 'cluster-part-host',
    what: "the primary's host is parted from the other two: process and NATS server hear each other alone",
    promise: 'the two take over; the one can store nothing, acknowledges nothing, and ends when it is heard again',
    round: (round) =>
      partedAndFenced(
        round,
        'and its host are parted from the others',
        (primary) => round.cluster.partHost(round.cluster.hostOf(primary)),
        (primary) => round.cluster.mendHost(round.cluster.hostOf(primary)),
      ),
  },
  {
    ...HOSTS,
    name: 'cluster-part-standby',
    what: 'nothing passes between a node that stands by and NATS for a while',
    promise: 'service goes on without it, and it catches up',
    round: async (round) => {
      await round.atWork(100, 500);
      const openings = round.cluster.openings.length;
      const standby = round.cluster.standbys[round.chance.below(2)] as Member;
      await round.inject(`${standby.name}, which stands by, is parted from NATS`, () => hold(standby, 'there', 'back'));
      await round.resumed();
      await round.atWork(700, 2_000);
      mend(standby);
      round.note('the network is mended');
      await round.resumed();
      await round.atWork(400, 800);
      round.countNeedless(openings);
    },
  },
  {
    ...HOSTS,
    name: 'cluster-kill-nats',
    what: 'the NATS server on the host of the primary is killed (SIGKILL)',
    promise: 'primary and clients go to another one, or another node takes over; nothing is lost',
    round: async (round) => {
      await round.atWork(100, 500);
      const { primary } = round.cluster;
      const server = round.cluster.hostOf(primary);
      await withoutServers(round, `the NATS server of ${primary.name} is killed`, [server]);
    },
  },
  {
    ...HOSTS,
    name: 'cluster-kill-stream-leader',
    what: "the NATS server that leads the log's stream is killed (SIGKILL)",
    promise: 'the other two elect a leader, and what was under way is stored once',
    round: async (round) => {
      await round.atWork(100, 500);
      const leader = await round.cluster.natsCluster.leaderOf(STREAM);
      await withoutServers(round, `NATS server ${leader}, which leads the stream, is killed`, [leader]);
    },
  },
  {
    ...HOSTS,
    name: 'cluster-kill-nats-majority',
    what: 'two of three NATS servers are killed (SIGKILL), and started again after a while',
    promise: 'without a majority nothing is acknowledged; with it service goes on',
    round: async (round) => {
      await round.atWork(100, 500);
      const { cluster } = round;
      const left = round.chance.below(HOSTS.processes);
      const servers = [0, 1, 2].filter((server) => server !== left);
      await round.inject(`all NATS servers but ${left} are killed`, () => cluster.killServers(servers));
      await round.pause(UNDER_WAY_MS);
      const before = round.timeline.count;
      await round.atWork(1_000, 2_000);
      const acknowledged = round.timeline.count - before;
      if (acknowledged > 0) throw new Error(`${acknowledged} commands were acknowledged without a majority`);
      await cluster.startServers(servers);
      round.note('all NATS servers are back');
      await round.resumed();
    },
  },
  {
    ...HOSTS,
    name: 'cluster-rolling-restart',
    what: 'one after the other, every node is ended in order and started again under load, the primary among them',
    promise: 'nothing is lost, and service goes on with another node',
    round: async (round) => {
      const { cluster } = round;
      for (const member of [...cluster.members]) {
        await round.atWork(100, 300);
        const serves = member === cluster.primary;
        await round.inject(`${member.name} is ended in order`, () => member.process.signal('SIGTERM'));
        if (serves) await round.replaced(member);
        await round.endsWith(member, ExitCode.done, /^$/);
        cluster.restart(member);
        await cluster.full();
      }
    },
  },
];
