import type { Member } from '../drill-cluster.ts';
import type { DrillRound } from '../drill-round.ts';
import { atWrite } from '../flush-watch.ts';
import type { Scenario } from '../scenario.ts';

const WRITE_MS_MAX = 5_000;
/** Writes of the journal that are let pass before the one at which a process is killed. */
const WRITES_MAX = 200;

async function killAtWrite(round: DrillRound, member: Member): Promise<void> {
  const skip = round.chance.below(WRITES_MAX);
  let told = 0;
  const acted = await atWrite(member.directory, skip, WRITE_MS_MAX, () => {
    told = round.load.sequenceMax;
    void round.inject(`${member.name} is killed as it writes a block`, () => round.cluster.killMember(member));
  });
  if (!acted) throw new Error(`the journal of ${member.name} was not written in ${WRITE_MS_MAX} ms`);
  await member.process.ended;
  round.figures['toldBeforeKill'] = told;
}

export const processScenarios: readonly Scenario[] = [
  {
    name: 'kill-alone',
    what: 'a venue without a standby is killed (SIGKILL) at work and started again',
    promise: 'it comes back from its journal with all that was acknowledged, and clients go on in their sessions',
    placement: 'alone',
    processes: 1,
    round: async (round) => {
      await round.atWork(100, 800);
      const { primary } = round.cluster;
      await round.inject(`${primary.name} is killed`, () => round.cluster.killMember(primary));
      round.cluster.restart(primary);
      await round.takenOver();
    },
  },
  {
    name: 'kill-mid-flush',
    what: 'the venue is killed (SIGKILL) at the moment at which pages of a block were written and not yet flushed',
    promise: 'the block is there whole or not at all, and nobody was told of commands in it that are not there',
    placement: 'alone',
    processes: 1,
    round: async (round) => {
      await round.atWork(50, 300);
      const { primary } = round.cluster;
      await killAtWrite(round, primary);
      round.cluster.restart(primary);
      const opening = await round.takenOver();
      round.figures['writtenAndNotTold'] = opening.sequence - (round.figures['toldBeforeKill'] ?? 0);
    },
  },
];
