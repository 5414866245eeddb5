import { KINDS, LIST_HEAD, STOP_LADDER } from '../../../../proofs/matching/market-columns.ts';
import { element, invert, multiply } from '../../../../proofs/stark/field.ts';
import { FORGED_ROWS, Forgery, forgeFor } from '../forgery.ts';
import { quietly } from './stops-words.ts';

/** A forgery's columns, by name. */
type Columns = ReadonlyMap<string, readonly number[]>;

const PORTS = ['head', 'other', 'own'] as const;
const AGE_UNIT = 2 ** 14;
const OF_TABLES = /^(before|after|listed|range|clock|gone)/;
const NAMED = ['cancel', 'reduce', 'replace'];
/** What a fill's row says that the quiet one behind it does not. */
const OF_FILLS =
  /^(fill$|first$|maker|report (quantity|open)|covers|gap|behind gap|exhausts|same account|price witness|head|other|own)/;

/**
 * A lie that the ruled circuit refuses, told to the circuit of stops: the same rows, and behind each fill one on which it is
 * quiet, for there are no stops. What is said of time and of ladders says the same as before.
 */
export function toldToStops(forge: () => Forgery): Forgery {
  forgeFor('ruled');
  const ruled = forge();
  const columns: Columns = new Map(
    ruled.columnNames.map((name) => [name, Array.from({ length: FORGED_ROWS }, (_, row) => ruled.get(row, name))]),
  );
  const { commands } = ruled;
  forgeFor('stops');
  return new Transfer(columns, commands).told;
}

class Transfer {
  readonly told: Forgery;
  readonly #from: Columns;
  /** By row of the ruled circuit. */
  readonly #places: number[] = [];

  constructor(from: Columns, commands: number) {
    this.#from = from;
    this.told = new Forgery([]);
    this.told.commands = commands;
    const { sources, quiet } = this.#lay();
    for (const name of this.told.columnNames) {
      const column = from.get(name);
      for (let row = 0; row < FORGED_ROWS; row++) {
        const source = OF_TABLES.test(name) ? row : (sources[row] as number);
        this.told.set(row, { [name]: column?.[source] ?? 0 });
      }
    }
    for (let row = 0; row < FORGED_ROWS; row++) this.#tellOfStops(row, sources[row] as number);
    this.#tellOfTime(sources, quiet);
    for (const row of quiet) this.#beQuiet(row);
    if (quiet.length > 0) this.#listHeads(quiet);
  }

  #get(name: string, row: number): number {
    return (this.#from.get(name) as readonly number[])[row] as number;
  }

  /** The row from which each comes, and which rows are new. As many are left out behind the last command. */
  #lay(): { readonly sources: readonly number[]; readonly quiet: readonly number[] } {
    const sources: number[] = [];
    const quiet: number[] = [];
    let last = -1;
    for (let row = 0; row < FORGED_ROWS; row++)
      if (KINDS.some((kind) => this.#from.has(kind) && this.#get(kind, row) !== 0)) last = row;
    for (let row = 0; row <= last; row++) {
      this.#places[row] = sources.length;
      sources.push(row);
      if (this.#get('fill', row) === 0) continue;
      quiet.push(sources.length);
      sources.push(row);
    }
    for (let row = last + 1 + quiet.length; row < FORGED_ROWS; row++) {
      this.#places[row] = sources.length;
      sources.push(row);
    }
    return { sources, quiet };
  }

  /** An order is not in a ladder of stops, and what shows whether it is in one of orders is that much larger. */
  #tellOfStops(row: number, source: number): void {
    const ladder = this.#get('own ladder', source);
    const gap = element(ladder - 2 * this.#get('symbol', source) - 1 - STOP_LADDER);
    const inStops = multiply(gap, element(gap - 1));
    const inLadder = this.#get('in ladder', source);
    const named = element(NAMED.reduce((n, kind) => n + this.#get(kind, source), 0));
    const inverse = this.#get('free inverse', source);
    const tested = (inside: number): number => element(multiply(named, inside) + multiply(element(1 - named), ladder));
    const before = tested(inLadder);
    const after = tested(multiply(inLadder, inStops));
    this.told.set(row, {
      'in stops': inStops,
      'in ladder': multiply(inLadder, inStops),
      'free inverse': after === 0 ? inverse : multiply(multiply(before, inverse), invert(after)),
    });
  }

  #tellOfTime(sources: readonly number[], quiet: readonly number[]): void {
    const later = (time: number): number => {
      const row = Math.floor((time - 1) / 3);
      const place = time === 0 ? undefined : this.#places[row];
      return place === undefined ? time : time + 3 * (place - row);
    };
    for (let row = 0; row < FORGED_ROWS; row++) {
      for (const name of ['after time', 'gone time']) this.told.set(row, { [name]: later(this.#get(name, row)) });
      const source = sources[row] as number;
      if (quiet.includes(row)) continue;
      for (const port of PORTS) {
        const time = this.#get(`${port} time`, source);
        const told = this.#get(`${port} age 0`, source) + AGE_UNIT * this.#get(`${port} age 1`, source);
        const age = 3 * row - later(time);
        this.told.set(row, { [`${port} time`]: later(time) });
        if (told !== 3 * source - time || age < 0) continue;
        this.told.set(row, { [`${port} age 0`]: age % AGE_UNIT, [`${port} age 1`]: Math.floor(age / AGE_UNIT) });
      }
    }
  }

  /** The row is the fill's as yet. */
  #beQuiet(row: number): void {
    const { told } = this;
    const fill = row - 1;
    const { covers, last } = { covers: told.get(fill, 'covers'), last: told.get(fill, 'last') };
    const left = [0, 1, 2].map((i) => multiply(covers, told.get(fill, `gap ${i}`)));
    for (const name of told.columnNames) if (OF_FILLS.test(name) && !OF_TABLES.test(name)) told.set(row, { [name]: 0 });
    for (const [i, limb] of left.entries()) told.set(row, { [`left ${i}`]: limb });
    const sum = element(left.reduce((n, limb) => n + limb, 0));
    told.set(fill, { last: 0 }).set(row, { quiet: 1, last, 'gap inverse': last === 0 && sum !== 0 ? invert(sum) : 0 });
    this.#tellOfNothing(row);
    quietly(told, row);
  }

  /** No order is looked up. */
  #tellOfNothing(row: number): void {
    const { told } = this;
    const gap = element(-2 * told.get(row, 'symbol') - 1);
    const stops = element(gap - STOP_LADDER);
    const inStops = multiply(stops, element(stops - 1));
    const inLadder = multiply(multiply(gap, element(gap - 1)), inStops);
    const isNamed = NAMED.some((kind) => told.get(row, kind) !== 0);
    told.set(row, {
      'in stops': inStops,
      'in ladder': inLadder,
      'is free': isNamed ? 0 : 1,
      'free inverse': isNamed ? invert(inLadder) : 0,
      amends: 0,
      'same price': 0,
    });
  }

  /** Heads of ladders of stops that quiet rows look at: listed where fillers were, as nothing. */
  #listHeads(quiet: readonly number[]): void {
    const { told } = this;
    const seen = new Map<
      number,
      { readonly time: number; readonly known: number; readonly price: readonly number[] }
    >();
    for (const row of quiet) {
      for (const port of [0, 1]) {
        const ladder = 2 * told.get(row, 'report symbol') + port;
        const { time, known, price } = seen.get(ladder) ?? { time: 0, known: 0, price: [0, 0, 0] };
        const age = 3 * row - time;
        const name = PORTS[port] as string;
        told.set(row, { [`${name} time`]: time });
        told.set(row, { [`${name} age 0`]: age % AGE_UNIT, [`${name} age 1`]: Math.floor(age / AGE_UNIT) });
        const [knows, prices] = port === 0 ? ['covers', 'price witness'] : ['other terms', 'other open'];
        told.set(row, { [knows]: known, ...Object.fromEntries(price.map((limb, i) => [`${prices} ${i}`, limb])) });
        const trade = [0, 1, 2].map((i) => told.get(row, `report price ${i}`));
        seen.set(ladder, { time: 3 * row + port + 1, known: 1, price: trade });
      }
    }
    let at = 0;
    while (told.get(at, 'listed 3') < LIST_HEAD) at++;
    for (const [ladder, { time, known, price }] of [...seen].sort(([a], [b]) => a - b)) {
      told.set(at, {
        'listed 0': ladder,
        'listed 1': 1,
        'listed 2': 0,
        'listed 3': LIST_HEAD,
        gone: 1,
        'gone time': time,
        'gone known': known,
        ...Object.fromEntries(price.map((limb, i) => [`gone price ${i}`, limb])),
      });
      at++;
    }
    for (let row = 0; row < FORGED_ROWS - 1; row++)
      told.linkDirectory(
        row,
        [0, 1, 2, 3].map((i) => told.get(row + 1, `listed ${i}`)),
      );
  }
}
