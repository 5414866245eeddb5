import { readWide } from '../../journal/amounts.ts';
import { BlockLookup } from '../../journal/block-lookup.ts';
import { EVENT_WORD } from '../../journal/events.ts';
import { JournalError } from '../../journal/findings.ts';
import { encodeGenesis } from '../../journal/genesis.ts';
import { JournalReader } from '../../journal/reader.ts';
import type { ChainPoint } from '../../journal/segments.ts';
import { DIGEST_EVERY } from '../../replicas/event-digest.ts';
import { BlockMulticast, type MulticastCounts } from '../../sequencer/block-multicast.ts';
import type { CommandPort, EventListener } from '../../sequencer/command-port.ts';
import type { MulticastOptions } from '../../sequencer/datagram-sender.ts';
import { connectNats, NatsGateway, type NatsGatewayOptions, type NatsLink } from '../../sequencer/nats-gateway.ts';
import type { OpenSession } from '../../sequencer/open-sessions.ts';
import type { PipelineMemory } from '../../sequencer/pipeline.ts';
import type { ToldRefusal } from '../../sequencer/refusal-log.ts';
import { SLOT_SHIFT } from '../../sequencer/rings.ts';
import type { StateLedger } from '../../sequencer/venue-state.ts';
import { DurablePlace } from '../durable-place.ts';
import { EnvironmentFault } from '../exit-codes.ts';
import type { FeedSettings } from '../feed/feed-publisher.ts';
import type { MarketDataThreadData } from '../feed/market-data-reports.ts';
import { VenueMarketData } from '../feed/venue-market-data.ts';
import { ReportArchive } from '../reports/report-archive.ts';
import { refuseOtherServer } from './other-server.ts';
import type { Notice } from './venue.ts';

/** How a venue joins NATS. */
export interface VenueNats extends Pick<NatsGatewayOptions, 'tokens' | 'bound' | 'onStatus'> {
  readonly connection: Parameters<typeof connectNats>[0];
  /** Where the connection's options come from, if some of them are functions. */
  readonly credentials?: MarketDataThreadData['credentials'];
}

/** As it goes to a thread. */
function threadNats({ connection, credentials }: VenueNats): Pick<MarketDataThreadData, 'nats' | 'credentials'> {
  return credentials === undefined ? { nats: { ...connection } } : { nats: {}, credentials };
}

export interface OutletsOptions {
  readonly directory: string;
  readonly nats: VenueNats | undefined;
  readonly multicast: MulticastOptions | undefined;
  /** Publish market data in full. Needs NATS. */
  readonly marketData: FeedSettings | undefined;
  readonly notice: (notice: Notice) => void;
  readonly failed: (error: Error) => void;
}

/** What the outlets tell of a venue that serves. */
export interface ServingVenue {
  readonly shard: number;
  readonly epoch: number;
  readonly memory: PipelineMemory;
  /** Where the journal ended when the venue was opened. */
  readonly start: Pick<ChainPoint, 'block' | 'sequence' | 'hash'>;
  readonly port: CommandPort;
  readonly sessions: readonly OpenSession[];
  readonly ledger: StateLedger;
  readonly info: () => object;
}

/** Where a venue's answers, events and blocks go out: NATS and, if asked for, datagrams. */
export class VenueOutlets {
  readonly #options: OutletsOptions;
  #link: NatsLink | undefined;
  #reader: JournalReader | undefined;
  #gateway: NatsGateway | undefined;
  readonly #reports: ReportArchive;
  #multicast: BlockMulticast | undefined;
  #marketData: VenueMarketData | undefined;

  constructor(options: OutletsOptions) {
    this.#options = options;
    this.#reports = new ReportArchive(options.directory);
  }

  get gateway(): NatsGateway | undefined {
    return this.#gateway;
  }

  get connection(): NatsLink['connection'] | undefined {
    return this.#link?.connection;
  }

  get multicastCounts(): MulticastCounts | undefined {
    return this.#multicast?.counts;
  }

  /** Its thread; undefined if none was asked for, or there is no journal yet. */
  get marketData(): VenueMarketData | undefined {
    return this.#marketData;
  }

  /** Throws a UsageError if another server answers clients on the shard of this journal. */
  async refuseOthers(epoch: number): Promise<void> {
    const { nats, directory, notice } = this.#options;
    if (nats !== undefined) await refuseOtherServer(directory, epoch, nats.connection, notice);
  }

  /** The connection to NATS, made before there is anything to serve. There must be a journal. */
  async connect(shard: number): Promise<NatsLink | undefined> {
    const { nats } = this.#options;
    if (nats === undefined) return undefined;
    this.#reader ??= JournalReader.open(this.#options.directory, { unflushed: true });
    this.#link ??= await connectNats(nats.connection, shard, nats.bound).catch((error: unknown) => {
      throw this.#natsFault(error);
    });
    return this.#link;
  }

  /** Resolves when clients are served. */
  async open(venue: ServingVenue): Promise<void> {
    const { multicast } = this.#options;
    if (multicast !== undefined) this.#multicast = await this.#openMulticast(multicast);
    const link = await this.connect(venue.shard);
    const reader = this.#reader;
    if (link === undefined || reader === undefined) return;
    this.#gateway = await this.#openGateway(venue, link, reader);
    this.follow(venue.memory);
    this.#marketData?.serve();
  }

  /** Market data follow the journal, whoever writes it; they are published when clients are served. After {@link connect}. */
  follow(memory: PipelineMemory): void {
    const { marketData, nats, directory, notice } = this.#options;
    if (marketData === undefined || nats === undefined || this.#reader === undefined) return;
    const { genesis } = this.#reader;
    const options = { ...marketData, memory, directory, genesis, ...threadNats(nats) };
    this.#marketData ??= new VenueMarketData(options, notice);
  }

  /** Lets a durable block out to readers on other hosts. */
  publishBlock(bytes: Uint8Array<ArrayBuffer>): void {
    this.#gateway?.publishBlock(bytes);
    // The NATS client keeps the bytes until it has written them, so with NATS the datagrams are made of a copy.
    this.#multicast?.send(this.#gateway === undefined ? bytes : new Uint8Array(bytes));
  }

  /** Sends what is waiting and leaves. */
  async close(): Promise<void> {
    await this.#reports.close();
    await Promise.all([
      this.#gateway?.close() ?? this.#link?.connection.close(),
      this.#multicast?.close(),
      this.#marketData?.close(),
    ]);
  }

  async #openGateway(venue: ServingVenue, link: NatsLink, reader: JournalReader): Promise<NatsGateway> {
    const { notice, nats } = this.#options;
    const lookup = new BlockLookup(reader);
    const place = new DurablePlace(venue.memory, venue.start);
    const { shard, epoch, port, sessions, info, ledger } = venue;
    const letOut = new LetOut(venue.start.sequence);
    port.listen(letOut.take);
    const options: NatsGatewayOptions = {
      ...{ shard, epoch, port, sessions, info },
      tokens: nats?.tokens,
      bound: nats?.bound,
      onDisconnect: ({ sequence, ...who }) =>
        notice(
          sequence === 0
            ? { level: 'error', text: 'orders of a client that is gone were not canceled', fields: who }
            : { level: 'warn', text: 'client is gone: its orders are canceled', fields: { ...who, sequence } },
        ),
      onRefused: (refusal) => notice({ level: 'warn', text: 'request refused', fields: definedFields(refusal) }),
      onFailed: (failed) => notice({ level: 'warn', text: 'message not taken', fields: { ...failed } }),
      genesis: encodeGenesis(reader.genesis),
      state: (after) => ({
        shard,
        genesisHash: reader.genesisHash.toString('hex'),
        epoch,
        ...place.read(),
        digestEvery: DIGEST_EVERY,
        ...ledger.after(after),
      }),
      firstBlock: () => reader.firstBlock,
      readBlock: (block) => {
        // In this process the reader sees a block before it is on disk.
        if (block > place.block) return undefined;
        try {
          const view = lookup.read(block);
          return view === undefined ? undefined : new Uint8Array(view.bytes);
        } catch (error) {
          if (!(error instanceof JournalError)) throw error;
          notice({ level: 'warn', text: 'block can not be read', fields: { block, why: error.message } });
          return undefined;
        }
      },
      tellReports: (asked) => this.#reports.tell({ ...asked, upTo: letOut.sequence }),
      onLost: (error) => this.#options.failed(this.#natsFault(error)),
      onStatus: (status, why) => {
        const level = status === 'disconnect' || status === 'error' ? 'warn' : 'info';
        // An outage is told when it begins and when it ends, not at every attempt in between.
        if (status !== 'reconnecting' && status !== 'ping') {
          notice({ level, text: 'nats', fields: { status, ...(why === undefined ? {} : { why }) } });
        }
        nats?.onStatus?.(status, why);
      },
    };
    return NatsGateway.open(options, link).catch((error: unknown) => {
      throw this.#natsFault(error);
    });
  }

  #openMulticast(options: MulticastOptions): Promise<BlockMulticast> {
    const place = `multicast to ${options.address}:${options.port}`;
    return BlockMulticast.open(options, (why) =>
      this.#options.notice({ level: 'warn', text: 'datagrams are not sent', fields: { to: place, why } }),
    ).catch((error: unknown) => {
      throw new EnvironmentFault(`${place}: ${messageOf(error)}`);
    });
  }

  #natsFault(error: unknown): Error {
    const servers = this.#options.nats?.connection.servers ?? '127.0.0.1:4222';
    return new EnvironmentFault(`NATS at ${servers}: ${messageOf(error)}`);
  }
}

/** A refusal as a notice has it. */
export function definedFields(refusal: ToldRefusal): Notice['fields'] {
  return Object.fromEntries(Object.entries(refusal).filter(([, value]) => value !== undefined));
}

/** The sequence of the last event that was let out. */
class LetOut {
  sequence: number;

  constructor(sequence: number) {
    this.sequence = sequence;
  }

  readonly take: EventListener = (words, mask, from, count) => {
    this.sequence = readWide(words, (((from + count - 1) & mask) << SLOT_SHIFT) + EVENT_WORD.sequence);
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
