import { expect } from '@jest/globals';
import type { AccountSettingName, Command, SettingName } from '../../../journal/commands.ts';
import { RuledMarket } from './ruled-market.ts';

/** Commands that tests of accounts begin with. */

export const CREATE: Command = { op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' };

/** A market with one instrument, in which these commands were accepted. */
export function marketOf(...commands: readonly Command[]): RuledMarket {
  const market = new RuledMarket();
  expect(market.reasons(CREATE, ...commands)).toEqual(['', ...commands.map(() => '')]);
  return market;
}

export const order = (account: number, id: number, side: 'buy' | 'sell', price: number, quantity: number): Command => ({
  ...{ op: 'new', account, symbol: 0, id, side, price, quantity },
});
export const set = (setting: SettingName, value: number): Command => ({
  ...{ op: 'instrumentSet', account: 0, symbol: 0, setting, value },
});
export const ofAccount = (account: number, accountSetting: AccountSettingName, value: number | bigint): Command => ({
  ...{ op: 'accountSet', account, accountSetting, value },
});
export const deposit = (account: number, asset: number, value: number | bigint): Command => ({
  ...{ op: 'deposit', account, symbol: asset, id: 7, value },
});
