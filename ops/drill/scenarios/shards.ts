import type { Scenario } from '../scenario.ts';
import { SecondShard } from '../second-shard.ts';

/** How many rounds there were. */
interface Rounds {
  count: number;
}

export const shardScenarios: readonly Scenario[] = [
  {
    name: 'move-instrument',
    what: 'the instrument is moved to a second shard and back while clients of both trade it; each mover is killed (SIGKILL) at a step, and another one ends the move',
    promise:
      'each command of a client is carried out once, in its order, and the instrument trades as if it had never been moved',
    placement: 'alone',
    processes: 1,
    isUnbound: true,
    prepare: () => ({ means: { count: 0 } satisfies Rounds }),
    round: async (round) => {
      const rounds = round.means as Rounds;
      const shard = await SecondShard.start(round, rounds.count++);
      try {
        await round.atWork(200, 500);
        const there = await shard.move(0, 1);
        await round.atWork(200, 500);
        const back = await shard.move(1, 0);
        await round.atWork(100, 300);
        const { findings, commands, trades } = await shard.check();
        if (findings.length > 0) throw new Error(findings.join('; '));
        round.figures['ordersMoved'] = there.orders + back.orders;
        round.figures['pauseMs'] = Math.max(there.pauseMs, back.pauseMs);
        round.figures['rerouted'] = shard.rerouted;
        round.figures['commandsCompared'] = commands;
        round.figures['tradesCompared'] = trades;
        await shard.end();
      } catch (error) {
        await shard.kill();
        throw error;
      }
    },
  },
];
