import { type BookOrder, keyOf, type OrderName } from '../../../proofs/matching/linked-books.ts';
import { marketCircuit } from '../../../proofs/matching/market-circuit.ts';
import {
  type Key,
  LIST_HEAD,
  type MarketColumns,
  marketColumns,
  OWN_STEPS,
  type Rules,
  SECOND_KEY,
} from '../../../proofs/matching/market-columns.ts';
import { lastTrade } from '../../../proofs/matching/stop-cells.ts';
import type { TapeCommand } from '../../../proofs/matching/tape.ts';
import { MarketWitness } from '../../../proofs/matching/witness.ts';
import type { BusEntry, Circuit } from '../../../proofs/stark/constraints.ts';
import { add, element, invert, P } from '../../../proofs/stark/field.ts';
import { rowValues, type Trace } from '../../../proofs/stark/row-checker.ts';

/**
 * A span that begins honestly and is then forged: rows are edited at will, and `seal` makes everything consistent with
 * them that a prover could make consistent. What is still violated is what the circuit has against the lie.
 *
 * Spans here have few rows, so ranges are checked directly: the columns of the range table are not looked at.
 */
export const FORGED_ROWS = 32;
const INSTRUMENTS = 2;
/** These speak of the table of all 65536 numbers, for which a forgery has too few rows. */
const RANGE_TABLE = ['the range starts at zero', 'the range steps by one', 'the range ends at 65535'];

type Column = Uint32Array;
/** A message of the memory bus: address, ladder, post-only, price key, open, next, next price key, time. */
type Cell = number[];
const TERMS = 5;
const OPEN = 9;
const NEXT = 12;
const TIME = 19;

const CIRCUITS: Readonly<Record<Rules, Circuit>> = {
  plain: marketCircuit('plain'),
  ruled: marketCircuit('ruled'),
  stops: marketCircuit('stops'),
};
const PLACES = new Map(Object.values(CIRCUITS).map((one) => [one, new Map(one.columns.map((name, i) => [name, i]))]));
let rules: Rules = 'plain';
let circuit = CIRCUITS.plain;

/** Which circuit forgeries are made for from here on. */
export function forgeFor(which: Rules): void {
  rules = which;
  circuit = CIRCUITS[which];
}

/** What a cell has in the plain circuit for post-only is a part of its terms in the others. */
function placeOf(name: string): number | undefined {
  const places = PLACES.get(circuit);
  return places?.get(name) ?? places?.get(name.replace(' post only', ' terms'));
}

function entryOf(name: string): BusEntry | undefined {
  return circuit.entries.find((one) => one.name === name);
}

const PORTS = ['the head of the other side', 'the other order', 'the own order'];

export class Forgery {
  readonly columns: MarketColumns<Column>;
  readonly trace: readonly Column[];
  /** Rows that commands take. */
  readonly rows: number;
  commands: number;

  constructor(
    commands: readonly (Partial<TapeCommand> & Pick<TapeCommand, 'kind'>)[],
    orders: readonly BookOrder[] = [],
  ) {
    const witness = new MarketWitness(FORGED_ROWS, INSTRUMENTS, orders, rules);
    for (const { targets, ...command } of commands as (TapeCommand & { targets?: OrderName[] })[]) {
      witness.apply({ ...NOTHING, ...command }, targets ?? []);
    }
    this.rows = witness.rowsUsed;
    this.commands = witness.commands;
    witness.finish(rules);
    this.trace = witness.trace.map((column) => Uint32Array.from(column));
    let next = 0;
    this.columns = marketColumns<Column>({
      rules,
      group: () => undefined,
      column: () => this.trace[next++] as Column,
      absent: () => new Uint32Array(FORGED_ROWS),
    });
  }

  /** Sets cells of one row by column name; values may be negative. */
  set(row: number, cells: Readonly<Record<string, number>>): this {
    for (const [name, value] of Object.entries(cells)) {
      this.#column(name)[row] = element(value);
    }
    return this;
  }

  get(row: number, name: string): number {
    return this.#column(name)[row] as number;
  }

  #column(name: string): Column {
    const index = placeOf(name);
    if (index === undefined) throw new RangeError(`no column ${name}`);
    return this.trace[index] as Column;
  }

  /** Sets an amount's three limbs. */
  setAmount(row: number, name: string, amount: number): this {
    for (let i = 0; i < 3; i++) this.set(row, { [`${name} ${i}`]: Math.floor(amount / 65_536 ** i) % 65_536 });
    return this;
  }

  getAmount(row: number, name: string): number {
    return [0, 1, 2].reduce((sum, i) => sum + this.get(row, `${name} ${i}`) * 65_536 ** i, 0);
  }

  setKey(row: number, name: string, order: OrderName): this {
    for (const [i, part] of keyOf(order).entries()) this.set(row, { [`${name} ${i}`]: part });
    return this;
  }

  /** In the order in which the circuit declares them. */
  get columnNames(): readonly string[] {
    return circuit.columns;
  }

  /** Copies the whole of a row over another. */
  copyRow(from: number, to: number): this {
    return this.putRow(to, this.rowOf(from));
  }

  /** All that a row says of its command: nothing of the tables that stand beside. */
  rowOf(row: number): readonly number[] {
    return this.#ofRows().map((column) => column[row] as number);
  }

  putRow(row: number, cells: readonly number[]): this {
    for (const [i, column] of this.#ofRows().entries()) column[row] = cells[i] as number;
    return this;
  }

  #ofRows(): Column[] {
    const { before, after, directory, range, afterTime, clock } = this.columns;
    const tables = [before, after].flatMap((table) => [
      ...table.address,
      table.ladder,
      table.terms,
      ...table.key,
      ...table.open,
      table.used,
      table.isOrder,
    ]);
    const listed = [
      ...directory.key,
      ...directory.differs,
      ...directory.growth,
      ...directory.value,
      directory.gone,
      directory.goneTime,
      directory.goneKnown,
      ...directory.gonePrice,
    ];
    const fixed = new Set<Column>([...tables, ...listed, range.value, range.times, afterTime, clock]);
    return this.trace.filter((column) => !fixed.has(column));
  }

  /**
   * Follows the rows' own writes to memory and makes times, ages, the book after and the directory fit them. With
   * `reload`, what rows read is put right, too; without, an edited reading stays as it is.
   */
  seal({ reload = false, keepTimes = false } = {}): this {
    const memory = this.#memoryBefore();
    for (let row = 0; row < FORGED_ROWS; row++) {
      for (const [port, name] of PORTS.entries()) {
        let values = this.#values(row);
        const sent = entryOf(`${name} is`);
        if (sent === undefined || values[sent.multiplicity] === 0) continue;
        const address = sent.message.slice(0, 4).map((part) => values[part] as number);
        const known = memory.get(address.join()) ?? [...address, ...Array(16).fill(0)];
        if (!keepTimes) this.#putTime(row, port, known);
        if (reload) this.#reload(row, port, known);
        values = this.#values(row);
        memory.set(
          address.join(),
          sent.message.map((part) => values[part] as number),
        );
      }
    }
    this.#putAfter(memory);
    this.#putDirectory(memory);
    for (let row = 0; row < FORGED_ROWS; row++) this.meet(row);
    return this;
  }

  /** Says of the order that the row may trade with whether it is of the same account, if the row looks at one. */
  meet(row: number): this {
    const { step, other, command, behindGap, sameAccount, priceWitness } = this.columns;
    const looking = [step.fill, step.peek, step.trigger, ...OWN_STEPS.map((name) => step[name])];
    if (rules === 'plain' || looking.every((column) => column[row] === 0)) return this;
    const id = (other.address[2][row] as number) % 256;
    behindGap[0][row] = id;
    behindGap[1][row] = 256 * id;
    const account = Math.floor((other.address[2][row] as number) / 256);
    behindGap[2][row] = account;
    if (step.trigger[row] !== 0) return this;
    const low = element(account - (command.lowAccount[row] as number));
    const high = element((other.address[3][row] as number) - (command.key[3][row] as number));
    sameAccount[row] = low === 0 && high === 0 ? 1 : 0;
    priceWitness[0][row] = low === 0 ? 0 : invert(low);
    priceWitness[1][row] = low === 0 && high !== 0 ? invert(high) : 0;
    return this;
  }

  /** Names of the rules that are violated. */
  violated(): string[] {
    return this.judgement()();
  }

  /** Of the forgery as it is: what is violated, with some rules left out of the circuit. */
  judgement(): Judgement {
    return judge(this.trace, this.commands);
  }

  /** Messages of the memory bus that do not come out even, for whoever writes a forgery. */
  unbalanced(): string[] {
    const sums = new Map<string, { times: number; from: string[] }>();
    for (let row = 0; row < FORGED_ROWS; row++) {
      const values = this.#values(row);
      for (const { name, bus, multiplicity, message } of circuit.entries) {
        const times = values[multiplicity] as number;
        if (times === 0 || circuit.buses[bus] === 'range') continue;
        const text = message.map((part) => values[part]).join();
        const sum = sums.get(text) ?? { times: 0, from: [] };
        sum.times = add(sum.times, times);
        sum.from.push(`${name} (row ${row})`);
        sums.set(text, sum);
      }
    }
    return [...sums].flatMap(([text, { times, from }]) =>
      times === 0 ? [] : [`${times > P / 2 ? times - P : times}: ${text}: ${from.join('; ')}`],
    );
  }

  #values(row: number): number[] {
    return rowValues(circuit, this.trace, [this.commands], row, (row + 1) % FORGED_ROWS);
  }

  #memoryBefore(): Map<string, Cell> {
    const memory = new Map<string, Cell>();
    const sent = entryOf('book before');
    for (let row = 0; sent !== undefined && row < FORGED_ROWS; row++) {
      const values = this.#values(row);
      if (values[sent.multiplicity] === 0) continue;
      const cell = sent.message.map((part) => values[part] as number);
      memory.set(cell.slice(0, 4).join(), cell);
    }
    return memory;
  }

  #putTime(row: number, port: number, known: Cell): void {
    const { head, other, own, ages } = this.columns;
    const time = known[TIME] as number;
    ([head, other, own][port] as { time: Column }).time[row] = time;
    const age = 3 * row - time;
    const [low, high] = ages[port] as readonly [Column, Column];
    low[row] = element(age % 2 ** 14);
    high[row] = element(Math.floor(age / 2 ** 14));
  }

  #reload(row: number, port: number, known: Cell): void {
    const { head, other, own } = this.columns;
    const put = (columns: readonly Column[], from: number): void => {
      for (const [i, column] of columns.entries()) column[row] = known[from + i] as number;
    };
    if (port === 0) {
      put([...head.next, ...head.nextKey], NEXT);
      this.lastTrade(row, known);
    } else {
      const { cell } = port === 1 ? other : own;
      put([cell.ladder, cell.terms, ...cell.key, ...cell.open, ...cell.next, ...cell.nextKey], 4);
    }
  }

  /** What the head of a ladder of stops says of the last trade, on a row that looks at one. */
  lastTrade(row: number, head: readonly number[]): this {
    const { trigger, quiet, undue, due } = this.columns.step;
    if ([trigger, quiet, undue, due].every((column) => (column[row] ?? 0) === 0)) return this;
    const { known, price } = lastTrade(this.columns);
    known[row] = head[TERMS] as number;
    for (const [i, column] of price.entries()) column[row] = head[OPEN + i] as number;
    return this;
  }

  /** The list from the first ladder's head on; behind a row that is not used each, those of stops; then what none reaches. */
  #putAfter(memory: ReadonlyMap<string, Cell>): void {
    const { after, afterTime } = this.columns;
    const live = new Map([...memory].filter(([, cell]) => isLive(cell)));
    const listed: (Cell | undefined)[] = [];
    const follow = (head: string): void => {
      let address = head;
      for (let cell = live.get(address); cell !== undefined; cell = live.get(address)) {
        listed.push(cell);
        live.delete(address);
        address = cell.slice(NEXT, NEXT + 4).join();
      }
    };
    follow([0, 0, 0, LIST_HEAD].join());
    for (const [address, cell] of [...live].filter(([, cell]) => isStopHead(cell))) {
      listed.push(undefined);
      follow(address);
      if (cell[NEXT + 3] === LIST_HEAD) throw new RangeError(`stops lead to a head behind ${address}`);
    }
    listed.push(...live.values());
    this.#putTable(after, listed);
    afterTime.fill(0);
    for (const [row, cell] of listed.entries()) afterTime[row] = cell?.[TIME] ?? 0;
  }

  #putTable(table: MarketColumns<Column>['after'], cells: readonly (Cell | undefined)[]): void {
    const columns = [...table.address, table.ladder, table.terms, ...table.key, ...table.open];
    for (const column of [...columns, table.used, table.isOrder]) column.fill(0);
    for (const [row, cell] of cells.entries()) {
      if (cell === undefined) continue;
      for (const [i, column] of columns.entries()) column[row] = cell[i] as number;
      table.used[row] = 1;
      table.isOrder[row] = cell[3] === LIST_HEAD && !isStopHead(cell) ? 0 : 1;
    }
  }

  #putDirectory(memory: ReadonlyMap<string, Cell>): void {
    const { key, differs, growth, value, gone, goneTime, goneKnown, gonePrice } = this.columns.directory;
    const cells = [...memory.values()].filter((cell) => cell[3] !== LIST_HEAD || isStopHead(cell));
    const before = [0, 1, 2, 3].reverse();
    cells.sort((a, b) => before.map((i) => (a[i] as number) - (b[i] as number)).find((order) => order !== 0) ?? 0);
    const told = [goneKnown, ...gonePrice];
    for (const column of [...key, ...differs, ...growth, ...value, gone, goneTime, ...told]) column.fill(0);
    const at = (row: number): Cell => cells[row] ?? [0, 0, 0, 2 * SECOND_KEY + row];
    for (let row = 0; row < FORGED_ROWS; row++) {
      const here = at(row);
      for (const [i, column] of (key as Key<Column>).entries()) column[row] = here[i] as number;
      const isGone = !isLive(here);
      gone[row] = isGone ? 1 : 0;
      goneTime[row] = isGone ? (here[TIME] ?? 0) : 0;
      for (const [i, column] of told.entries()) column[row] = isGone ? (here[i === 0 ? TERMS : OPEN + i - 1] ?? 0) : 0;
      this.linkDirectory(row, at(row + 1));
    }
  }

  /** Shows that the row's key is smaller than the next one's. */
  linkDirectory(row: number, next: readonly number[]): void {
    const { key, differs, growth, value } = this.columns.directory;
    const place = [3, 2, 1, 0].findIndex((i) => (key[i] as Column)[row] !== next[i]);
    for (const [i, column] of differs.entries()) column[row] = i === place ? 1 : 0;
    if (row === FORGED_ROWS - 1 || place < 0) return;
    const larger = next[3 - place] as number;
    const grown = larger - ((key[3 - place] as Column)[row] as number) - 1;
    const put = (columns: readonly Column[], amount: number): void => {
      (columns[0] as Column)[row] = element(amount % 4_096);
      (columns[1] as Column)[row] = element(Math.floor(amount / 4_096));
    };
    put(growth, grown);
    put(value, larger);
  }
}

/** Names of the rules that a trace violates. */
export function violatedBy(trace: Trace, commands: number): string[] {
  return judge(trace, commands)();
}

/** What the circuit has against a trace that stays as it is. */
type Judgement = (without?: readonly string[]) => string[];

/**
 * Names of constraints that do not hold, of look-ups that are out of range, and `memory` if that bus does not come out even. Rows are
 * looked at once, whatever is left out then.
 */
function judge(trace: Trace, commands: number): Judgement {
  const circuit = Object.values(CIRCUITS).find(({ columns }) => columns.length === trace.length) as Circuit;
  const found = new Set<string>();
  const messages: { readonly name: string; readonly text: string; readonly times: number }[] = [];
  const last = (trace[0]?.length ?? 0) - 1;
  const constraints = circuit.constraints.slice(0, circuit.authored).filter(({ name }) => !RANGE_TABLE.includes(name));
  const entries = circuit.entries.filter(({ name }) => name !== 'every number of 16 bits');
  for (let row = 0; row <= last; row++) {
    const values = rowValues(circuit, trace, [commands], row, row === last ? 0 : row + 1);
    for (const { name, rows, node } of constraints) {
      if (values[node] === 0) continue;
      const speaks =
        rows === 'every' ||
        (rows === 'first' && row === 0) ||
        (rows === 'last' && row === last) ||
        (rows === 'transition' && row < last);
      if (speaks) found.add(name);
    }
    for (const { name, bus, multiplicity, message } of entries) {
      const times = values[multiplicity] as number;
      if (times === 0) continue;
      if (circuit.buses[bus] === 'range') {
        if ((values[message[0] as number] as number) > 65_535) found.add(name);
        continue;
      }
      messages.push({ name, text: message.map((part) => values[part]).join(), times });
    }
  }
  return (without = []) => {
    const violated = [...found].filter((name) => !without.includes(name));
    const memory = new Map<string, number>();
    for (const { name, text, times } of messages)
      if (!without.includes(name)) memory.set(text, add(memory.get(text) ?? 0, times));
    if ([...memory.values()].some((times) => times !== 0)) violated.push('memory');
    return violated.sort();
  };
}

/** Whether anything is there: of the head of a ladder of stops, whether there is one. */
function isLive(cell: Cell): boolean {
  return (cell[4] ?? 0) !== 0 || (isStopHead(cell) && cell.slice(NEXT, TIME).some((part) => part !== 0));
}

function isStopHead(cell: Cell): boolean {
  return cell[3] === LIST_HEAD && (cell[1] !== 0 || cell[2] !== 0);
}

/** A command that names nothing. */
export const NOTHING: TapeCommand = {
  kind: 'aside',
  market: false,
  rests: false,
  fillOrKill: false,
  postOnly: false,
  hasPrice: false,
  hasQuantity: false,
  late: false,
  oneSide: false,
  byAccount: false,
  bySymbol: false,
  symbol: 0,
  side: 0,
  account: 0,
  idLow: 0,
  idHigh: 0,
  price: 0,
  quantity: 0,
  reason: 0,
  prevention: 0,
  usualPrevention: 0,
  stopPrice: 0,
  lastPrice: 0,
  removal: 0,
};

/**
 * Entries that nothing comes out even without, so that no lie needs them gone: every row looks numbers up, and lists more
 * keys than book after has room for.
 */
const ALWAYS_NEEDED = ['every number of 16 bits', 'listed orders end as nothing'];

/** Every constraint, every entry of the memory bus and every look-up, but for those of the range table itself. */
export function rulesOf(which: Rules): readonly string[] {
  const { constraints, authored, entries } = CIRCUITS[which];
  return [...constraints.slice(0, authored), ...entries]
    .map(({ name }) => name)
    .filter((name) => !RANGE_TABLE.includes(name) && !ALWAYS_NEEDED.includes(name));
}

/** Breaks one rule of the circuit, named by its key, and is consistent in everything else. */
export type Lies = Readonly<Record<string, () => Forgery>>;
