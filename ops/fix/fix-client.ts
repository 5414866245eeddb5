import { randomInt } from 'node:crypto';
import type { Logger } from 'pino';
import { readSigned } from '../../journal/amounts.ts';
import { decodeEvent, EVENT_WORD, EVENT_WORDS, EventType, eventType } from '../../journal/events.ts';
import { Reason, reasonText } from '../../journal/reasons.ts';
import type { VenueClientOptions } from '../sessions/venue-client.ts';
import type { FixClientConfig, FixGatewayConfig } from './fix-config.ts';
import { FixSession } from './fix-session.ts';
import type { GatewayStore } from './gateway-store.ts';
import { MassCancels } from './mass-cancels.ts';
import { OrderEntry } from './order-entry.ts';
import { OrderRecords } from './order-records.ts';
import { OrderReports } from './order-reports.ts';
import { VenueLane } from './venue-lane.ts';

export interface FixClientOptions {
  readonly client: FixClientConfig;
  readonly config: FixGatewayConfig;
  readonly store: GatewayStore;
  readonly venue: Pick<VenueClientOptions, 'connection' | 'shard' | 'identity'>;
  readonly symbolOf: (name: string) => number | undefined;
  readonly reached: (sequence: number) => Promise<boolean>;
  readonly now: () => number;
  readonly log: Logger;
}

/** Names of the venue's sessions are drawn from this many. */
const KEYS = 2 ** 48 - 1;

/** All events of one command. */
export interface CommandEvents {
  readonly words: Uint32Array;
  readonly from: number;
  readonly count: number;
  readonly sequence: number;
  /** Of the command, in milliseconds since the Unix epoch. */
  readonly time: number;
}

/** Somebody who may log on: the FIX session, its orders, and the ways of its accounts to the venue. */
export class FixClient {
  readonly config: FixClientConfig;
  readonly session: FixSession;
  readonly lanes: ReadonlyMap<number, VenueLane>;
  readonly #records: OrderRecords;
  readonly #reports: OrderReports;
  readonly #massCancels: MassCancels;
  readonly #entry: OrderEntry;

  constructor(options: FixClientOptions) {
    const { client, config, store, venue, symbolOf, reached, now, log } = options;
    this.config = client;
    this.session = new FixSession({
      own: config.compId,
      peer: client.compId,
      numbers: store.numbers(client.compId),
      memory: store.memoryOf(client.compId),
      now,
      skewMsMax: config.sendingTimeSkewSeconds * 1000,
      onApplication: (message) => this.#entry.take(message),
      log,
    });
    this.#records = new OrderRecords(client.compId, store);
    const scaleOf = (name: string) => config.scaleOf(name);
    // An order was taken with a scale; one that has none any more is told in ticks and lots.
    const wholeOr = (name: string) => config.scaleOf(name) ?? config.wholeScale;
    this.#reports = new OrderReports(this.session, this.#records, wholeOr);
    this.#massCancels = new MassCancels(client.compId, store, this.#reports);
    this.lanes = new Map(
      client.accounts.map((account) => {
        const lane = new VenueLane({
          ...{ peer: client.compId, account, key: randomInt(1, KEYS), store, reached, now, log },
          client: { ...venue, token: client.token },
          onNotSent: (command, why) => {
            log.warn({ peer: client.compId, account, ...command.origin, why }, 'not sent');
            this.#entry.notSent(command, this.#records.byId(command.origin.orderId), why);
            this.#entry.ended(command);
          },
        });
        return [account, lane];
      }),
    );
    this.#entry = new OrderEntry({
      ...{ session: this.session, store, records: this.#records, reports: this.#reports },
      ...{ massCancels: this.#massCancels, lanes: this.lanes, symbolOf, scaleOf, now },
    });
  }

  get liveOrders(): number {
    return this.#records.liveCount;
  }

  get pending(): number {
    let sum = 0;
    for (const lane of this.lanes.values()) sum += lane.pendingCount;
    return sum;
  }

  /** Takes the events of a command; false if they do not concern this client. */
  take(events: CommandEvents): boolean {
    const { words, from, count, sequence, time } = events;
    let isOurs = false;
    const answerAt = from + (count - 1) * EVENT_WORDS;
    const hasAnswer = eventType(words, answerAt) === EventType.answer;
    const lane = hasAnswer ? this.#laneOf(words[answerAt + EVENT_WORD.symbol] as number) : undefined;
    const request = words[answerAt + EVENT_WORD.request] as number;
    const handled = lane?.handled(request);
    const origin = handled?.origin;
    for (let index = 0; index < count; index++) {
      const at = from + index * EVENT_WORDS;
      if (!this.lanes.has(words[at + EVENT_WORD.account] as number)) continue;
      const type = eventType(words, at);
      if (type === EventType.answer || type === EventType.instrument || type === EventType.session) continue;
      const event = decodeEvent(words, at);
      const order = typeof event.id === 'number' ? this.#records.byId(event.id) : undefined;
      if (order?.account !== event.account) continue;
      // Before and behind what the command did there may be what time brought, and what followed from it, for others.
      const asked = event.request === request ? origin : undefined;
      this.#reports.event(order, event, { sequence, index, time, origin: asked, fee: feeOf(events, index) });
      isOurs = true;
    }
    if (origin?.kind === 'massCancel') {
      const answer = decodeEvent(words, answerAt);
      const reason = ((words[answerAt] as number) >>> 16) & 255;
      const refusal = reason === Reason.none ? {} : { refusal: reasonText(reason) };
      this.#massCancels.outcome(origin, lane?.account ?? 0, { sequence, canceled: answer.open, time, ...refusal });
    }
    if (handled !== undefined) this.#entry.ended(handled);
    return isOurs || origin !== undefined;
  }

  #laneOf(session: number): VenueLane | undefined {
    for (const lane of this.lanes.values()) if (lane.session === session) return lane;
    return undefined;
  }
}

/** What a trade's event cost: behind the two events of a trade that is settled are two that say so, in the same order. */
function feeOf({ words, from, count }: CommandEvents, index: number): bigint | undefined {
  const at = from + index * EVENT_WORDS;
  const type = eventType(words, at);
  if (type !== EventType.tradeMaker && type !== EventType.tradeTaker) return undefined;
  const settledAt = at + 2 * EVENT_WORDS;
  if (index + 2 >= count || eventType(words, settledAt) !== EventType.settled) return undefined;
  return BigInt(readSigned(words, settledAt + EVENT_WORD.open));
}
