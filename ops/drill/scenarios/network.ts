import type { DrillRound } from '../drill-round.ts';
import type { Scenario } from '../scenario.ts';
import type { LinkDirection } from '../tcp-link.ts';

/** Longer than a lease. */
const HELD_MS = [700, 2_000] as const;

/** The venue can not be reached for a while, and it is the network's fault: nobody takes over. */
async function withoutTakeOver(round: DrillRound, cut: () => Promise<void>): Promise<void> {
  const openings = round.cluster.openings.length;
  await cut();
  await round.resumed();
  const [more] = round.cluster.openings.slice(openings);
  if (more !== undefined) throw new Error(`${more.member} took over although the primary was well`);
}

/** Holds what the primary's link to NATS carries, in some directions, for a while. */
async function primaryHeld(round: DrillRound, text: string, directions: readonly LinkDirection[]): Promise<void> {
  await round.atWork(100, 500);
  const { primary } = round.cluster;
  await round.inject(`${primary.name} ${text}`, () => {
    for (const link of primary.links) link.hold(...directions);
  });
  await round.atWork(...HELD_MS);
  for (const link of primary.links) link.mend();
  round.note('the network is mended');
}

export const networkScenarios: readonly Scenario[] = [
  {
    name: 'kill-nats',
    what: 'the only NATS server is killed (SIGKILL) under load and started again after a while',
    promise: 'nobody takes over; venue and clients find it again, and what was under way is handled once',
    placement: 'standby',
    processes: 2,
    round: (round) =>
      withoutTakeOver(round, async () => {
        await round.atWork(100, 500);
        await round.inject('the NATS server is killed', () => round.cluster.killNats());
        await round.atWork(50, 1_500);
        await round.cluster.startNats();
        round.note('the NATS server is back');
      }),
  },
  {
    name: 'part-primary-from-nats',
    what: 'nothing passes between the primary and the only NATS server for longer than a lease',
    promise:
      'its lease is in the journal, so nobody takes over; afterwards all that was sent meanwhile is handled once',
    placement: 'standby',
    processes: 2,
    round: (round) => withoutTakeOver(round, () => primaryHeld(round, 'is parted from NATS', ['there', 'back'])),
  },
  {
    name: 'part-one-way',
    what: 'the primary hears its clients, and for longer than a lease nothing that it says comes through',
    promise: 'what it handled meanwhile is not handled again when clients ask again',
    placement: 'standby',
    processes: 2,
    round: (round) => withoutTakeOver(round, () => primaryHeld(round, 'is not heard any more', ['there'])),
  },
];
