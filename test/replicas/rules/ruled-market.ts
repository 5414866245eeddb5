import { readU64 } from '../../../journal/amounts.ts';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../../journal/commands.ts';
import { decodeEvent, type VenueEvent } from '../../../journal/events.ts';
import type { VenueLimits } from '../../../journal/genesis.ts';
import { BALANCE, BALANCE_SHIFT, TOTAL_HIGH } from '../../../replicas/account-table.ts';
import { encodeState, restoreState } from '../../../replicas/canonical-state.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher, type MarketState, type Matcher } from '../../../replicas/matcher.ts';

export const SMALL_LIMITS: VenueLimits = {
  ordersMax: 200,
  levelPagesMax: 16,
  instrumentsMax: 4,
  sessionsMax: 8,
  answersPerSessionMax: 8,
  accountsMax: 12,
  balancesMax: 40,
};

/** What an account has of an asset. */
export interface Funds {
  readonly available: bigint;
  readonly held: bigint;
}

/** A matcher that takes commands as objects and gives events as objects. */
export class RuledMarket {
  readonly matcher: Matcher;
  readonly #events = new EventBuffer(1 << 12);
  readonly #words = new Uint32Array(COMMAND_WORDS);
  readonly #limits: VenueLimits;

  constructor(limits: VenueLimits = SMALL_LIMITS, state?: Uint8Array, hashSeed = 1) {
    this.#limits = limits;
    this.matcher = createMatcher(limits, this.#events, hashSeed);
    if (state !== undefined) restoreState(this.matcher.state, state);
  }

  apply(command: Command): VenueEvent[] {
    encodeCommand(this.#words, 0, command);
    return this.applyRecord(this.#words);
  }

  applyRecord(words: Uint32Array, at = 0): VenueEvent[] {
    const told: VenueEvent[] = [];
    this.matcher.apply(words, at);
    this.#events.drain((eventWords, eventAt) => told.push(decodeEvent(eventWords, eventAt)));
    return told;
  }

  /** Applies commands in a row; the reasons of their refusals, '' for those that were not refused. */
  reasons(...commands: readonly Command[]): string[] {
    return commands.map((command) => {
      const [first] = this.apply(command);
      return first?.type === 'rejected' ? first.reason : '';
    });
  }

  funds(account: number, asset: number): Funds {
    return this.allFunds().get(`${account}/${asset}`) ?? { available: 0n, held: 0n };
  }

  /** By account and asset. */
  allFunds(): Map<string, Funds> {
    return fundsOf(this.matcher.state);
  }

  state(): Buffer {
    return Buffer.from(encodeState(this.matcher.state));
  }

  /** Another one, restored from this one's state. */
  restored(hashSeed = 99): RuledMarket {
    return new RuledMarket(this.#limits, this.state(), hashSeed);
  }
}

/** Every balance, by account and asset. */
export function fundsOf({ accounts: { balances, balanceCount } }: MarketState): Map<string, Funds> {
  const all = new Map<string, Funds>();
  for (let place = 1; place <= balanceCount(); place++) {
    const at = place << BALANCE_SHIFT;
    if (balances[at + BALANCE.owner + 1] === TOTAL_HIGH) continue;
    all.set(`${balances[at + BALANCE.owner]}/${balances[at + BALANCE.asset]}`, {
      available: readU64(balances, at + BALANCE.available),
      held: readU64(balances, at + BALANCE.held),
    });
  }
  return all;
}
