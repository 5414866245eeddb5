import { createHash } from 'node:crypto';
import { type HrTime, ROOT_CONTEXT, SpanKind, type Tracer, trace } from '@opentelemetry/api';
import type { IdGenerator } from '@opentelemetry/sdk-trace';
import { Op, type OpName } from '../../journal/commands.ts';
import { genesisHash } from '../../journal/genesis.ts';
import type { TracedCommand } from '../../sequencer/command-traces.ts';
import type { Venue } from '../venue/venue.ts';

const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;
const TRACE_ID_CHARACTERS = 32;
const SPAN_ID_CHARACTERS = 16;
const OP_NAMES = new Map(Object.entries(Op).map(([name, code]) => [code as number, name as OpName]));

/** What a log tells of a command that was traced. */
interface TracedFields {
  readonly traceId: string;
  readonly sequence: number;
  readonly session: number;
  readonly micros: number;
}

/**
 * Ids of the spans of one command: its trace id first. They follow from the venue's genesis record, the epoch and the
 * sequence, so whoever finds these in a log can tell the trace.
 */
export function traceIdsOf(genesis: Uint8Array, epoch: number, sequence: number): { trace: string; spans: string[] } {
  const place = Buffer.alloc(16);
  place.writeBigUInt64LE(BigInt(epoch), 0);
  place.writeBigUInt64LE(BigInt(sequence), 8);
  const digest = createHash('sha512').update(genesis).update(place).digest('hex');
  const spans: string[] = [];
  for (let at = TRACE_ID_CHARACTERS; at < digest.length; at += SPAN_ID_CHARACTERS)
    spans.push(digest.slice(at, at + SPAN_ID_CHARACTERS));
  return { trace: digest.slice(0, TRACE_ID_CHARACTERS), spans };
}

/** Hands out the ids of the command at work. */
export class CommandIds implements IdGenerator {
  #trace = '';
  #spans: string[] = [];

  begin({ trace: traceId, spans }: ReturnType<typeof traceIdsOf>): void {
    this.#trace = traceId;
    this.#spans = [...spans];
  }

  generateTraceId = (): string => this.#trace;
  generateSpanId = (): string => this.#spans.shift() ?? '0'.repeat(SPAN_ID_CHARACTERS);
}

/**
 * Spans of sampled commands of a venue:
 *
 *     order     ├──────────────────────────────────────┤   taken by the gateway … its answer let out
 *     sequence  ├───┤                                      until it has its sequence number
 *     journal       ├────────────────────────┤             until it is on disk (and in the replicated log before)
 *     match         ├──────────┤                           until the leader has applied it and what came with it
 *     report                                 ├─────────┤   from the later of both
 */
export class OrderTraces {
  readonly #venue: Venue;
  readonly #tracer: Tracer;
  readonly #ids: CommandIds;
  readonly #genesis: Buffer;
  readonly #onTraced: (fields: TracedFields) => void;

  constructor(venue: Venue, tracer: Tracer, ids: CommandIds, onTraced: (fields: TracedFields) => void) {
    this.#venue = venue;
    this.#tracer = tracer;
    this.#ids = ids;
    this.#genesis = genesisHash(venue.genesis);
    this.#onTraced = onTraced;
  }

  readonly take = (command: TracedCommand): void => {
    const venue = this.#venue;
    const { durableSequence, epoch, instruments, genesis } = venue;
    const sequence = durableSequence + ((command.sequence - durableSequence) | 0);
    const ids = traceIdsOf(this.#genesis, epoch, sequence);
    this.#ids.begin(ids);
    const { takenNs, sequencedNs, durableNs, appliedNs, reportedNs } = command;
    const at = wallClock(venue.watch.nowNs());
    const name = instruments.all.find(({ symbol }) => symbol === command.symbol)?.name;
    const order = this.#tracer.startSpan(
      'order',
      {
        kind: SpanKind.SERVER,
        startTime: at(takenNs),
        attributes: {
          'veritape.shard': genesis.shard,
          'veritape.epoch': epoch,
          'veritape.sequence': sequence,
          'veritape.session': command.session,
          'veritape.symbol': name ?? String(command.symbol),
          'veritape.op': OP_NAMES.get(command.op) ?? String(command.op),
        },
      },
      ROOT_CONTEXT,
    );
    const within = trace.setSpan(ROOT_CONTEXT, order);
    const part = (part: string, from: number, to: number): void =>
      this.#tracer.startSpan(part, { startTime: at(from) }, within).end(at(to));
    part('sequence', takenNs, sequencedNs);
    if (durableNs !== undefined) part('journal', sequencedNs, durableNs);
    part('match', sequencedNs, appliedNs);
    part('report', Math.max(durableNs ?? 0, appliedNs), reportedNs);
    order.end(at(reportedNs));
    const micros = Math.round((reportedNs - takenNs) / 1e3);
    this.#onTraced({ traceId: ids.trace, sequence, session: command.session, micros });
  };
}

/** From nanoseconds since the pipeline's start, of which it is `nowNs` now, to times since the Unix epoch. */
function wallClock(nowNs: number): (ns: number) => HrTime {
  const nowMs = performance.timeOrigin + performance.now();
  const second = Math.floor(nowMs / 1000);
  const intoSecondNs = Math.round((nowMs - second * 1000) * NS_PER_MS);
  return (ns) => {
    const offset = Math.round(intoSecondNs - (nowNs - ns));
    const seconds = Math.floor(offset / NS_PER_S);
    return [second + seconds, offset - seconds * NS_PER_S];
  };
}
