import { expect, test } from '@jest/globals';
import { Candidacy, type CandidacyView } from '../../sequencer/candidacy.ts';
import { genesisPoint } from '../../sequencer/chain-follower.ts';
import type { EpochRecord, Heartbeat } from '../../sequencer/log-messages.ts';
import { GENESIS, recordOf } from './modelled-log.ts';

const LEASE_MS = 500;
const DELAY_MS = 50;
const END = genesisPoint(GENESIS);
const VIEW: CandidacyView = { epoch: 3, journalEpoch: 0, block: 0, isReady: true };

function candidacy(): Candidacy {
  return new Candidacy({ node: 'a', leaseMs: LEASE_MS, delayMs: () => DELAY_MS }, 0);
}

/** Looks as often as a node does, up to a time, and gives what the last look said. */
function lookUntil(of: Candidacy, fromMs: number, toMs: number, view = VIEW): number | undefined {
  for (let now = fromMs; now < toMs; now += LEASE_MS / 10) of.step(view, now);
  return of.step(view, toMs);
}

function beat(more: Partial<Heartbeat> = {}): Heartbeat {
  return { state: 'leading', epoch: 3, counter: 1, block: 0, node: 'b', ...more };
}

function counted(record: EpochRecord): Parameters<Candidacy['fed']>[0] {
  return { kind: 'epoch', slot: 1, record };
}

test('a node comes forward when the primary was silent for a lease and the delay of the node', () => {
  const of = candidacy();
  expect(lookUntil(of, 0, LEASE_MS + DELAY_MS - 1)).toBeUndefined();
  of.heard(beat({ counter: 2 }), 3, 600);
  expect(of.leader).toBe('b');
  expect(lookUntil(of, 600, 600 + LEASE_MS + DELAY_MS - 100)).toBeUndefined();
  expect(lookUntil(of, 600 + LEASE_MS + DELAY_MS - 100, 1200 + DELAY_MS)).toBe(4);
});

test('a node that was itself stopped does not take that for silence', () => {
  const of = candidacy();
  expect(of.step(VIEW, 60_000)).toBeUndefined();
  of.restart();
  expect(lookUntil(of, 60_000, 60_000 + LEASE_MS)).toBeUndefined();
  expect(lookUntil(of, 60_000 + LEASE_MS, 60_000 + LEASE_MS + DELAY_MS)).toBe(4);
});

test('a primary that was passed, or the node itself, keeps nobody waiting', () => {
  const of = candidacy();
  expect(lookUntil(of, 0, 400)).toBeUndefined();
  of.heard(beat({ epoch: 2 }), 3, 400);
  of.heard(beat({ node: 'a' }), 3, 400);
  expect(lookUntil(of, 400, LEASE_MS + DELAY_MS)).toBe(4);
});

test('the epoch is above all that anybody spoke of, and the journal’s', () => {
  const of = candidacy();
  of.heard(beat({ epoch: 7 }), 3, 0);
  expect(lookUntil(of, 0, 10_000)).toBe(8);
  expect(of.step({ ...VIEW, journalEpoch: 11 }, 10_000)).toBe(12);
});

test('a node that is not ready does not come forward', () => {
  expect(lookUntil(candidacy(), 0, 10_000, { ...VIEW, isReady: false })).toBeUndefined();
});

test('a primary that says that it leads no more is not waited for', () => {
  const of = candidacy();
  of.step(VIEW, 1000);
  of.heard(beat(), 3, 1000);
  of.heard(beat({ state: 'following' }), 3, 1010);
  expect(of.step(VIEW, 1000 + DELAY_MS - 1)).toBeUndefined();
  expect(of.step(VIEW, 1000 + DELAY_MS)).toBe(4);
});

test('a node that another has outrun in reading gives whoever has won a lease to be heard in', () => {
  const of = candidacy();
  expect(lookUntil(of, 0, 400)).toBeUndefined();
  of.heard(beat({ state: 'following', node: 'c', epoch: 4 }), 3, 400);
  expect(lookUntil(of, 400, 400 + LEASE_MS + DELAY_MS - 1)).toBeUndefined();
  of.heard(beat({ state: 'following', node: 'c', epoch: 4 }), 3, 949);
  expect(of.step(VIEW, 400 + LEASE_MS + DELAY_MS)).toBe(5);
});

test('what a node said before it had won does not end its lease when it comes behind its record', () => {
  const of = candidacy();
  of.step(VIEW, 1000);
  of.fed(counted(recordOf(4, 'b', END)));
  of.heard(beat({ state: 'candidate' }), 4, 1000);
  const view = { ...VIEW, epoch: 4 };
  expect(lookUntil(of, 1000, 1000 + LEASE_MS + DELAY_MS - 1, view)).toBeUndefined();
  expect(of.leader).toBe('b');
  of.heard(beat({ state: 'following', epoch: 4 }), 4, 1600);
  expect(of.step(view, 1600)).toBe(5);
});

test('it has won when its own record counts, and lost when another one of no lower epoch does', () => {
  const won = candidacy();
  won.published(recordOf(4, 'a', END), 1000);
  expect(won.step(VIEW, 1000)).toBeUndefined();
  won.fed(counted(recordOf(3, 'c', END)));
  expect(won.state).toBe('candidate');
  won.fed(counted(recordOf(4, 'a', END)));
  expect(won.state).toBe('won');

  const lost = candidacy();
  lost.published(recordOf(4, 'a', END), 1000);
  lost.step(VIEW, 1001);
  lost.fed(counted(recordOf(4, 'b', END)));
  expect([lost.state, lost.leader]).toEqual(['following', 'b']);
  // The winner has a lease to be heard in.
  expect(lookUntil(lost, 1001, 1001 + LEASE_MS + DELAY_MS - 1)).toBeUndefined();
  expect(lost.step(VIEW, 1001 + LEASE_MS + DELAY_MS)).toBe(5);
});

test('a record that is never found in the log is given up for one of a higher epoch', () => {
  const of = candidacy();
  of.published(recordOf(4, 'a', END), 1000);
  expect(of.step(VIEW, 1000 + 4 * LEASE_MS - 1)).toBeUndefined();
  expect(of.step(VIEW, 1000 + 4 * LEASE_MS)).toBeUndefined();
  expect(of.state).toBe('following');
  expect(of.step(VIEW, 1000 + 4 * LEASE_MS + DELAY_MS)).toBe(5);
});

test('a node with fewer blocks lets one with more come first, as long as that one is heard of', () => {
  const of = candidacy();
  of.heard(beat({ state: 'following', node: 'c', block: 5 }), 3, 600);
  expect(lookUntil(of, 0, 700)).toBeUndefined();
  expect(of.step({ ...VIEW, block: 5 }, 700)).toBe(4);
  expect(lookUntil(of, 700, 3 * LEASE_MS + DELAY_MS)).toBe(4);
});
