import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';

/** A message that something went wrong with. */
export interface FailedMessage {
  readonly subject: string;
  readonly why: string;
  /** Others of the same subscription since the last one that was told. */
  readonly untold: number;
}

type OnFailed = (failed: FailedMessage) => void;

/** Of each subscription: whoever can publish there could otherwise fill the log. */
const TELL_EVERY_MS = 1_000;
/** What others chose is cut after so many characters. */
const SHOWN_CHARACTERS_MAX = 128;

/**
 * Has a handler throw nothing. The client library stops reading from the server, for good and in silence, when a callback throws;
 * and a promise that nobody waits for ends the process when it rejects. What went wrong is told, at most once a second; as a
 * warning of the process unless somebody is there to be told.
 */
export function guarded(handle: (message: Msg) => unknown, onFailed: OnFailed = warn): (message: Msg) => void {
  let untold = 0;
  let nextAt = 0;
  const fail = (subject: string, error: unknown): void => {
    const now = performance.now();
    if (now < nextAt) {
      untold++;
      return;
    }
    nextAt = now + TELL_EVERY_MS;
    const why = error instanceof Error ? error.message : String(error);
    onFailed({ subject: subject.slice(0, SHOWN_CHARACTERS_MAX), why, untold });
    untold = 0;
  };
  return (message) => {
    try {
      const outcome = handle(message);
      if (outcome instanceof Promise) outcome.catch((error: unknown) => fail(message.subject, error));
    } catch (error) {
      fail(message.subject, error);
    }
  };
}

/** Gives each message of a subject to a handler that may {@link guarded throw}; with others of the same queue if one is named. */
export function listen(
  connection: NatsConnection,
  subject: string,
  handle: (message: Msg) => unknown,
  onFailed?: OnFailed,
  queue?: string,
): Subscription {
  const take = guarded(handle, onFailed);
  const callback = (error: Error | null, message: Msg): void => {
    if (error === null) take(message);
  };
  return connection.subscribe(subject, { callback, ...(queue === undefined ? {} : { queue }) });
}

/** For people. */
export function failureText({ subject, why, untold }: FailedMessage): string {
  return `a message on ${subject} could not be taken: ${why}${untold === 0 ? '' : ` (and ${untold} more)`}`;
}

function warn(failed: FailedMessage): void {
  process.emitWarning(failureText(failed));
}
