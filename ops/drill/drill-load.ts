import type { AckTimeline } from './ack-timeline.ts';
import type { Acknowledged } from './acknowledged.ts';
import type { DrillIdentities } from './drill-identities.ts';
import { InsistentClient } from './insistent-client.ts';
import { LoadedClient } from './loaded-client.ts';
import { RULED_ACCOUNTS_FROM } from './order-flow.ts';

/** Short, so that clients notice soon that what they wait for will not come. */
const ANSWER_MS_MAX = 400;
const LOOK_MS = 2;

export interface LoadOptions {
  /** Of the client that sends single commands, and asks again and again. */
  readonly nats: string;
  /** Of the clients that send in batches, which spread over these; of all clients unless given. */
  readonly spread?: readonly string[] | undefined;
  /** Clients that send in batches. */
  readonly clients: number;
  /** Of all clients together. */
  readonly commandsPerSecond: number;
  /** They also send what makes an instrument ruled. */
  readonly isRuled?: boolean | undefined;
  /** What the clients with the first accounts know from before. */
  readonly told?: readonly Acknowledged[] | undefined;
  /** Of the clients, where the venue binds them. */
  readonly identities?: DrillIdentities | undefined;
}

/** What clients were answered instead of an outcome, in messages. */
export interface Refusals {
  /** Answered `unavailable`, `busy` or that an earlier request is missing. */
  readonly refused: number;
  /** Not answered in time, or by nobody. */
  readonly unanswered: number;
}

const ANSWERED = ['unavailable', 'busy', 'requestGap', 'an earlier request is missing'];

/** Several clients that keep a venue busy, and note what they are told. */
export class DrillLoad {
  readonly #clients: readonly LoadedClient[];
  readonly #insistent: InsistentClient;
  readonly #place: { timeline: AckTimeline | undefined };

  /** Waits for the venue if it is not there yet. */
  static async open(load: LoadOptions): Promise<DrillLoad> {
    const { nats, spread = [nats], clients, commandsPerSecond, isRuled = false, told = [], identities } = load;
    const place: { timeline: AckTimeline | undefined } = { timeline: undefined };
    const onAcknowledged = (count: number, epoch = 0): void => place.timeline?.acknowledged(count, epoch);
    const options = { commandsPerSecond: commandsPerSecond / clients, answerMsMax: ANSWER_MS_MAX, onAcknowledged };
    const accounts = loadAccounts(clients, isRuled);
    const last = accounts.pop() ?? 0;
    const known = (account: number): Acknowledged | undefined => told.find((one) => one.account === account);
    const opened = await Promise.all(
      accounts.map((account) => {
        const url = spread[account % spread.length] as string;
        const natsSeed = identities?.seedFileOf(account);
        return LoadedClient.open(url, account, { ...options, told: known(account), natsSeed });
      }),
    );
    const natsSeed = identities?.seedFileOf(last);
    const insistent = await InsistentClient.open(nats, last, onAcknowledged, known(last), natsSeed);
    return new DrillLoad(opened, insistent, place);
  }

  private constructor(
    clients: readonly LoadedClient[],
    insistent: InsistentClient,
    place: { timeline: AckTimeline | undefined },
  ) {
    this.#clients = clients;
    this.#insistent = insistent;
    this.#place = place;
  }

  /** What each client was told. */
  get told(): readonly Acknowledged[] {
    return [...this.#clients, this.#insistent].map((client) => client.told);
  }

  /** The highest sequence that anybody was told. */
  get sequenceMax(): number {
    return Math.max(...this.told.map((told) => told.sequenceMax));
  }

  /** Since the clients were opened. */
  get refusals(): Refusals {
    let refused = 0;
    let unanswered = 0;
    for (const counts of [...this.#clients.map((client) => client.retried), this.#insistent.refused]) {
      for (const [why, count] of counts) {
        if (ANSWERED.some((word) => why.startsWith(word))) refused += count;
        else unanswered += count;
      }
    }
    return { refused, unanswered };
  }

  start(timeline: AckTimeline): void {
    this.#place.timeline = timeline;
    for (const client of this.#clients) client.start();
    this.#insistent.start();
  }

  /** Stops sending, and resolves when everything sent is answered. Rejects if that takes longer. */
  async stop(waitMsMax: number): Promise<void> {
    this.#place.timeline?.endLoad();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`commands were not answered in ${waitMsMax} ms`)), waitMsMax);
    });
    try {
      await Promise.race([Promise.all(this.#clients.map((client) => client.stop())), late]);
      await this.#insistent.stop(waitMsMax);
    } finally {
      clearTimeout(timer);
      this.#place.timeline = undefined;
    }
  }

  /** Resolves when `count` more commands of every client are acknowledged. Rejects if that takes longer. */
  async acknowledgedMore(count: number, waitMsMax: number): Promise<void> {
    const wanted = this.#clients.map((client) => client.told.count + count);
    const until = performance.now() + waitMsMax;
    while (this.#clients.some((client, index) => client.told.count < (wanted[index] as number))) {
      if (performance.now() > until)
        throw new Error(`not every client had ${count} more commands acknowledged in ${waitMsMax} ms`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** Forgets what was checked. */
  forget(): void {
    for (const told of this.told) told.forget();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#clients, this.#insistent].map((client) => client.close()));
  }
}

/** The accounts of so many clients that send in batches, and last of the one that asks again and again. */
export function loadAccounts(clients: number, isRuled: boolean): number[] {
  const first = isRuled ? RULED_ACCOUNTS_FROM : 1;
  return Array.from({ length: clients + 1 }, (_, index) => first + index);
}
