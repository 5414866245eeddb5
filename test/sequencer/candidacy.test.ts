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

function beat(more: Partial<Heartbeat> = {}): Heartbeat {
  return { state: 'leading', epoch: 3, counter: 1, block: 0, node: 'b', ...more };
}

function counted(record: EpochRecord): Parameters<Candidacy['fed']>[0] {
  return { kind: 'epoch', slot: 1, record };
}

test('a node comes forward when the primary was silent for a lease and the delay of the node', () => {
  const of = candidacy();
  of.heard(beat(), 3, 100);
  expect(of.step(VIEW, 100 + LEASE_MS + DELAY_MS - 1)).toBeUndefined();
  of.heard(beat({ counter: 2 }), 3, 300);
  expect(of.leader).toBe('b');
  expect(of.step(VIEW, 300 + LEASE_MS + DELAY_MS - 1)).toBeUndefined();
  expect(of.step(VIEW, 300 + LEASE_MS + DELAY_MS)).toBe(4);
});

test('a primary that was passed, or the node itself, keeps nobody waiting', () => {
  const of = candidacy();
  of.heard(beat({ epoch: 2 }), 3, 400);
  of.heard(beat({ node: 'a' }), 3, 400);
  expect(of.step(VIEW, LEASE_MS + DELAY_MS)).toBe(4);
});

test('the epoch is above all that anybody spoke of, and the journal’s', () => {
  const of = candidacy();
  of.heard(beat({ epoch: 7 }), 3, 0);
  expect(of.step(VIEW, 10_000)).toBe(8);
  expect(of.step({ ...VIEW, journalEpoch: 11 }, 10_000)).toBe(12);
});

test('a node that is not ready does not come forward', () => {
  expect(candidacy().step({ ...VIEW, isReady: false }, 10_000)).toBeUndefined();
});

test('a primary that says that it leads no more is not waited for', () => {
  const of = candidacy();
  of.heard(beat(), 3, 1000);
  of.heard(beat({ state: 'following' }), 3, 1010);
  expect(of.step(VIEW, 1010 + DELAY_MS - 1)).toBeUndefined();
  expect(of.step(VIEW, 1010 + DELAY_MS)).toBe(4);
});

test('it has won when its own record counts, and lost when another one of no lower epoch does', () => {
  const won = candidacy();
  won.published(recordOf(4, 'a', END), 1000);
  expect(won.step(VIEW, 1000)).toBeUndefined();
  won.fed(counted(recordOf(3, 'c', END)), 1001);
  expect(won.state).toBe('candidate');
  won.fed(counted(recordOf(4, 'a', END)), 1002);
  expect(won.state).toBe('won');

  const lost = candidacy();
  lost.published(recordOf(4, 'a', END), 1000);
  lost.fed(counted(recordOf(4, 'b', END)), 1001);
  expect([lost.state, lost.leader]).toEqual(['following', 'b']);
  // The winner has a lease to be heard in.
  expect(lost.step(VIEW, 1001 + LEASE_MS + DELAY_MS - 1)).toBeUndefined();
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
  expect(of.step(VIEW, 700)).toBeUndefined();
  expect(of.step({ ...VIEW, block: 5 }, 700)).toBe(4);
  expect(of.step(VIEW, 3 * LEASE_MS + DELAY_MS)).toBe(4);
});
