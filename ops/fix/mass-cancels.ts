import type { GatewayStore } from './gateway-store.ts';
import type { CommandOrigin } from './order-records.ts';
import type { OrderReports } from './order-reports.ts';

/** What came of one mass cancel, as far as accounts have been heard of. */
export interface MassCancelRecord {
  /** Accounts that it was sent for. */
  readonly accounts: number;
  /** Accounts whose outcome is not known. */
  readonly waiting: number;
  /** Orders canceled so far. */
  readonly canceled: number;
  /** Why it was refused for an account; one line each. */
  readonly refusals: readonly string[];
  /** When nothing is waited for any more: its answer's place and time. */
  readonly answered?: { readonly sequence: number; readonly time: number } | undefined;
}

/**
 * Mass cancels of one FIX session: one of several accounts is answered once, when all of them have been heard of. What came of it
 * is kept as long as its ClOrdID.
 */
export class MassCancels {
  readonly #peer: string;
  readonly #store: GatewayStore;
  readonly #reports: OrderReports;

  constructor(peer: string, store: GatewayStore, reports: OrderReports) {
    this.#peer = peer;
    this.#store = store;
    this.#reports = reports;
  }

  /** A mass cancel was taken, for one account or several: from here on its ClOrdID is. */
  begin(clOrdId: string, accounts: number): void {
    this.#store.nameMassCancel(this.#peer, clOrdId);
    this.#store.keepMassCancel(this.#peer, clOrdId, { accounts, waiting: accounts, canceled: 0, refusals: [] });
  }

  /** It was carried out for an account, or refused. */
  outcome(
    origin: CommandOrigin,
    account: number,
    done: { readonly sequence: number; readonly canceled: number; readonly time: number; readonly refusal?: string },
  ): void {
    const { sequence, canceled, time, refusal } = done;
    const before = this.#store.massCancel(this.#peer, origin.clOrdId) ?? NONE;
    const waiting = before.waiting - 1;
    const record: MassCancelRecord = {
      ...before,
      waiting,
      canceled: before.canceled + canceled,
      refusals: refusal === undefined ? before.refusals : [...before.refusals, refusalOf(before, account, refusal)],
      ...(waiting > 0 ? {} : { answered: { sequence, time } }),
    };
    this.#store.keepMassCancel(this.#peer, origin.clOrdId, record);
    this.#answer(origin, record);
  }

  /**
   * A PossResend of one that was taken: answered as it was, or when the venue has handled it. False if nothing is known of a mass
   * cancel of this ClOrdID.
   */
  again(origin: CommandOrigin): boolean {
    const record = this.#store.massCancel(this.#peer, origin.clOrdId);
    if (record !== undefined) this.#answer(origin, record);
    return record !== undefined;
  }

  #answer(origin: CommandOrigin, { answered, canceled, refusals }: MassCancelRecord): void {
    if (answered === undefined) return;
    const refusal = refusals.length === 0 ? undefined : refusals.join('; ');
    this.#reports.massCanceled(origin, answered.sequence, canceled, answered.time, refusal);
  }
}

/** Of one that an earlier version took for a single account. */
const NONE: MassCancelRecord = { accounts: 1, waiting: 1, canceled: 0, refusals: [] };

function refusalOf({ accounts }: MassCancelRecord, account: number, refusal: string): string {
  return accounts === 1 ? refusal : `account ${account}: ${refusal}`;
}
