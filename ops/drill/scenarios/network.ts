import type { DrillRound } from '../drill-round.ts';
import type { Scenario } from '../scenario.ts';
import type { LinkDirection } from '../tcp-link.ts';

/** Longer than a lease. */
const HELD_MS = [700, 2_000] as const;

/** The venue can not be reached for a while, and it is the network's fault, which no take-over mends. */
async function withoutNeed(round: DrillRound, cut: () => Promise<void>): Promise<void> {
  const openings = round.cluster.openings.length;
  await cut();
  await round.resumed();
  round.countNeedless(openings);
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
    promise: 'no take-over is needed; venue and clients find it again, and what was under way is handled once',
    placement: 'standby',
    processes: 2,
    round: (round) =>
      withoutNeed(round, async () => {
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
      'its lease is in the journal, so nobody need take over; what was sent meanwhile is handled once afterwards',
    placement: 'standby',
    processes: 2,
    round: (round) => withoutNeed(round, () => primaryHeld(round, 'is parted from NATS', ['there', 'back'])),
  },
  {
    name: 'part-one-way',
    what: 'the primary hears its clients, and for longer than a lease nothing that it says comes through',
    promise: 'what it handled meanwhile is not handled again when clients ask again',
    placement: 'standby',
    processes: 2,
    round: (round) => withoutNeed(round, () => primaryHeld(round, 'is not heard any more', ['there'])),
  },
];
