import { expect, test } from '@jest/globals';
import type { Core, HostCores } from '../../sequencer/host-cores.ts';
import { PinningError, parsePinning, planPlacement, refusePlacement } from '../../sequencer/placement.ts';

/** So many cores on each node; with `siblings`, the second half shares the physical cores of the first. */
function host(perNode: readonly number[], more: { quota?: number; siblings?: boolean } = {}): HostCores {
  let next = 0;
  const cores = perNode.flatMap((count, node) => Array.from({ length: count }, (): Core => core(next++, node)));
  const half = cores.length / 2;
  return {
    cores: more.siblings === true ? cores.map((one) => ({ ...one, physical: one.id % half })) : cores,
    quota: more.quota ?? cores.length,
    nodes: perNode.length,
  };
}

function core(id: number, node: number): Core {
  return { id, node, physical: id };
}

/** `sequencer=1 replica0=2 …`, or `free` for those that are not pinned. */
function planned(...args: Parameters<typeof planPlacement>): string {
  return planPlacement(...args)
    .map(({ thread, core, state }) => `${thread}=${core ?? state}`)
    .join(' ');
}

const FREE = 'sequencer=free replica0=free gateway=free journal=free replica1=free';

test.each([
  ['two cores leave everything to the kernel', host([2]), 2, FREE],
  ['a core short', host([5]), 2, FREE],
  ['one to spare: the first one', host([6]), 2, 'sequencer=1 replica0=2 gateway=3 journal=4 replica1=5'],
  ['one replica', host([5]), 1, 'sequencer=1 replica0=2 gateway=3 journal=4'],
  ['a quota below the cores', host([16], { quota: 5 }), 2, FREE],
  [
    'threads of one physical core come last',
    host([12], { siblings: true }),
    2,
    'sequencer=1 replica0=2 gateway=3 journal=4 replica1=5',
  ],
  [
    'and share it when they must',
    host([8], { siblings: true }),
    2,
    'sequencer=1 replica0=2 gateway=3 journal=4 replica1=5',
  ],
  ['one node, the roomier one', host([4, 8]), 2, 'sequencer=5 replica0=6 gateway=7 journal=8 replica1=9'],
  ['no node has room for all', host([4, 4]), 2, FREE],
])('auto: %s', (_, cores, replicas, expected) => {
  expect(planned(cores, replicas, 'auto')).toBe(expected);
});

test('every thread that is left alone has a reason with the figures', () => {
  const [first] = planPlacement(host([2]), 2, 'auto');
  expect(first?.reason).toContain('5 threads and those of V8 want 6 cores, there are 2');
  expect(planPlacement(host([4, 4]), 2, 'auto')[0]?.reason).toContain('node 0 has 4');
});

test('sharing a physical core is told', () => {
  const places = planPlacement(host([8], { siblings: true }), 2, 'auto');
  expect(places.filter(({ reason }) => reason.includes('sharing')).map(({ thread }) => thread)).toEqual(['replica1']);
});

test('what is asked for by name goes where it was asked for, the rest anywhere', () => {
  const pinning = parsePinning('gateway=0,journal=0,replica1=1');
  expect(planned(host([2]), 2, pinning)).toBe('sequencer=free replica0=free gateway=0 journal=0 replica1=1');
  expect(planned(host([2]), 2, 'none')).toBe(FREE);
});

test('a host whose cores cannot be seen is no reason to stop', () => {
  const places = refusePlacement(1, 'this is darwin, not Linux');
  expect(places.map(({ thread }) => thread)).toEqual(['sequencer', 'replica0', 'gateway', 'journal']);
  expect(new Set(places.map(({ state, reason }) => `${state}: ${reason}`))).toEqual(
    new Set(['refused: this is darwin, not Linux']),
  );
});

test.each([
  ['', 'pin: : must be none, auto, or thread=core pairs'],
  ['all', 'pin: all: must be none, auto, or thread=core pairs'],
  ['gateway=x', 'pin: gateway=x: must be'],
  ['gateway=0,', 'pin: : must be'],
  ['matcher=0', 'pin: matcher=0: must be'],
  ['gateway=0,gateway=1', 'pin: gateway=1: gateway can be on one core only'],
])('refuses %j', (text, message) => {
  expect(() => parsePinning(text)).toThrow(PinningError);
  expect(() => parsePinning(text)).toThrow(message);
});

test.each([
  ['replica2=0', "pin: replica2=0: the venue's threads are sequencer, replica0, gateway, journal, replica1"],
  ['gateway=2', 'pin: gateway=2: the cores this process may use are 0, 1'],
])('refuses %j on this host', (text, message) => {
  expect(() => planPlacement(host([2]), 2, parsePinning(text))).toThrow(message);
});
