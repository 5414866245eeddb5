import { handoverSubject, type NatsGateway, standbySubject } from '../../sequencer/nats-gateway.ts';
import type { StandbyPlace } from './standby.ts';
import type { Venue } from './venue.ts';

/** What `veritape handover` asks of a primary. */
export interface HandoverRequest {
  /** Whether the process is to stand by afterwards instead of ending. */
  readonly stay: boolean;
}

/** What the primary answers, one after the other; `refused` is the last. */
export type HandoverReply =
  | { readonly state: 'refused'; readonly why: string }
  /** It takes no more requests: the standby keeps them. */
  | { readonly state: 'stopping'; readonly epoch: number; readonly pid: number; readonly heir: number }
  /** All that it took is acknowledged. */
  | { readonly state: 'drained'; readonly epoch: number; readonly sequence: number };

/** A hand-over that has begun: the venue is to be closed in favour of `heir`. */
export interface StepDown {
  readonly heir: number;
  readonly stay: boolean;
}

/** How long standbys have to say where they are. */
const PLACE_WAIT_MS = 200;
/** How long the chosen one has to say that it keeps requests. */
const HOLD_WAIT_MS = 2_000;
/** A standby that is further behind would have to replay for longer than clients should wait. */
const HANDOVER_LAG_MAX = 100_000;

/**
 * Answers `veritape handover`. Resolves when a hand-over has begun and everything that was taken is answered.
 *
 * No request is refused, and none gets lost, because the standby keeps what clients send from before the primary stops
 * taking. What both have is handled once, since requests are numbered, and the second answer is the first one's repeat.
 */
export function stepDownOnRequest(venue: Venue, gateway: NatsGateway, shard: number): Promise<StepDown> {
  return new Promise((resolve) => {
    let busy = false;
    gateway.answer(handoverSubject(shard), (bytes, reply, isAdministrator) => {
      const refuse = (why: string): void => reply({ state: 'refused', why } satisfies HandoverReply);
      if (!isAdministrator) return refuse("the token is not an administrator's");
      const request = readRequest(bytes);
      if (request === undefined) return refuse('the request is not {"stay": true} or {"stay": false}');
      if (busy) return refuse('a hand-over is under way already');
      if (venue.failure !== undefined) return refuse(venue.failure.message);
      busy = true;
      stepDown(venue, gateway, shard, reply)
        .then((outcome) => {
          busy = false;
          if (typeof outcome === 'string') refuse(outcome);
          else resolve({ heir: outcome, stay: request.stay });
        })
        .catch((error: unknown) => {
          busy = false;
          refuse(error instanceof Error ? error.message : String(error));
        });
    });
  });
}

/** The heir, or why there is none. */
async function stepDown(
  venue: Venue,
  gateway: NatsGateway,
  shard: number,
  reply: (reply: HandoverReply) => void,
): Promise<number | string> {
  const places = readPlaces(await gateway.askAll(standbySubject(shard), {}, PLACE_WAIT_MS));
  const [best] = places.toSorted((a, b) => b.sequence - a.sequence);
  if (best === undefined) return 'no standby answers: start one with veritape serve --standby';
  const lag = venue.durableSequence - best.sequence;
  if (lag > HANDOVER_LAG_MAX)
    return `the standby is ${lag} commands behind, more than ${HANDOVER_LAG_MAX}: wait until it has caught up`;
  const [held] = readPlaces(await gateway.askAll(standbySubject(shard), { hold: best.id }, HOLD_WAIT_MS, 1));
  if (held?.holding !== true) return `the standby, process ${best.pid}, does not answer any more`;

  const { epoch } = venue;
  gateway.leaveRequests();
  reply({ state: 'stopping', epoch, pid: process.pid, heir: best.pid });
  await venue.drain();
  reply({ state: 'drained', epoch, sequence: venue.durableSequence });
  return best.id;
}

function readRequest(bytes: Uint8Array): HandoverRequest | undefined {
  try {
    const { stay } = JSON.parse(new TextDecoder().decode(bytes)) as { stay?: unknown };
    return typeof stay === 'boolean' ? { stay } : undefined;
  } catch {
    return undefined;
  }
}

function readPlaces(replies: readonly Uint8Array[]): StandbyPlace[] {
  return replies.flatMap((bytes) => {
    try {
      const place = JSON.parse(new TextDecoder().decode(bytes)) as StandbyPlace;
      return Number.isSafeInteger(place.id) && Number.isSafeInteger(place.sequence) ? [place] : [];
    } catch {
      return [];
    }
  });
}
