import { EventFlag, type VenueEvent } from '../../../journal/events.ts';
import type { Dice, RawCommand } from '../raw-commands.ts';

/** Commands that no account may send for itself without a role. */
const FOR_ROLES: readonly number[] = [7, 8, 9, 16, 17, 18, 19, 20, 21, 22, 23, 26, 28, 29, 30, 32, 33, 34, 35];

interface Client {
  readonly account: number;
  next: number;
}

/** Sends commands in sessions of accounts, mostly as a client would: in order, and now and then again. */
export class ClientDraws {
  readonly #dice: Dice;
  readonly #sessions = new Map<number, Client>();
  #last = 0;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** A session opened or closed in place of the next command, if anything. */
  next(): RawCommand | undefined {
    const dice = this.#dice;
    if (dice.chance(this.#sessions.size === 0 ? 0.5 : 0.03)) {
      const request = dice.chance(0.02) ? 1 : 0;
      return { op: 24, account: dice.below(5), id: BigInt(dice.from(1, 2)), request };
    }
    if (!dice.chance(0.008)) return undefined;
    const [session, client] = this.#any();
    if (session === 0 || dice.chance(0.2)) return { op: 25, session: dice.below(3) };
    return { op: dice.chance(0.8) ? 25 : 24, account: client.account, session, request: client.next };
  }

  dress(command: RawCommand): RawCommand {
    const dice = this.#dice;
    const { account = 0, op } = command;
    const fitting = [...this.#sessions].filter(([, client]) => client.account === account || client.account === 0);
    const isOwn = FOR_ROLES.includes(op) && dice.chance(0.3);
    const [session, client] =
      fitting.length > 0 && !isOwn && dice.chance(0.95) ? dice.pick(fitting.slice(-3)) : this.#any();
    if (session === 0 || dice.chance(0.1)) return command;
    this.#last = session;
    const request = dice.chance(0.03)
      ? Math.max(0, client.next - dice.from(1, 7))
      : client.next + (dice.chance(0.01) ? dice.from(1, 3) : 0);
    const isAlien = client.account !== 0 && client.account !== account;
    const own = isAlien && dice.chance(0.6) ? { account: client.account } : {};
    return { ...command, ...own, session, request };
  }

  observe(event: VenueEvent): void {
    const { type, flags, open, account, quantity, request, symbol } = event;
    if (type === 'session') {
      if ((flags & EventFlag.closed) !== 0) this.#sessions.delete(open);
      else this.#sessions.set(open, { account, next: quantity + 1 });
    } else if (type === 'answer' && (flags & EventFlag.repeat) === 0) {
      const client = this.#sessions.get(symbol);
      if (client !== undefined) client.next = request + 1;
    } else if (event.reason === 'sessionUnknown' && this.#dice.chance(0.3)) this.#sessions.delete(this.#last);
  }

  #any(): [number, Client] {
    return this.#sessions.size === 0 ? [0, { account: 0, next: 1 }] : this.#dice.pick([...this.#sessions]);
  }
}
