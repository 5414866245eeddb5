import { expect, test } from '@jest/globals';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { DEFAULT_LIMITS } from '../../journal/genesis.ts';
import { InstrumentDirectory } from '../../ops/instrument-directory.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { type InstrumentInfo, listInstruments } from '../../replicas/instrument-table.ts';
import { createMatcher } from '../../replicas/matcher.ts';

const LIMITS = { ...DEFAULT_LIMITS, ordersMax: 64, levelPagesMax: 64, instrumentsMax: 4, accountsMax: 8 };
const HOUR_NS = 3_600_000_000_000n;

/** A replica and the directory of its events, which must tell the same of instruments that trade here. */
class Told {
  directory = new InstrumentDirectory([]);
  readonly #events = new EventBuffer(64);
  readonly #matcher = createMatcher(LIMITS, this.#events);
  readonly #words = new Uint32Array(COMMAND_WORDS);
  #time = 1_000n;

  get listed(): InstrumentInfo[] {
    return listInstruments(this.#matcher.state.instruments);
  }

  apply(command: Command): void {
    this.#time += 1n;
    encodeCommand(this.#words, 0, { ...command, time: this.#time });
    this.#matcher.apply(this.#words, 0);
    this.directory.take(this.#events.words, this.#events.mask, 0, this.#events.next);
    this.#events.clear();
  }

  /** As a venue that is opened again. */
  reopen(): void {
    this.directory = new InstrumentDirectory(this.listed, this.#matcher.state.accounts.isInForce());
  }

  pass(time: bigint): void {
    this.#time += time;
  }
}

function create(symbol: number, name: string): Command {
  return { op: 'instrumentCreate', account: 0, symbol, name };
}
const ACME = { account: 0, symbol: 0 } as const;

test('what is told of instruments is what the replica has, after each command', () => {
  const told = new Told();
  const commands: readonly Command[] = [
    create(0, 'ACME'),
    create(1, 'ZINC'),
    { op: 'instrumentSet', ...ACME, setting: 'tick', value: 1 },
    // An instrument event says nothing of rules and phases.
    { op: 'instrumentUpdate', ...ACME, priceMax: 900 },
    { op: 'phase', ...ACME, phase: 'halted' },
    { op: 'instrumentUpdate', ...ACME, priceMax: 800 },
    { op: 'resume', ...ACME },
    { op: 'openAuction', ...ACME },
    { op: 'uncross', ...ACME },
    { op: 'schedule', account: 0, symbol: 1, phase: 'closed', value: 2n * HOUR_NS },
    { op: 'accountSet', account: 3, accountSetting: 'roles', value: 4 },
    create(2, 'IRON'),
    { op: 'accountSet', account: 3, accountSetting: 'openOrdersMax', value: 4 },
    create(3, 'GOLD'),
  ];
  const phases: unknown[] = [];
  for (const command of commands) {
    told.apply(command);
    expect(told.directory.all).toEqual(told.listed);
    phases.push(told.listed[0]?.phase);
  }
  expect(phases.slice(4, 9)).toEqual(['halted', 'halted', undefined, 'openingAuction', undefined]);
  // By time alone.
  told.pass(2n * HOUR_NS);
  told.apply({ op: 'tick', account: 0 });
  expect(told.directory.all).toEqual(told.listed);
  expect(told.directory.byName('ZINC')?.phase).toBe('closed');
});

test('a venue that is opened again tells the same of what comes afterwards', () => {
  const told = new Told();
  told.apply(create(0, 'ACME'));
  told.apply({ op: 'accountSet', account: 3, accountSetting: 'openOrdersMax', value: 4 });
  told.reopen();
  told.apply(create(1, 'ZINC'));
  expect(told.directory.all).toEqual(told.listed);
  told.apply({ op: 'instrumentAssign', account: 0, symbol: 1, shard: 9 });
  told.apply({ op: 'moveOut', account: 0, symbol: 1 });
  told.apply({ op: 'instrumentAssign', account: 0, symbol: 1 });
  expect(told.directory.all).toEqual(told.listed);
  expect(told.directory.byName('ZINC')?.ruled).toBe(true);
});

test('of an instrument that trades elsewhere neither rules nor phase are told, and of one that comes its own', () => {
  const told = new Told();
  told.apply(create(0, 'ACME'));
  told.apply({ op: 'phase', ...ACME, phase: 'halted' });
  told.apply({ op: 'instrumentAssign', ...ACME, shard: 9 });
  told.apply({ op: 'moveOut', ...ACME });
  const away = told.directory.byName('ACME');
  expect([away?.elsewhere, 'phase' in (away ?? {}), 'ruled' in (away ?? {})]).toEqual([9, false, false]);
  told.apply({ op: 'instrumentAssign', ...ACME });
  expect(told.directory.all).toEqual(told.listed);
  expect(told.directory.byName('ACME')).toMatchObject({ elsewhere: undefined });
  expect(told.directory.byName('ACME')?.phase).toBeUndefined();
});
