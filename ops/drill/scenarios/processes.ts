import { JournalReader } from '../../../journal/reader.ts';
import type { HandoverResult } from '../../commands/handover.ts';
import { ExitCode } from '../../exit-codes.ts';
import type { DrillCluster, Member } from '../drill-cluster.ts';
import { OPERATOR } from '../drill-identities.ts';
import type { DrillRound } from '../drill-round.ts';
import { atWrite } from '../flush-watch.ts';
import type { Scenario } from '../scenario.ts';
import { ShiftedClocks } from '../shifted-clocks.ts';
import { CRASHABLE, crashThread } from '../thread-crash.ts';
import { VeritapeProcess } from '../veritape-process.ts';

const WRITE_MS_MAX = 5_000;
/** Writes of the journal that are let pass before the one at which a process is killed. */
const WRITES_MAX = 200;
const JUMPS = 3;
const JUMP_HOURS_MAX = 48;
/** A standby that takes over is killed within so long. */
const HEIR_MS_MAX = 60;

/** Kills a process at a write of its journal, and tells how much of what it had written nobody had been told of. */
async function killAtWrite(round: DrillRound, member: Member): Promise<void> {
  const skip = round.chance.below(WRITES_MAX);
  let told = 0;
  const acted = await atWrite(member.directory, skip, WRITE_MS_MAX, () => {
    void round.inject(`${member.name} is killed as it writes a block`, () => round.cluster.killMember(member));
    told = round.load.sequenceMax;
  });
  if (!acted) throw new Error(`the journal of ${member.name} was not written in ${WRITE_MS_MAX} ms`);
  round.figures['writtenAndNotTold'] = Math.max(0, JournalReader.open(member.directory).last.sequence - told);
}

/** One of the standbys took over; the others stand by still. */
function expectOthersStandBy(round: DrillRound, serving: string): void {
  for (const { name, role, process } of round.cluster.members) {
    if (name === serving || process.over) continue;
    if (role !== 'standby') throw new Error(`${serving} took over, and ${name} is ${role} instead of standing by`);
  }
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
    name: 'kill-primary',
    what: 'the primary is killed (SIGKILL) at work',
    promise: 'the standby notices at once that it is gone, takes over, and has all that was acknowledged',
    placement: 'standby',
    processes: 2,
    round: async (round) => {
      await round.atWork(100, 800);
      const { primary } = round.cluster;
      await round.inject(`${primary.name} is killed`, () => round.cluster.killMember(primary));
      await round.replaced(primary);
    },
  },
  {
    name: 'kill-primary-ruled',
    what: 'the primary is killed (SIGKILL) at work, while clients also send stops, day orders, self-trade prevention and cancels by time',
    promise: 'the standby takes over, has all that was acknowledged, and what time brings is the same in every journal',
    placement: 'standby',
    processes: 2,
    isRuled: true,
    round: async (round) => {
      await round.atWork(100, 800);
      const { primary } = round.cluster;
      await round.inject(`${primary.name} is killed`, () => round.cluster.killMember(primary));
      await round.replaced(primary);
    },
  },
  {
    name: 'kill-mid-flush',
    what: 'the primary is killed (SIGKILL) at the moment at which pages of a block were written and not yet flushed',
    promise: 'the block is there whole or not at all, and nobody was told of commands in it that are not there',
    placement: 'standby',
    processes: 2,
    round: async (round) => {
      await round.atWork(50, 300);
      const { primary } = round.cluster;
      await killAtWrite(round, primary);
      await round.takenOver();
    },
  },
  {
    name: 'pause-primary',
    what: 'the primary is stopped in its tracks (SIGSTOP) for longer than its lease, and wakes up under load',
    promise: 'the standby takes over; the sleeper writes nothing when it wakes up, acknowledges nothing, and ends',
    placement: 'standby',
    processes: 2,
    round: async (round) => {
      await round.atWork(100, 800);
      const { primary } = round.cluster;
      await round.inject(`${primary.name} is paused`, () => round.cluster.pause(primary));
      await round.replaced(primary);
      await round.atWork(50, 1_000);
      round.timeline.mark('fault', `${primary.name} is woken`);
      round.cluster.wake(primary);
      await round.fenced(primary);
    },
  },
  {
    name: 'kill-replica',
    what: 'a matcher of the primary crashes: the one that leads or the one that follows, as chance has it',
    promise: 'the primary stops acknowledging and ends with code 3 and the reason, and the standby takes over',
    placement: 'standby',
    processes: 2,
    prepare: () => ({ processOptions: () => ({ nodeArgs: CRASHABLE }) }),
    round: async (round) => {
      await round.atWork(100, 500);
      const { primary } = round.cluster;
      const replica = `replica ${round.chance.below(2)}`;
      await round.inject(`${replica} of ${primary.name} crashes`, () => crashThread(primary.process, replica));
      await round.endsWith(primary, ExitCode.environment, /crashed by a drill/);
      await round.replaced(primary);
    },
  },
  {
    name: 'kill-standby-in-take-over',
    what: 'the primary is killed, and so is the standby that takes over, before it serves or as it begins to',
    promise: 'the other standby takes over from what either of them left behind',
    placement: 'standby',
    processes: 3,
    round: async (round) => {
      await round.atWork(100, 500);
      const { primary } = round.cluster;
      await round.inject(`${primary.name} is killed`, () => round.cluster.killMember(primary));
      const heir = await round.cluster.takingOver();
      await round.atWork(0, HEIR_MS_MAX);
      await round.inject(`${heir.name}, which takes over, is killed`, () => round.cluster.killMember(heir));
      await round.replaced(heir);
    },
  },
  {
    name: 'two-standbys',
    what: 'the primary is killed, and two standbys race for its place',
    promise: 'one of them takes over, and the other one stands by',
    placement: 'standby',
    processes: 3,
    round: async (round) => {
      await round.atWork(100, 500);
      const { primary } = round.cluster;
      await round.inject(`${primary.name} is killed`, () => round.cluster.killMember(primary));
      const { member } = await round.takenOver();
      await round.atWork(200, 400);
      expectOthersStandBy(round, member);
    },
  },
  {
    name: 'clock-jump',
    what: 'the clocks of all processes jump, hours forth and back and apart, and then the primary is killed',
    promise: 'no time in the journal goes back, and who leads does not depend on a wall clock',
    placement: 'standby',
    processes: 2,
    prepare: ShiftedClocks.prepare,
    round: async (round) => {
      const clocks = round.means as ShiftedClocks;
      const openings = round.cluster.openings.length;
      const jump = (member: Member): void => {
        const hours = round.chance.between(-JUMP_HOURS_MAX, JUMP_HOURS_MAX);
        clocks.set(member.name, hours);
        round.timeline.mark('fault', `the clock of ${member.name} is ${hours} hours off`);
      };
      for (let jumps = 0; jumps < JUMPS; jumps++) {
        await round.atWork(50, 200);
        for (const member of round.cluster.members) jump(member);
      }
      // Longer than a lease, so that a standby that goes by the clock takes over.
      await round.atWork(700, 1_000);
      round.countNeedless(openings);
      const last = round.cluster.primary;
      await round.inject(`${last.name} is killed`, () => round.cluster.killMember(last));
      await round.replaced(last);
    },
  },
  {
    name: 'rolling-restart',
    what: 'one after the other, every process is restarted under load; the primary hands over to a standby before',
    promise: 'no request is refused, and none is handled twice or out of order',
    placement: 'standby',
    processes: 2,
    round: async (round) => {
      const { cluster } = round;
      for (const member of [...cluster.members]) {
        await round.atWork(100, 300);
        if (member === cluster.primary) {
          const pauseMs = await round.inject(`${member.name} hands over`, () => handOver(cluster));
          round.figures['pauseMs'] = Math.max(round.figures['pauseMs'] ?? 0, pauseMs);
          await round.replaced(member, round.handedOver());
          await round.endsWith(member, ExitCode.done, /^$/);
        } else {
          round.note(`${member.name}, which stands by, is ended`);
          await member.process.end('SIGTERM');
        }
        cluster.restart(member);
        await cluster.full();
      }
    },
  },
];

/** Has the primary hand over; gives the time without acknowledgements that it measured. */
async function handOver(cluster: DrillCluster): Promise<number> {
  const args = ['handover', '--nats', cluster.clientUrl, '--json', ...cluster.shownAs(OPERATOR)];
  const { code, said, result } = await VeritapeProcess.run(...args).end();
  if (code !== ExitCode.done) throw new Error(`veritape handover ended with code ${code}: ${said.trim()}`);
  return (result as HandoverResult).pauseMs;
}
