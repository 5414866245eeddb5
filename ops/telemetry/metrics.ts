import { counter, gauge, histogram, type Metric, NO_WORRY } from './metric.ts';

/**
 * Every metric of a running product: the one table from which Prometheus, OTLP, pages and terminals are fed
 * (readings.ts), and which docs/operating/metrics.md tells to people. Names and units follow OpenTelemetry's conventions.
 *
 * A counter rises from the start of the process, a gauge is what is now, a histogram counts since the start. A metric is told
 * only by processes that have it: what is not there was not asked for, or is not to be had on this host.
 */
export const METRICS = {
  // What the process is.
  'veritape.role': gauge(
    '1',
    ['role'],
    '1 for what the process is: leading, standby, following, fenced, gateway, proving',
    'fenced: another server took the journal over. Make sure that one leads, and start this one as a standby.',
  ),
  'veritape.ready': gauge(
    '1',
    [],
    '1 if it does what its role is for, as /readyz tells',
    '/readyz and the log say why it is 0. 0 for longer than a take-over takes wants somebody to look.',
  ),
  'veritape.epoch': gauge(
    '{epoch}',
    [],
    'Epoch under which the newest block it knows was written',
    'It rises by one with every take-over: find out why there was one. Two leading servers never have the same.',
  ),
  'veritape.takeovers': counter(
    '{takeover}',
    ['why'],
    'Times that this process took over, by reason',
    'gone, lapsed, silence: the log of the server before has its end. steppedDown, handover: asked for. nobody: the first.',
  ),
  'veritape.takeover.duration': gauge(
    's',
    [],
    'How long the last take-over of this process took, until the first acknowledgement was possible',
    'Seconds where it was tenths: a slow disk or a replica that was far behind. Compare docs/failover.md.',
  ),
  'veritape.sequence': gauge(
    '{command}',
    [],
    'Last sequence that is durable here; of a standby, that its replicas have applied',
    'Compare it with that of the server that leads: how far a standby, a node or a follower is behind.',
  ),
  'veritape.block': gauge('{block}', [], 'Last block that is durable here', NO_WORRY),

  // Rates.
  'veritape.commands': counter(
    '{command}',
    ['stage'],
    'Commands, by how far they have come: taken, sequenced, journaled',
    'Rates that differ for longer than a moment: the later stage is behind. Its latency and its ring say how much.',
  ),
  'veritape.batches': counter('{batch}', [], 'Messages of commands that the gateway took', NO_WORRY),
  'veritape.batches.busy': counter(
    '{batch}',
    [],
    'Messages of commands that were answered busy, because a ring was full',
    'More comes than the slowest stage takes. Look which ring is full; clients send again by themselves.',
  ),
  'veritape.commands.pending': gauge(
    '{command}',
    [],
    'Commands sequenced and not on disk yet',
    'Rises with the load. At the capacity of the command ring the disk, or the replicated log, is the limit.',
  ),
  'veritape.events': counter(
    '{event}',
    ['type'],
    'Events let out: orders accepted, both sides of trades, answers and the others of docs/market-rules.md',
    'None although commands come: nothing becomes durable. See veritape.journal.flush.duration.',
  ),
  'veritape.trades': counter('{trade}', [], 'Trades', NO_WORRY),
  'veritape.rejections': counter(
    '{command}',
    ['reason'],
    'Commands that the rules of the market refused, by reason (docs/reject-reasons.md)',
    'ordersFull, levelsFull, sessionsFull, instrumentsFull: a limit of the journal is reached. Others: ask the client.',
  ),
  'veritape.cancellations': counter(
    '{order}',
    ['reason'],
    'Quantity taken off orders, by reason',
    'killSwitch, massCancel: somebody ordered it, or a client is gone (veritape.gateway.disconnects).',
  ),

  'veritape.clock.ahead': gauge(
    's',
    [],
    "How far the time that commands get is ahead of the host's clock; below 0 it is behind",
    'The clock was set after the start, or was ahead at the last one. Sessions and expiries follow the commands: hand over.',
  ),

  // Latencies.
  'veritape.stage.duration': histogram(
    's',
    ['stage'],
    'How long commands took from one stage to another; sequencedToDurable and sequencedToApplied of one in 64',
    'Find the stage that grew: Durable is the disk or the replicated log, Applied the matcher, Sequenced a full ring.',
  ),
  'veritape.latency.percentile': gauge(
    's',
    ['stage', 'percentile'],
    'The same, and the flush, to p99.99 and the largest, since the start: at most 1/64 above what was measured',
    'For the eye. It remembers everything since the start: alert on the rate of the histograms.',
  ),

  // Journal and disk.
  'veritape.journal.flush.duration': histogram(
    's',
    [],
    'From handing a block to LMDB until it is on disk',
    'The disk is slow or shared. Acknowledgements wait for it; see docs/performance.md for how to tell.',
  ),
  'veritape.journal.block.commands': histogram(
    '{command}',
    [],
    'Commands in a block',
    'Large blocks: the disk is busy all the time. Full ones (4,093): it is the limit.',
  ),
  'veritape.journal.blocks': counter('{block}', [], 'Blocks appended to the journal by this process', NO_WORRY),
  'veritape.journal.written': counter(
    'By',
    [],
    'Bytes of the blocks appended',
    'With veritape.disk.free it tells for how long the disk lasts.',
  ),
  'veritape.journal.size': gauge(
    'By',
    [],
    'What the segments of the journal take on disk, with those written out ahead',
    'Grows by a segment at a time. Drop or move old ones before the disk is full: docs/deployment.md.',
  ),
  'veritape.journal.segments': gauge('{segment}', [], 'Segments of the journal', NO_WORRY),
  'veritape.disk.free': gauge(
    'By',
    [],
    'Free for this user on the file system of the journal',
    'Below two segments the next one can not be written: then acknowledgement stops and the server ends. Make room.',
  ),
  'veritape.disk.capacity': gauge('By', [], 'Size of that file system', NO_WORRY),

  // Rings.
  'veritape.ring.used': gauge(
    '{slot}',
    ['ring'],
    'Slots written and not given back: input, command, block, event',
    'Near the capacity for long: whoever reads it is behind. input: sequencer; command: disk or leader; event: gateway.',
  ),
  'veritape.ring.capacity': gauge('{slot}', ['ring'], 'Slots of the ring', 'It does not move.'),
  'veritape.ring.used.max': gauge(
    '{slot}',
    ['ring'],
    'Most that were found waiting in it since the start',
    'At the capacity, the ring was full at least once: look whether its stalls rise.',
  ),
  'veritape.ring.stalls': counter(
    '{stall}',
    ['ring'],
    'Times that a writer found the ring full, and waited (command, event) or answered busy (input)',
    'The stage behind the ring is the limit. One that rises all the time is a venue at its capacity.',
  ),

  // Replicas.
  'veritape.replica.commands': counter('{command}', ['replica'], 'Commands applied', NO_WORRY),
  'veritape.replica.lag': gauge(
    '{command}',
    ['replica'],
    'Commands sequenced and not applied by the replica',
    'Replica 0 leads: its lag is in every answer. Another one that stays behind will be lapped and read the journal.',
  ),
  'veritape.replica.laps': counter(
    '{lap}',
    ['replica'],
    'Times that a follower was lapped and caught up from the journal',
    'It has too little processor time. Give it a core, or fewer threads a machine.',
  ),
  'veritape.replica.repairs': counter('{block}', ['replica'], 'Blocks read from the journal for that', NO_WORRY),
  'veritape.replica.aside': gauge(
    '1',
    ['replica'],
    '1 while the follower is set aside to hold --ack-target-ms: what it would compute is compared only when it is back',
    'For minutes: the load is more than the cores take. More cores, or fewer --replicas: docs/operating/tuning.md.',
  ),
  'veritape.digests.agreed': counter(
    '{digest}',
    [],
    'Digests of events that two replicas computed, and agreed on; of a follower, with the venue',
    'Standing still while commands come: a replica is not computing. See veritape.replica.lag.',
  ),
  'veritape.states.agreed': counter(
    '{state}',
    [],
    'Hashes of the whole state that a follower and the venue agreed on',
    'Standing still: no snapshots are taken, here or there.',
  ),
  'veritape.disagreements': gauge(
    '{disagreement}',
    [],
    '1 if replicas differed, or a copy and the venue: then it stops',
    'Never to be ignored. Keep all journals and logs as they are, and run veritape audit on each.',
  ),
  'veritape.replication.lag': gauge(
    '{block}',
    [],
    'Blocks closed that the replicated log of the cluster does not hold yet',
    'At 16 nothing more is sent. The NATS cluster is slow or has no majority: look at its servers.',
  ),

  // Snapshots and proofs.
  'veritape.snapshots': counter('{snapshot}', [], 'Snapshots written by this process', NO_WORRY),
  'veritape.snapshot.failures': counter(
    '{snapshot}',
    [],
    'Snapshots that could not be written',
    'The log has the reason: a full disk, permissions. Trading goes on, and the next start replays more.',
  ),
  'veritape.snapshot.age': gauge(
    's',
    [],
    'Since the newest snapshot was written',
    'Old while commands come: the log says why it was not written. A start replays all commands since then.',
  ),
  'veritape.snapshot.lag': gauge(
    '{command}',
    [],
    'Commands since the newest snapshot; all of them if there is none',
    'More than two --snapshot-every: as for the age.',
  ),
  'veritape.snapshot.size': gauge('By', [], 'Size of the newest snapshot file', NO_WORRY),
  'veritape.proofs': gauge('{proof}', [], 'Proofs that lie beside the journal', NO_WORRY),
  'veritape.proof.backlog': gauge(
    '{command}',
    [],
    'Durable commands that no proof beside the journal covers',
    'Rising: proving is slower than trading. Add provers: veritape prove --nats --work.',
  ),
  'veritape.proof.age': gauge(
    's',
    [],
    'Since the proof of the latest commands was written',
    'Old while the backlog rises: no prover runs, or it fails. Look at its log.',
  ),

  'veritape.prover.backlog': gauge(
    '{command}',
    [],
    'Commands of the journal that are to be proven and in no proof yet, those at work among them',
    'Rising: more comes than is proven. The log of the prover says what holds it up: more processes, or other hosts.',
  ),
  'veritape.prover.oldest': gauge(
    's',
    [],
    'Since the first of them was journaled, by the time that commands got; 0 if there is none',
    'Above the target: proofs are behind. As for the backlog.',
  ),
  'veritape.prover.target': gauge('s', [], 'What this is to stay below: --behind', NO_WORRY),
  'veritape.prover.queue': gauge(
    '{span}',
    ['state'],
    'Spans in the queue that this worker takes from: waiting, taken',
    'Waiting ones that do not become fewer: more workers.',
  ),
  'veritape.prover.processes': gauge(
    '{process}',
    ['state'],
    'Provers: allowed, as many as are to work now; atWork, those that have a span and do not stand still',
    'Fewer than the load takes: the venue needs the cores, or memory is short. The log has a line for each change.',
  ),
  'veritape.prover.spans': counter(
    '{span}',
    [],
    'Spans proven',
    'None although there is a backlog: see the failures, and the log.',
  ),
  'veritape.prover.commands': counter('{command}', [], 'Commands in them', NO_WORRY),
  'veritape.prover.written': counter('By', [], 'Bytes of proofs written', NO_WORRY),
  'veritape.prover.span.time': counter(
    's',
    ['stage'],
    'Time that provers took for their spans: read, prove. By the spans it is the seconds a span',
    'More a span: provers stand still for the venue, share cores, or do not have the memory that they want.',
  ),
  'veritape.prover.failures': counter(
    '{process}',
    [],
    'Prover processes that ended before their span was proven; another one takes it, three times at most',
    'The log says how they ended. SIGKILL: memory was short, a smaller --memory.',
  ),

  'veritape.backup.age': gauge(
    's',
    [],
    'Since something was last written to the backup in the folder of --backup, as every veritape backup that ends does',
    'Old: none is made, or it fails. Its timer and its log say why (docs/operating/backup.md).',
  ),
  'veritape.backup.lag': gauge(
    '{command}',
    [],
    'Durable commands that this backup does not have; all of them if there is none',
    'What would be lost with the disk, where no standby host or follower has it either. As for the age.',
  ),

  // NATS and the gateways.
  'veritape.certificate.remaining': gauge(
    's',
    ['certificate'],
    'For how long a certificate that the process shows is still valid: telemetry, listener (FIX, WebSocket), nats',
    'Below 14 days: renew it, and start the process anew. Below 0 nobody who checks it gets in.',
  ),
  'veritape.nats.connected': gauge(
    '1',
    [],
    '1 while the NATS server answers over the connection: it is asked every 2 s, and taken to be gone after 10',
    '0: no client can reach the venue. Look at the NATS server and the network.',
  ),
  'veritape.nats.disconnects': counter(
    '{disconnect}',
    [],
    'Times that the connection was lost',
    'Now and then is a server that was restarted. Many: a network that fails, or a slow consumer in its log.',
  ),
  'veritape.nats.reconnects': counter('{reconnect}', [], 'Times that it came back', NO_WORRY),
  'veritape.nats.messages': counter('{message}', ['direction'], 'Messages, in and out', NO_WORRY),
  'veritape.nats.io': counter('By', ['direction'], 'Bytes, in and out', NO_WORRY),
  'veritape.gateway.requests': counter('{request}', [], 'Messages of commands that came over NATS', NO_WORRY),
  'veritape.gateway.refusals': counter(
    '{request}',
    ['error'],
    'Requests refused before they were sequenced, by error (docs/access.md)',
    'unauthorized: somebody tries what is not allowed; the log names whom. malformed: a client of another version.',
  ),
  'veritape.gateway.failures': counter(
    '{request}',
    [],
    'Messages that something went wrong with',
    'A fault in this program: report it with the log.',
  ),
  'veritape.gateway.disconnects': counter(
    '{client}',
    [],
    'Mass cancels for clients that were gone',
    'A client or its network fails. Its orders are canceled, as it asked for.',
  ),
  'veritape.websocket.connections': gauge('{connection}', [], 'WebSocket connections that are open', NO_WORRY),
  'veritape.websocket.messages': counter(
    '{message}',
    ['outcome'],
    'Messages of WebSocket clients: taken, of which command, refused',
    'refused: a client that sends what is not known, or too fast.',
  ),
  'veritape.fix.clients': gauge('{client}', ['state'], 'FIX clients: loggedOn, loggedOff', NO_WORRY),
  'veritape.fix.refusals': counter(
    '{connection}',
    [],
    'FIX connections refused',
    'Wrong passwords or certificates, or too many connections; the log names the address.',
  ),

  // Blocks and market data for others.
  'veritape.multicast.datagrams': counter('{datagram}', [], 'Datagrams sent', NO_WORRY),
  'veritape.multicast.io': counter('By', [], 'Bytes in datagrams', NO_WORRY),
  'veritape.multicast.dropped': counter(
    '{block}',
    [],
    'Blocks not sent because too much was waiting',
    'Raise --multicast-rate, or look at the interface. Readers ask for what they miss.',
  ),
  'veritape.multicast.errors': counter(
    '{datagram}',
    [],
    'Datagrams that the system refused',
    'The interface or the route is gone: the log has the reason once.',
  ),
  'veritape.feed.packets': counter('{packet}', [], 'Packets of market data published', NO_WORRY),
  'veritape.feed.messages': counter('{message}', [], 'Messages of market data in them', NO_WORRY),
  'veritape.feed.io': counter('By', [], 'Bytes of market data', NO_WORRY),
  'veritape.feed.lag': gauge(
    '{command}',
    [],
    'Durable commands whose market data is not published yet',
    'Grows under load and shrinks after. One that only grows: the thread failed (see the log) or has no core.',
  ),
  'veritape.feed.requests': counter(
    '{request}',
    ['outcome'],
    'Requests of feed readers: repair, snapshot, refusal',
    'Many repairs: readers lose messages. Refusals: they ask for what is not kept any more.',
  ),
  'veritape.feed.dropped': counter(
    '{packet}',
    [],
    'Packets let go because readers or NATS were slow',
    'The NATS server does not keep up; readers repair.',
  ),
  'veritape.feed.corrected': counter(
    '{order}',
    [],
    'Orders that events did not tell of as the state has them, and that were put right',
    'A fault in this program that readers do not feel: report it with the journal.',
  ),
  'veritape.reports.published': counter(
    '{message}',
    [],
    'Messages of trades, best prices and reports that a follower published',
    NO_WORRY,
  ),
  'veritape.reports.dropped': counter(
    '{message}',
    [],
    'Messages that it did not, because NATS could not be reached',
    'See veritape.nats.connected. Readers miss them: these subjects are at most once.',
  ),

  // Followers.
  'veritape.follower.lag': gauge(
    '{command}',
    [],
    'Commands that the venue said it has and the copy does not',
    'Rising: the follower is slower than the venue, or does not hear it. See gaps and repairs.',
  ),
  'veritape.follower.delay': gauge(
    's',
    [],
    "From the time in the last block, by the venue's clock, to when it was applied, by this host's",
    'The clocks of the hosts differ, or the follower is behind.',
  ),
  'veritape.follower.caught.up': gauge(
    '1',
    [],
    '1 when the copy has once had all that the venue told of',
    'Stays 0 on a long journal for as long as that takes to read.',
  ),
  'veritape.reader.blocks': counter(
    '{block}',
    ['outcome'],
    'Blocks that came: good, repaired, duplicate, dropped, refused',
    'refused: somebody sends what is not of this chain. dropped: the reader is slower than the venue.',
  ),
  'veritape.reader.gaps': counter(
    '{gap}',
    [],
    'Times that a published block did not follow the newest one known',
    'Blocks are lost on the way: NATS slow consumers, or datagrams. They are repaired.',
  ),
  'veritape.reader.retries': counter(
    '{request}',
    [],
    'Repairs asked for again, because no answer came',
    'Nobody gives blocks: is the venue up, are there other followers?',
  ),
  'veritape.peers.blocks': counter(
    '{block}',
    ['direction'],
    'Blocks given to other followers (out) and taken from them (in)',
    NO_WORRY,
  ),
  'veritape.queries': counter(
    '{request}',
    ['outcome'],
    "Accounts' questions: answered, refused",
    'refused: see docs/access.md; the log names whom.',
  ),

  // Tuning.
  'veritape.tuning.bound': gauge(
    '1',
    ['bound'],
    'Bounds that the venue tunes: commitWindowMicros, spins, snapshotEvery, replicas (docs/operating/tuning.md)',
    'The log says why it changed. One that goes back and forth: give it a value of your own.',
  ),
  'veritape.tuning.target': gauge(
    's',
    [],
    'What the venue holds the 99th percentile of its acknowledgements below: --ack-target-ms',
    NO_WORRY,
  ),
  'veritape.tuning.decisions': counter('{decision}', ['bound'], 'Times that the venue changed a bound', NO_WORRY),
  'veritape.drift': gauge(
    '1',
    ['watched'],
    '1 while this is several times its usual at such a load: ackP99Ms, durableP50Ms, appliedP99Ms, lagCommands',
    'The log says by how much, and suggests what to do: docs/operating/tuning.md.',
  ),

  // Threads, processor, memory.
  'veritape.thread.spins': counter('{look}', ['thread'], 'Looks of a thread without work to do', NO_WORRY),
  'veritape.thread.parks': counter(
    '{sleep}',
    ['thread'],
    'Times that a thread went to sleep',
    'Many under load: threads share cores. See --idle and docs/performance-host.md.',
  ),
  'veritape.thread.cpu.time': counter(
    's',
    ['thread'],
    'Processor time of a thread since it was first asked for',
    'A second a second is a core in use. Under --idle spin that is so at rest, too.',
  ),
  'veritape.thread.context_switches': counter(
    '{switch}',
    ['thread'],
    'Times that the kernel gave its core to another thread',
    'Many: more busy threads than cores. Pin them: --pin.',
  ),
  'veritape.thread.page_faults': counter(
    '{fault}',
    ['thread'],
    'Page faults',
    'After the warm-up there should be few. --lock-memory.',
  ),
  'veritape.thread.migrations': counter('{migration}', ['thread'], 'Moves to another core', 'Pin the threads: --pin.'),
  'veritape.thread.cycles': counter('{cycle}', ['thread'], 'Processor cycles, where the kernel grants it', NO_WORRY),
  'veritape.thread.instructions': counter(
    '{instruction}',
    ['thread'],
    'Instructions, where the kernel grants it',
    'Instructions a cycle that fall with the same load: memory or a neighbour on the core.',
  ),
  'veritape.thread.cache_misses': counter(
    '{miss}',
    ['thread'],
    'Cache misses, where the kernel grants it',
    'Books larger than the cache. docs/performance-host.md.',
  ),
  'veritape.thread.branch_misses': counter('{miss}', ['thread'], 'Branches guessed wrong, where granted', NO_WORRY),
  'veritape.thread.heap.used': gauge(
    'By',
    ['thread'],
    'JavaScript heap in use in a thread of the pipeline; every 10 s',
    'It should stand still: the threads allocate nothing for an order. One that grows is a fault of this program.',
  ),
  'v8js.memory.heap.used': gauge(
    'By',
    [],
    'JavaScript heap in use on the main thread',
    'Rising for hours: a leak. Take a heap profile: --profile.',
  ),
  'v8js.memory.heap.limit': gauge('By', [], 'Largest heap that V8 allows it', 'It does not move.'),
  'v8js.gc.duration': histogram(
    's',
    ['v8js.gc.type'],
    'Pauses of the main thread for garbage collection',
    'Pauses of many milliseconds are in the latencies of the gateway. Look at the heap and at the number of clients.',
  ),
  'nodejs.eventloop.delay': gauge(
    's',
    ['percentile'],
    'How late timers of the main thread were, in the last 10 s',
    'Above 50 ms: something holds the gateway up, as garbage collection or a reader of telemetry.',
  ),
  'nodejs.eventloop.utilization': gauge(
    '1',
    [],
    'Share of the last 10 s in which the event loop of the main thread was not idle',
    'Near 1: the gateway is the limit.',
  ),
  'process.memory.usage': gauge(
    'By',
    [],
    'Memory of the process that is resident',
    'Compare with the memory of the host.',
  ),
  'process.cpu.time': counter('s', ['cpu.mode'], 'Processor time of the process: user, system', NO_WORRY),
  'process.uptime': gauge('s', [], 'Since the process was started', 'Small again: it was restarted. Look why.'),
} as const satisfies Readonly<Record<string, Metric>>;

export type MetricName = keyof typeof METRICS;

const SUFFIX_OF_UNIT: Readonly<Record<string, string>> = { s: 'seconds', By: 'bytes' };

/**
 * The name of a metric in Prometheus: underscores in place of dots, the unit behind it, and `_total` behind that of a counter,
 * as OpenTelemetry's rules for Prometheus say. A histogram has `_bucket`, `_sum` and `_count` besides.
 */
export function prometheusName(name: MetricName): string {
  const { unit, kind } = METRICS[name];
  const suffix = SUFFIX_OF_UNIT[unit];
  const base = name.replaceAll('.', '_');
  return `${base}${suffix === undefined ? '' : `_${suffix}`}${kind === 'counter' ? '_total' : ''}`;
}
