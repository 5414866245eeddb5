import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { BlockView, checkHeader } from '../journal/block.ts';
import type { ChainPoint } from '../journal/segments.ts';
import { answerRepair, type KeptBlocks } from './block-answers.ts';
import { type BlockRepair, NatsRepair, type RepairAnswer } from './block-transport.ts';
import { type FailedMessage, listen } from './guarded-messages.ts';
import { inboxOf, isBound, mayAnswer } from './principals.ts';

/**
 * Readers that keep a copy of the journal answer each other, so that the venue need not, and so that a block can still be
 * had when the venue is away or has dropped it. Per shard S:
 *
 * | subject | who speaks | what |
 * |---------|------------|------|
 * | veritape.S.peers | reader, request with many replies | JSON of {@link PeerInfo} from each who keeps a copy |
 * | veritape.S.peers.ID.repair | reader, request/reply | a block of one copy by its number, as veritape.S.repair |
 *
 * A peer may have followed another chain. So it is asked only for blocks up to one whose hash the venue confirmed, and, while
 * the venue is away, for all that it has; a block that does not fit is asked of the venue.
 */
export interface PeerInfo {
  /** Tells peers apart, and is a part of a subject: letters, digits, `-` and `_`, at most 64. */
  readonly id: string;
  readonly firstBlock: number;
  readonly lastBlock: number;
  /** Of the last block, in hex. */
  readonly chainHash: string;
  /** The journal's genesis record, in base64. */
  readonly genesis: string;
}

export interface PeerServiceOptions extends KeptBlocks {
  readonly connection: NatsConnection;
  readonly shard: number;
  readonly id: string;
  /** The end of the copy. */
  readonly last: () => Pick<ChainPoint, 'block' | 'hash'>;
  readonly genesis: Uint8Array;
  /** Told beside, for people who look who follows. */
  readonly status?: (() => object) | undefined;
  /** Told of requests that something went wrong with, at a bounded rate. */
  readonly onFailed?: ((failed: FailedMessage) => void) | undefined;
}

export function peersSubject(shard: number): string {
  return `veritape.${shard}.peers`;
}
function peerRepairSubject(shard: number, id: string): string {
  return `veritape.${shard}.peers.${id}.repair`;
}

const PEER_ID = /^[\w-]{1,64}$/;
/** Peers that are remembered; more answers are passed over. */
const PEERS_MAX = 64;
/** Answers of peers are waited for so long, and where the block is to be had nowhere else. */
const DISCOVERY_MS = 200;
const PATIENT_DISCOVERY_MS = 3_000;
/** Peers are looked for again when what is known of them is older than this. */
const STALE_MS = 2_000;
/** Peers that are asked for one block before the venue is. */
const ATTEMPTS_MAX = 2;

/** Answers other readers from a copy of the journal. */
export class PeerService {
  /** Blocks given to others. */
  given = 0;
  readonly #subscriptions: Subscription[];

  constructor(options: PeerServiceOptions) {
    const { shard, id } = options;
    if (!PEER_ID.test(id)) throw new RangeError(`id: ${id} must be 1 to 64 letters, digits, - and _`);
    const genesis = Buffer.from(options.genesis).toString('base64');
    const info = (): PeerInfo => {
      const { block, hash } = options.last();
      const chainHash = hash.toString('hex');
      return { ...options.status?.(), id, firstBlock: options.firstBlock(), lastBlock: block, chainHash, genesis };
    };
    const readBlock = (block: number): Uint8Array | undefined => {
      const bytes = options.readBlock(block);
      if (bytes !== undefined) this.given++;
      return bytes;
    };
    this.#subscriptions = [
      serve(options, peersSubject(shard), (message) => message.respond(JSON.stringify(info()))),
      serve(options, peerRepairSubject(shard, id), (message) =>
        message.respond(answerRepair({ ...options, readBlock }, message.string())),
      ),
    ];
  }

  close(): void {
    for (const subscription of this.#subscriptions) if (!subscription.isClosed()) subscription.unsubscribe();
  }
}

/** Without an answer the other asks somebody else. */
function serve(
  { connection, onFailed }: PeerServiceOptions,
  subject: string,
  answer: (message: Msg) => void,
): Subscription {
  const bound = isBound(connection);
  const answerAllowed = (message: Msg): void => {
    if (!bound || mayAnswer(message, undefined)) answer(message);
  };
  return listen(connection, subject, answerAllowed, onFailed);
}

/** Who keeps copies now, but for `self`, and says so in time. Nobody, if the server can not be reached. */
export async function discoverPeers(
  connection: NatsConnection,
  shard: number,
  self?: string,
  waitMs = DISCOVERY_MS,
): Promise<PeerInfo[]> {
  const found = new Map<string, PeerInfo>();
  const inbox = inboxOf(connection);
  const { promise: waited, resolve: end } = Promise.withResolvers<void>();
  const timer = setTimeout(end, waitMs);
  let subscription: Subscription | undefined;
  try {
    subscription = listen(connection, inbox, ({ data }) => {
      const info = data.length > 0 ? peerInfo(data) : undefined;
      if (info !== undefined && info.id !== self && found.size < PEERS_MAX) found.set(info.id, info);
      // The server says that nobody listens.
      if (data.length === 0) end();
    });
    connection.publish(peersSubject(shard), '', { reply: inbox });
    await waited;
  } catch {
    // The connection is closed: nobody is found.
  } finally {
    clearTimeout(timer);
    if (subscription?.isClosed() === false) subscription.unsubscribe();
  }
  return [...found.values()];
}

function peerInfo(bytes: Uint8Array): PeerInfo | undefined {
  try {
    const { id, firstBlock, lastBlock, chainHash, genesis } = JSON.parse(new TextDecoder().decode(bytes)) as PeerInfo;
    if (typeof id !== 'string' || !PEER_ID.test(id) || typeof genesis !== 'string') return undefined;
    if (typeof chainHash !== 'string') return undefined;
    if (!Number.isSafeInteger(firstBlock) || !Number.isSafeInteger(lastBlock)) return undefined;
    return { id, firstBlock, lastBlock, chainHash, genesis };
  } catch {
    return undefined;
  }
}

/** Asks peers that have the block, one after another, and the venue if there are none, or if only it will do. */
export class PeerRepair implements BlockRepair {
  /** Blocks that peers gave. */
  taken = 0;
  readonly #connection: NatsConnection;
  readonly #shard: number;
  readonly #self: string | undefined;
  readonly #venue: NatsRepair;
  #peers: PeerInfo[] = [];
  #asked = 0;
  #knownAt = Number.NEGATIVE_INFINITY;
  /** How long the last look waited for answers. */
  #waitedMs = 0;
  #looking: Promise<void> | undefined;

  constructor(connection: NatsConnection, shard: number, self?: string) {
    this.#connection = connection;
    this.#shard = shard;
    this.#self = self;
    this.#venue = new NatsRepair(connection, shard);
  }

  get ended(): string | undefined {
    return this.#venue.ended;
  }

  async ask(block: number, certain = false): Promise<RepairAnswer | undefined> {
    if (certain) return this.#venue.ask(block);
    const known = this.#look();
    if (this.#knownAt === Number.NEGATIVE_INFINITY) await known;
    const given = await this.#askPeers(block);
    if (given !== undefined) return given;
    const answer = await this.#venue.ask(block);
    if (answer !== undefined && answer.kind !== 'gone') return answer;
    // The venue is away; or it does not keep the block any more, and whoever has it may be busy.
    await this.#look(answer === undefined ? DISCOVERY_MS : PATIENT_DISCOVERY_MS);
    return (await this.#askPeers(block)) ?? answer;
  }

  async #askPeers(block: number): Promise<RepairAnswer | undefined> {
    const having = this.#peers.filter(({ firstBlock, lastBlock }) => firstBlock <= block && block <= lastBlock);
    for (let attempt = 0; attempt < Math.min(ATTEMPTS_MAX, having.length); attempt++) {
      const { id } = having[this.#asked++ % having.length] as PeerInfo;
      const repair = new NatsRepair(this.#connection, this.#shard, peerRepairSubject(this.#shard, id));
      const answer = await repair.ask(block);
      if (answer?.kind === 'block') {
        this.taken++;
        return { ...answer, isCertain: false };
      }
      this.#peers = this.#peers.filter((peer) => peer.id !== id);
    }
    return undefined;
  }

  /** Resolves at once if what is known is new enough. */
  async #look(waitMs = DISCOVERY_MS): Promise<void> {
    while (performance.now() - this.#knownAt >= STALE_MS || this.#waitedMs < waitMs) {
      this.#looking ??= this.#discover(waitMs).finally(() => {
        this.#knownAt = performance.now();
        this.#waitedMs = waitMs;
        this.#looking = undefined;
      });
      await this.#looking;
    }
  }

  async #discover(waitMs: number): Promise<void> {
    const found = await discoverPeers(this.#connection, this.#shard, this.#self, waitMs);
    const confirmed = await Promise.all(found.map((peer) => this.#confirm(peer)));
    this.#peers = found.filter((_, index) => confirmed[index]);
  }

  /** Whether the venue has the peer's last block, or is away. */
  async #confirm({ lastBlock, chainHash }: PeerInfo): Promise<boolean> {
    if (lastBlock === 0) return false;
    const answer = await this.#venue.ask(lastBlock);
    if (answer?.kind !== 'block') return answer === undefined;
    const header = checkHeader(Buffer.from(answer.bytes), lastBlock);
    return header instanceof BlockView && header.hash.toString('hex') === chainHash;
  }
}
