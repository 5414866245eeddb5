import { expect, test } from '@jest/globals';
import { Principals } from '../../sequencer/principals.ts';

const principals = new Principals('veritape.3.submit');

test('a subject names an identity and an account, and is the same object again', () => {
  const alice = principals.of('veritape.3.submit.alice-1.4294967295');
  expect(alice).toEqual({
    identity: 'alice-1',
    account: 4_294_967_295,
    key: 'alice-1.4294967295',
    accounts: new Set([4_294_967_295]),
    inbox: '_INBOX.alice-1.',
  });
  expect(principals.of('veritape.3.submit.alice-1.4294967295')).toBe(alice);
  expect(principals.of('veritape.3.submit.alice-1.0')).toMatchObject({ account: 0 });
});

// Another spelling would be a subject of its own, for which other permissions may hold.
test.each([
  '',
  'veritape.3.submit',
  'veritape.3.submit.alice',
  'veritape.3.submit.alice.',
  'veritape.3.submit.alice.07',
  'veritape.3.submit.alice.+7',
  'veritape.3.submit.alice.7.0',
  'veritape.3.submit.alice.4294967296',
  'veritape.3.submit.alice.1e3',
  'veritape.3.submit.alice.0x7',
  'veritape.3.submit..7',
  'veritape.3.submit.al$ice.7',
  `veritape.3.submit.${'a'.repeat(33)}.7`,
  'veritape.33.submit.alice.7',
  'veritape.3.alive.alice.7',
])('%j names nobody', (subject) => {
  expect(principals.of(subject)).toBeUndefined();
});
