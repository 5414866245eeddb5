import { ExitCode } from '../../exit-codes.ts';
import type { Member } from '../drill-cluster.ts';
import type { DrillRound } from '../drill-round.ts';
import { atWrite } from '../flush-watch.ts';
import type { Scenario } from '../scenario.ts';
import { ShiftedClocks } from '../shifted-clocks.ts';
import { CRASHABLE, crashThread } from '../thread-crash.ts';

const WRITE_MS_MAX = 5_000;
/** Writes of the journal that are let pass before the one at which a process is killed. */
const WRITES_MAX = 200;
const JUMPS = 3;
const JUMP_HOURS_MAX = 48;

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
  {
    name: 'kill-replica',
    what: 'a matcher of the venue crashes: the one that leads or the one that follows, as chance has it',
    promise: 'the venue stops acknowledging, ends with code 3 and the reason, and another one serves',
    placement: 'alone',
    processes: 1,
    prepare: () => ({ processOptions: () => ({ nodeArgs: CRASHABLE }) }),
    round: async (round) => {
      await round.atWork(100, 500);
      const { primary } = round.cluster;
      const replica = `replica ${round.chance.below(2)}`;
      await round.inject(`${replica} of ${primary.name} crashes`, () => crashThread(primary.process, replica));
      await round.endsWith(primary, ExitCode.environment, /crashed by a drill/);
      round.cluster.restart(primary);
      await round.takenOver();
    },
  },
  {
    name: 'clock-jump',
    what: 'clocks of the processes are hours apart; that of the primary jumps forth and back, and then it is killed',
    promise: 'no time in the journal goes back, and who leads does not depend on a wall clock',
    placement: 'alone',
    processes: 1,
    prepare: ShiftedClocks.prepare,
    round: async (round) => {
      const clocks = round.means as ShiftedClocks;
      const { primary } = round.cluster;
      for (let jump = 0; jump < JUMPS; jump++) {
        await round.atWork(50, 200);
        const hours = Math.round(round.chance.between(-JUMP_HOURS_MAX, JUMP_HOURS_MAX));
        clocks.set(primary.name, hours);
        round.timeline.mark('fault', `the clock of ${primary.name} is ${hours} hours off`);
      }
      await round.atWork(50, 200);
      await round.inject(`${primary.name} is killed`, () => round.cluster.killMember(primary));
      clocks.set(primary.name, Math.round(round.chance.between(-JUMP_HOURS_MAX, JUMP_HOURS_MAX)));
      round.cluster.restart(primary);
      await round.takenOver();
    },
  },
];
