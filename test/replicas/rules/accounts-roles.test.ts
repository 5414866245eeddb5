import { describe, expect, test } from '@jest/globals';
import type { Command } from '../../../journal/commands.ts';
import { deposit, marketOf, ofAccount, order, set } from './account-commands.ts';

describe('roles', () => {
  const OPERATIONS: Readonly<Record<string, Command>> = {
    new: order(2, 50, 'buy', 10, 1),
    replace: { op: 'replace', account: 2, symbol: 0, id: 1, price: 11 },
    cancel: { op: 'cancel', account: 2, symbol: 0, id: 9 },
    reduce: { op: 'reduce', account: 2, symbol: 0, id: 9, quantity: 1 },
    massCancel: { op: 'massCancel', account: 2, side: 'sell' },
    massCancelOfAll: { op: 'massCancel', side: 'sell' },
    instrumentCreate: { op: 'instrumentCreate', symbol: 1, name: 'OTHER' },
    instrumentSet: set('tick', 1),
    moveStatus: { op: 'moveStatus', symbol: 0, quantity: 1 },
    moveTerms: { op: 'moveTerms', account: 2, symbol: 0, id: 3, term: 'display', value: 1 },
    moveSet: { op: 'moveSet', symbol: 0, setting: 'tick', value: 1 },
    massStatus: { op: 'massStatus', symbol: 0, side: 'buy', quantity: 1 },
    halt: { op: 'halt', symbol: 0 },
    cancelAllAfter: ofAccount(2, 'cancelAllAfter', 5),
    rateMax: ofAccount(2, 'rateMax', 500),
    group: ofAccount(2, 'group', 5),
    roles: ofAccount(2, 'roles', 0),
    kill: { op: 'kill', account: 2 },
    killAll: { op: 'kill' },
    reinstate: { op: 'reinstate', account: 2 },
    deposit: deposit(2, 1, 5),
    withdraw: { op: 'withdraw', account: 2, symbol: 1, value: 1 },
  };

  /** Which operations a session of account 7 with these roles may send, when they are about another account. */
  function allowed(roles: number): string[] {
    return Object.entries(OPERATIONS).flatMap(([name, command]) => {
      const market = marketOf(order(2, 1, 'buy', 10, 5), order(2, 9, 'buy', 9, 5), ofAccount(7, 'roles', roles));
      market.apply(deposit(2, 1, 50));
      market.apply({ op: 'sessionOpen', account: 7, id: 1 });
      const [first] = market.apply({ ...command, session: 1, request: 1 });
      return first?.type === 'rejected' && first.reason === 'sessionAccount' ? [] : [name];
    });
  }

  const MARKET = [
    'cancel',
    'reduce',
    'massCancel',
    'massCancelOfAll',
    'instrumentCreate',
    'instrumentSet',
    ...['moveStatus', 'moveTerms', 'moveSet'],
    'massStatus',
    'halt',
  ];
  const RISK = [
    ...['cancel', 'reduce', 'massCancel', 'massCancelOfAll', 'cancelAllAfter', 'rateMax', 'group'],
    ...['kill', 'killAll', 'reinstate'],
  ];
  const CLEARING = ['deposit', 'withdraw'];

  test.each([
    ['no role', 0, []],
    ['market operations', 2, MARKET],
    ['risk', 4, RISK],
    ['clearing', 8, CLEARING],
    ['risk and clearing', 12, [...RISK, ...CLEARING]],
    ['an administrator', 1, [...MARKET, ...RISK, ...CLEARING, 'roles']],
  ])('%s', (_name, roles, expected) => {
    expect(allowed(roles).sort()).toEqual([...new Set(expected)].sort());
  });

  test('of its own account, every session may do what is not for a role, and set its scheduled cancel', () => {
    const market = marketOf({ op: 'sessionOpen', account: 2, id: 1 });
    const own = Object.entries(OPERATIONS).filter(([, { account }]) => account === 2);
    let request = 0;
    const refused = own.flatMap(([name, command]) => {
      const [first] = market.apply({ ...command, session: 1, request: ++request });
      return first?.reason === 'sessionAccount' ? [name] : [];
    });
    expect(refused).toEqual(['moveTerms', 'rateMax', 'group', 'roles', 'kill', 'reinstate', 'deposit', 'withdraw']);
  });
});
