import type { Scenario } from '../scenario.ts';

export const networkScenarios: readonly Scenario[] = [
  {
    name: 'kill-nats',
    what: 'the only NATS server is killed (SIGKILL) under load and started again after a while',
    promise: 'venue and clients find it again; what was under way is handled once',
    placement: 'alone',
    processes: 1,
    round: async (round) => {
      await round.atWork(100, 500);
      await round.inject('the NATS server is killed', () => round.cluster.killNats());
      await round.atWork(50, 1_000);
      await round.cluster.startNats();
      round.note('the NATS server is back');
      await round.resumed();
    },
  },
];
