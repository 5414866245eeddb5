import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { Reason, reasonName, reasonText } from '../../journal/reasons.ts';
import { LatencyHistogram } from '../../sequencer/latency-histogram.ts';
import type { PipelineStatistics } from '../../sequencer/pipeline-counters.ts';
import { grouped, rateOf } from '../cli/arguments.ts';
import type { Interruption } from '../cli/interruption.ts';
import type { Progress } from '../cli/progress.ts';
import { UsageError } from '../exit-codes.ts';
import { type FlowSource, isNewOrder, openFlowSource, type SourceOptions } from '../flows/flow-source.ts';
import type { FlowSummary } from '../marketdata/flow-recorder.ts';
import { type AckTimes, ackTimes, describeAckTimes } from './ack-times.ts';
import { type RoutedAnswer, RoutingClient, type RoutingClientOptions } from './routing-client.ts';
import { VenueClient } from './venue-client.ts';

/** What came of a flow that was sent to several shards. */
export interface RoutedResult {
  readonly format: string;
  readonly commands: number;
  readonly newOrders: number;
  readonly rejected: Readonly<Record<string, number>>;
  readonly traded: number;
  readonly seconds: number;
  readonly commandsPerSecond: number;
  readonly ackMs: AckTimes;
  readonly sentAgain: number;
  /** Commands that were sent again to another shard, because their instrument traded there. */
  readonly rerouted: number;
  readonly shards: readonly ShardResult[];
  readonly marketData?: FlowSummary | undefined;
}

interface ShardResult {
  readonly shard: number;
  readonly commands: number;
  /** Lowest and highest place of what was acknowledged there; 0 if nothing was. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly venue: PipelineStatistics;
}

/** Commands given to the client and not answered, for each shard: more wait in the file. */
const PENDING_PER_SHARD = 4096;

export interface RoutedSubmit {
  readonly client: RoutingClientOptions;
  readonly source: Omit<SourceOptions, 'instruments'>;
  readonly create: boolean;
  readonly batch: number;
}

/** Sends a flow, each command to the shard of its instrument. Rejects with ClientError or UsageError. */
export async function submitRouted(
  file: string,
  options: RoutedSubmit,
  interruption: Interruption,
  progress: Progress,
): Promise<RoutedResult> {
  const opening = RoutingClient.open({ ...options.client, signal: interruption.signal });
  const client = await interruption.unlessBefore('the venue was reached', opening);
  try {
    const create = (creations: readonly Command[]): Promise<void> => createInstruments(options.client, creations);
    const known = new Map(client.table.places.map(({ name, symbol }) => [name, symbol]));
    const source = await openFlowSource(file, {
      ...options.source,
      instruments: {
        known,
        create: options.create
          ? async (creations) => {
              await create(creations);
              await client.refresh();
            }
          : undefined,
      },
    });
    return await new RoutedFlow(client, options, interruption, progress).send(source);
  } finally {
    await client.close();
  }
}

/** New instruments are dealt out by their number. */
async function createInstruments(options: RoutingClientOptions, creations: readonly Command[]): Promise<void> {
  for (const [index, shard] of options.shards.entries()) {
    const own = creations.filter(({ symbol = 0 }) => symbol % options.shards.length === index);
    if (own.length === 0) continue;
    const key = BigInt(Date.now()) * 4096n + BigInt(process.pid % 4096);
    const admin = await VenueClient.open({ ...options, shard, account: 0, key });
    try {
      const words = new Uint32Array(COMMAND_WORDS);
      for (const creation of own) {
        encodeCommand(words, 0, creation);
        const [answer] = await admin.send(words, 1);
        if (answer?.reason === Reason.none) continue;
        const why = `shard ${shard} did not create it: ${reasonText(answer?.reason ?? 0)}`;
        throw new UsageError('symbol', creation.name, why);
      }
      encodeCommand(words, 0, { op: 'sessionClose', account: 0 });
      await admin.send(words, 1);
    } finally {
      await admin.close();
    }
  }
}

class RoutedFlow {
  readonly #client: RoutingClient;
  readonly #options: RoutedSubmit;
  readonly #interruption: Interruption;
  readonly #progress: Progress;
  readonly #latencies = new LatencyHistogram();
  readonly #rejected: Record<string, number> = {};
  readonly #shards = new Map<number, { commands: number; firstSequence: number; lastSequence: number }>();
  readonly #underWay = new Set<Promise<void>>();
  #acknowledged = 0;
  #newOrders = 0;
  #traded = 0;
  #failure: unknown;

  constructor(client: RoutingClient, options: RoutedSubmit, interruption: Interruption, progress: Progress) {
    this.#client = client;
    this.#options = options;
    this.#interruption = interruption;
    this.#progress = progress;
  }

  async send(source: FlowSource): Promise<RoutedResult> {
    const started = performance.now();
    const most = PENDING_PER_SHARD * this.#options.client.shards.length;
    for await (const { words, count } of source.batches) {
      for (let from = 0; from < count && this.#goesOn(); from += this.#options.batch) {
        const size = Math.min(this.#options.batch, count - from);
        await this.#client.room(most - size);
        this.#give(words.subarray(from * COMMAND_WORDS, (from + size) * COMMAND_WORDS), size);
      }
      if (!this.#goesOn()) break;
    }
    await Promise.all(this.#underWay);
    if (this.#failure !== undefined) throw this.#failure;
    const elapsedMs = performance.now() - started;
    const infos = await this.#client.refresh();
    return {
      format: source.format,
      commands: this.#acknowledged,
      newOrders: this.#newOrders,
      rejected: this.#rejected,
      traded: this.#traded,
      seconds: elapsedMs / 1000,
      commandsPerSecond: rateOf(this.#acknowledged, elapsedMs),
      ackMs: ackTimes(this.#latencies),
      sentAgain: this.#client.retries,
      rerouted: this.#client.rerouted,
      shards: infos.map(({ shard, statistics }) => ({
        shard,
        ...(this.#shards.get(shard) ?? { commands: 0, firstSequence: 0, lastSequence: 0 }),
        venue: statistics,
      })),
      marketData: source.marketData,
    };
  }

  #goesOn(): boolean {
    return !this.#interruption.requested && this.#failure === undefined;
  }

  #give(words: Uint32Array, count: number): void {
    for (let index = 0; index < count; index++) if (isNewOrder(words, index * COMMAND_WORDS)) this.#newOrders++;
    const sentAt = performance.now();
    const settled: Promise<void> = this.#sendNow(words, count)
      .then((answers) => {
        this.#latencies.record((performance.now() - sentAt) * 1e6, count);
        for (const answer of answers) this.#take(answer);
        this.#progress.update(() => `${grouped(this.#acknowledged)} commands acknowledged`);
      })
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#underWay.delete(settled));
    this.#underWay.add(settled);
  }

  async #sendNow(words: Uint32Array, count: number): Promise<RoutedAnswer[]> {
    try {
      return await this.#client.send(words, count);
    } catch (error) {
      if (error instanceof RangeError) throw new UsageError('op', undefined, error.message);
      throw error;
    }
  }

  #take({ shard, sequence, reason, traded }: RoutedAnswer): void {
    this.#acknowledged++;
    this.#traded += traded;
    if (reason !== Reason.none) this.#rejected[reasonName(reason)] = (this.#rejected[reasonName(reason)] ?? 0) + 1;
    if (shard === undefined) return;
    const of = this.#shards.get(shard) ?? { commands: 0, firstSequence: sequence, lastSequence: sequence };
    of.commands++;
    of.firstSequence = Math.min(of.firstSequence, sequence);
    of.lastSequence = Math.max(of.lastSequence, sequence);
    this.#shards.set(shard, of);
  }
}

export function describeRouted(result: RoutedResult): string {
  const lines = [
    `${grouped(result.commands)} commands (${grouped(result.newOrders)} new orders) acknowledged in ${result.seconds.toFixed(2)} s, ${grouped(result.commandsPerSecond)}/s`,
    describeAckTimes(result.ackMs),
    `${grouped(result.traded)} lots traded on arrival`,
    ...result.shards.map(
      ({ shard, commands, firstSequence, lastSequence }) =>
        `shard ${shard}: ${grouped(commands)} commands, sequences ${firstSequence} to ${lastSequence}`,
    ),
  ];
  for (const [reason, count] of Object.entries(result.rejected)) lines.push(`rejected, ${reason}: ${grouped(count)}`);
  if (result.rerouted > 0) lines.push(`sent on to another shard: ${grouped(result.rerouted)} commands`);
  if (result.sentAgain > 0) lines.push(`messages sent more than once: ${result.sentAgain}`);
  return lines.join('\n');
}
