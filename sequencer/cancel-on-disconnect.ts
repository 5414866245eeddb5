import { readWide } from '../journal/amounts.ts';
import { COMMAND_WORDS, encodeCommand } from '../journal/commands.ts';
import { Reason } from '../journal/reasons.ts';
import type { CommandPort } from './command-port.ts';
import { type AliveReply, DisconnectWatch } from './disconnect-watch.ts';
import { ANSWER_WORD, type Refusal } from './messages.ts';
import type { Principal } from './principals.ts';

/** Silence is noticed after at most twice this, beside the time that a client asked for. */
const LOOK_MS = 50;

/** Where an identity shows that it is there, for an account. */
export function aliveSubject(shard: number): string {
  return `veritape.${shard}.alive`;
}

/** Told when orders are canceled because nobody was heard. */
export interface DisconnectNotice {
  readonly identity: string;
  readonly account: number;
  /** Of the mass cancel; 0 if it could not be made, because the venue has failed. */
  readonly sequence: number;
}

/**
 * Cancels the orders of whoever asked for it and is silent. The mass cancel is a command like any other, with a place in the
 * sequence, so replicas and replays do the same without knowing why; it has no session, as only a venue's own commands.
 */
export class CancelOnDisconnect {
  readonly #watch = new DisconnectWatch();
  readonly #port: CommandPort;
  readonly #tell: (notice: DisconnectNotice) => void;
  readonly #words = new Uint32Array(COMMAND_WORDS);
  /** Their orders are to be canceled, and the venue had no room yet. */
  #due: Principal[] = [];
  #timer: NodeJS.Timeout | undefined;
  #underWay = 0;
  #ended = false;
  /** Mass cancels made. */
  canceled = 0;

  constructor(port: CommandPort, tell: (notice: DisconnectNotice) => void) {
    this.#port = port;
    this.#tell = tell;
  }

  /** Whether anybody is watched, so that requests need to be told of. */
  get isWatching(): boolean {
    return this.#watch.size > 0;
  }

  heard(principal: Principal): void {
    this.#watch.heard(principal, performance.now());
  }

  /** What a client says of itself, as JSON, and what it is answered. */
  alive(bytes: Uint8Array, principal: Principal): AliveReply | Refusal {
    if (this.#ended)
      return {
        error: 'unavailable',
        field: 'venue',
        value: 'leaves',
        rule: 'say it again to the server after this one',
      };
    const cancelAfterMs = readCancelAfter(bytes);
    if (cancelAfterMs === undefined) {
      const value = `${bytes.length} bytes`;
      return { error: 'malformed', field: 'request', value, rule: 'JSON such as {"cancelAfterMs": 5000}' };
    }
    const reply = this.#watch.alive(principal, cancelAfterMs, performance.now());
    if (this.isWatching) this.#timer ??= setInterval(() => this.#look(), LOOK_MS);
    return reply;
  }

  /** Watches nobody any more: that is for the server after this one. */
  end(): void {
    this.#ended = true;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#due = [];
  }

  /** The timer goes on while a mass cancel is under way, which may have to be made again. */
  #look(): void {
    this.#due.push(...this.#watch.expired(performance.now()));
    this.#due = this.#due.filter((principal) => !this.#cancel(principal));
    if (this.isWatching || this.#due.length > 0 || this.#underWay > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** False if the venue has no room now. */
  #cancel(principal: Principal): boolean {
    const { identity, account } = principal;
    encodeCommand(this.#words, 0, { op: 'massCancel', account });
    const outcome = this.#port.submit(this.#words, 0, 1, 0, 0, {
      done: (answers, at) => {
        this.#underWay--;
        // The account has orders of an instrument that is on its way to another shard.
        if (((answers[at + ANSWER_WORD.tail] as number) & 255) === Reason.otherShard)
          return this.#watch.again(principal, performance.now());
        const sequence = readWide(answers, at + ANSWER_WORD.sequence);
        this.canceled++;
        this.#watch.canceled(principal, sequence);
        this.#tell({ identity, account, sequence });
      },
      fail: () => this.#tell({ identity, account, sequence: 0 }),
    });
    if (outcome === 'ok') this.#underWay++;
    return outcome === 'ok';
  }
}

function readCancelAfter(bytes: Uint8Array): number | undefined {
  try {
    const { cancelAfterMs } = JSON.parse(new TextDecoder().decode(bytes)) as { cancelAfterMs?: unknown };
    return typeof cancelAfterMs === 'number' ? cancelAfterMs : undefined;
  } catch {
    return undefined;
  }
}
