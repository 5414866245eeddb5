import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { timelineOf } from '../../journal/timelines.ts';
import { isReply, type Refusal, readReply, replyEpoch } from '../../sequencer/messages.ts';
import { primarySubject } from '../../sequencer/nats-gateway.ts';
import type { ReplyInbox } from '../sessions/reply-inbox.ts';

/** A server that took over answers what it was sent meanwhile within this time; what has no answer then is asked again. */
const SETTLE_MS = 100;

/** The venue was put back to an earlier point: what it had acknowledged after that is gone. */
export class VenueRestored extends Error {
  override name = 'VenueRestored';

  constructor(before: number, epoch: number) {
    super(
      `the venue was restored from a backup (epoch ${epoch} after ${before}): what it had acknowledged after that may be gone; ` +
        'open a new session, and compare orders and executions with what the venue has now',
    );
  }
}

/**
 * Which server a client has heard of last, by its epoch. For a moment two may hear the same request: one that has taken over,
 * and one that does not know yet that it was fenced. That one can not acknowledge anything, but it may refuse, by a state that
 * is not the venue's any more. Once the client has heard of the newer one, it takes no refusal of an older one.
 *
 * Two servers of different timelines (journal/timelines.ts) fence each other by nothing, so their acknowledgements are told
 * apart, too: those of the earlier one do not count, and the first reply of a later one ends the client.
 */
export class PrimaryEpoch {
  #highest = 0;
  /** Of the replies that the client has taken. */
  #timeline: number | undefined;
  #taken = 0;

  /** Has the inbox ask again, through its clients, what a server that is gone has left unanswered. */
  follow(connection: NatsConnection, shard: number, inbox: ReplyInbox): void {
    connection.subscribe(primarySubject(shard), {
      callback: (error, message) => {
        if (error !== null) return;
        const { epoch, complete } = readAnnouncement(message);
        if (!(epoch > this.#highest)) return;
        this.#highest = epoch;
        if (complete) return;
        const before = inbox.asked;
        setTimeout(() => inbox.giveUp(before, 'another server has taken over'), SETTLE_MS).unref();
      },
    });
  }

  /**
   * Reads a reply. Throws what is no reply, is a refusal of a server that was fenced, or is of a venue that was restored
   * since: ask again; {@link VenueRestored} if the venue is another one than the client has spoken with.
   */
  read(bytes: Uint8Array): Uint32Array | Refusal {
    const epoch = isReply(bytes) ? replyEpoch(bytes) : 0;
    if (epoch !== 0) {
      const timeline = timelineOf(epoch);
      if (timeline < timelineOf(this.#highest)) throw new Error('answered by a venue that was restored since');
      if (timeline > (this.#timeline ?? timeline)) throw new VenueRestored(this.#taken, epoch);
      this.#timeline = timeline;
      this.#taken = epoch;
    }
    const reply = readReply(bytes);
    if (!(reply instanceof Uint32Array) && epoch !== 0 && epoch < this.#highest)
      throw new Error(`refused by a server that was fenced: ${reply.error}`);
    this.#highest = Math.max(this.#highest, epoch);
    return reply;
  }
}

function readAnnouncement(message: Msg): { readonly epoch: number; readonly complete: boolean } {
  try {
    const { epoch, complete } = message.json() as { epoch?: unknown; complete?: unknown };
    return { epoch: Number(epoch), complete: complete === true };
  } catch {
    return { epoch: 0, complete: false };
  }
}
