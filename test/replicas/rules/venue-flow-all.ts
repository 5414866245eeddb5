import type { VenueEvent } from '../../../journal/events.ts';
import { Dice, type RawCommand } from '../raw-commands.ts';
import type { ModelLimits } from './model/model-exchange.ts';
import { VenueFlow } from './venue-flow.ts';
import { ClientDraws } from './venue-flow-clients.ts';
import { InstrumentDraws } from './venue-flow-instruments.ts';
import { SCENE_IDS, SceneDraws } from './venue-flow-scenes.ts';

const IDLE_NS = 61_000_000_000n;
const SETTING_UP = 40;

/** Every fifth seed has a venue that is full before long. */
const isTight = (seed: number): boolean => seed % 5 === 3;

export function limitsFor(seed: number): ModelLimits {
  return {
    ordersMax: isTight(seed) ? 24 : 120,
    levelPagesMax: isTight(seed) ? 6 : 256,
    instrumentsMax: 4,
    sessionsMax: 4,
    answersPerSessionMax: 4,
    accountsMax: seed % 4 === 0 ? 5 : 7,
    balancesMax: seed % 3 === 0 ? 16 : 28,
  };
}

/** All that there is: orders, accounts and phases as {@link VenueFlow} has them, sessions, instruments that move, nonsense. */
export class WholeFlow {
  readonly #dice: Dice;
  readonly #orders: VenueFlow;
  readonly #instruments: InstrumentDraws;
  readonly #scenes: SceneDraws;
  readonly #clients: ClientDraws | undefined;
  readonly #venue: { readonly hasAccounts: boolean; readonly isTight: boolean };
  readonly #queue: RawCommand[] = [];
  readonly #commands: number;
  #place = 0;
  #shift = 0n;

  constructor(seed: number, commands: number) {
    this.#dice = new Dice(seed ^ 0x5eed);
    this.#orders = new VenueFlow(seed, 'all');
    this.#instruments = new InstrumentDraws(this.#dice);
    this.#scenes = new SceneDraws(this.#dice);
    this.#clients = seed % 3 === 1 ? new ClientDraws(this.#dice) : undefined;
    this.#venue = { hasAccounts: seed % 2 === 0, isTight: isTight(seed) };
    this.#queue.push(...this.#instruments.first());
    this.#commands = commands;
  }

  get time(): bigint {
    return this.#orders.time + this.#shift;
  }

  next(): RawCommand {
    const dice = this.#dice;
    this.#place++;
    // Sessions must be idle for a minute to give way.
    if (this.#clients !== undefined && dice.chance(0.004)) this.#shift += IDLE_NS;
    // What makes the venue is sent whole.
    if (this.#place <= SETTING_UP) return this.#draw();
    const session = this.#clients?.next();
    if (session !== undefined) return session;
    const command = this.#spoiled(this.#draw());
    return this.#clients === undefined ? command : this.#clients.dress(command);
  }

  observe(event: VenueEvent): void {
    this.#orders.observe(event);
    this.#clients?.observe(event);
  }

  #draw(): RawCommand {
    const dice = this.#dice;
    const queued = this.#queue.shift();
    if (queued !== undefined) return queued;
    if (dice.chance(0.12)) return this.#instruments.next();
    if (dice.chance(0.01)) {
      this.#queue.push(...this.#scenes.next(this.#orders.claimIds(SCENE_IDS), this.time, this.#venue));
      return this.#queue.shift() as RawCommand;
    }
    if (this.#place > this.#commands * 0.9 && dice.chance(0.004)) return { op: 30, symbol: dice.below(4), quantity: 7 };
    const command = this.#orders.next();
    // The time of what was drawn is that of a clock that was put forward.
    if (command.op === 28 || (command.op === 29 && command.extra !== 0) || (command.flags ?? 0) >>> 24 === 3)
      return { ...command, extra: BigInt(command.extra ?? 0) + this.#shift };
    return command;
  }

  #spoiled(command: RawCommand): RawCommand {
    const dice = this.#dice;
    if (!dice.chance(0.03)) return command;
    switch (dice.below(12)) {
      case 0:
        return { ...command, symbol: dice.pick([5, 9, 2 ** 31]) };
      case 1:
        return { ...command, side: dice.from(2, 4) };
      case 2:
        return { ...command, type: dice.from(0, 4) };
      case 3:
        return { ...command, tif: dice.from(0, 7) };
      case 4:
        return { ...command, flags: ((command.flags ?? 0) ^ (1 << dice.below(32))) >>> 0 };
      case 5:
        return { ...command, extra: dice.pick([1, 2 ** 48]) };
      case 6:
        return { ...command, price: dice.pick([0, 2 ** 48 - 2]) };
      case 7:
        return { ...command, quantity: dice.pick([0, 2 ** 48]) };
      case 8:
        return { ...command, op: dice.pick([0, 10, 15, 31, 36, 255]) };
      case 9:
        return { ...command, request: dice.below(4) };
      case 10:
        return { ...command, account: dice.below(8) };
      default:
        return { ...command, op: dice.pick([1, 2, 3, 4, 5, 6, 7, 8, 22, 26]) };
    }
  }
}
