import type { GatewayStore } from './gateway-store.ts';
import type { CommandOrigin } from './order-records.ts';
import type { OrderReports } from './order-reports.ts';

/** What came of one mass cancel, as far as accounts have been heard of. */
export interface MassCancelRecord {
  /** Accounts whose outcome is not known. */
  readonly waiting: number;
  /** Orders canceled so far. */
  readonly canceled: number;
  /** Why it was refused for an account; one line each. */
  readonly refusals: readonly string[];
}

/** Mass cancels of one FIX session: one of several accounts is answered once, when all of them have been heard of. */
export class MassCancels {
  readonly #peer: string;
  readonly #store: GatewayStore;
  readonly #reports: OrderReports;

  constructor(peer: string, store: GatewayStore, reports: OrderReports) {
    this.#peer = peer;
    this.#store = store;
    this.#reports = reports;
  }

  /** A mass cancel was taken for several accounts. */
  begin(clOrdId: string, accounts: number): void {
    this.#store.keepMassCancel(this.#peer, clOrdId, { waiting: accounts, canceled: 0, refusals: [] });
  }

  /** It was carried out for an account, or refused. */
  outcome(
    origin: CommandOrigin,
    account: number,
    done: { readonly sequence: number; readonly canceled: number; readonly time: number; readonly refusal?: string },
  ): void {
    const { sequence, canceled, time, refusal } = done;
    const all = this.#store.massCancel(this.#peer, origin.clOrdId);
    if (all === undefined) return this.#reports.massCanceled(origin, sequence, canceled, time, refusal);
    const now: MassCancelRecord = {
      waiting: all.waiting - 1,
      canceled: all.canceled + canceled,
      refusals: refusal === undefined ? all.refusals : [...all.refusals, `account ${account}: ${refusal}`],
    };
    this.#store.keepMassCancel(this.#peer, origin.clOrdId, now.waiting > 0 ? now : undefined);
    if (now.waiting > 0) return;
    const text = now.refusals.length === 0 ? undefined : now.refusals.join('; ');
    this.#reports.massCanceled(origin, sequence, now.canceled, time, text);
  }
}
