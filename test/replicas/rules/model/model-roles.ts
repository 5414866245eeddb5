import type { MarketCommand } from '../../reference-command.ts';

const ROLE = { administrator: 1, marketOperations: 2, risk: 4, clearing: 8 } as const;
const FLAG_BY_ACCOUNT = 8;
const KIND = { roles: 1, cancelAllAfter: 8 } as const;

/** A row of the table in docs/rules-accounts.md, "Roles". */
interface Row {
  readonly own: boolean;
  /** Of which one is enough, for whatever account. */
  readonly roles: number;
}

const OWN_ALONE: Row = { own: true, roles: 0 };
const OF_OPERATIONS: Row = { own: false, roles: ROLE.marketOperations };
const OF_RISK: Row = { own: false, roles: ROLE.risk };
const OF_CLEARING: Row = { own: false, roles: ROLE.clearing };
const OFF_TAKING = ROLE.marketOperations | ROLE.risk;
const ROWS: ReadonlyMap<number, Row> = new Map([
  [2, { own: true, roles: OFF_TAKING }],
  [3, { own: true, roles: OFF_TAKING }],
  ...[7, 8, 9, 16, 17, 18, 19, 20, 21, 22, 23, 28, 29, 30].map((op): [number, Row] => [op, OF_OPERATIONS]),
  ...[34, 35].map((op): [number, Row] => [op, OF_RISK]),
  ...[32, 33].map((op): [number, Row] => [op, OF_CLEARING]),
]);

function rowOf({ op, flags }: MarketCommand): Row {
  if (op === 5) return { own: (flags & FLAG_BY_ACCOUNT) !== 0, roles: OFF_TAKING };
  if (op !== 26) return ROWS.get(op) ?? OWN_ALONE;
  if (flags >>> 24 === KIND.roles) return { own: false, roles: ROLE.administrator };
  return { own: flags >>> 24 === KIND.cancelAllAfter, roles: ROLE.risk };
}

/** What becomes of a command in a session of `account`, which has these roles: not handled, refused, or carried out. */
export function permissionOf(account: number, roles: number, command: MarketCommand): 'none' | 'refused' | 'granted' {
  if (account === 0) return 'granted';
  const row = rowOf(command);
  if ((roles & (row.roles | (row.roles === 0 ? 0 : ROLE.administrator))) !== 0) return 'granted';
  if (command.account !== account) return 'none';
  return row.own ? 'granted' : 'refused';
}
