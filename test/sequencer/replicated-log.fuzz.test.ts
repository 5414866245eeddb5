import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { pointOf } from '../../journal/segmentfile.ts';
import type { ChainPoint } from '../../journal/segments.ts';
import { Candidacy } from '../../sequencer/candidacy.ts';
import { ChainFollower, genesisPoint, LOG_BEGIN } from '../../sequencer/chain-follower.ts';
import type { LogMessage } from '../../sequencer/log-messages.ts';
import { LogPrimary } from '../../sequencer/log-primary.ts';
import { blockAfter, blockMessage, GENESIS, ModelledLog, recordOf } from './modelled-log.ts';

const LEASE_MS = 10;
const IN_FLIGHT_MAX = 4;
const RUNS = Number(process.env['VERITAPE_LOG_RUNS'] ?? 150);
/** Looking for the shortest counterexample is given up after this. */
const SHRINK_MS_MAX = 60_000;

/** A message on its way to the log, or its answer on the way back. */
interface Flight {
  readonly message: LogMessage;
  readonly lastSlot: number | undefined;
  readonly node: Node;
  /** Told of the outcome, unless the node has given it up. */
  readonly answer: ((outcome: ReturnType<ModelledLog['store']>) => void) | undefined;
  readonly giveUp: () => void;
  settled: boolean;
}

class World {
  readonly log = new ModelledLog();
  readonly nodes: Node[];
  readonly flights: Flight[] = [];
  readonly answers: (() => void)[] = [];
  /** What was acknowledged to clients: the hash of each block. */
  readonly acknowledged = new Map<number, string>();
  nowMs = 0;

  constructor(nodes: number) {
    this.nodes = Array.from({ length: nodes }, (_, index) => new Node(this, `n${index}`, index));
  }

  acknowledge(block: number, hash: string): void {
    const before = this.acknowledged.get(block);
    if (before !== undefined && before !== hash) throw new Error(`block ${block} was acknowledged twice, differently`);
    this.acknowledged.set(block, hash);
  }

  /** Something that may happen, chosen by a number. */
  step(choice: number): void {
    this.nowMs += choice % 3;
    const node = this.nodes[(choice >>> 3) % this.nodes.length] as Node;
    const flight = this.flights[(choice >>> 6) % Math.max(1, this.flights.length)];
    switch (choice % 8) {
      case 0:
        return node.readOne();
      case 1:
        return node.come();
      case 2:
      case 3:
        return node.work();
      case 4:
        // A message may be delivered out of turn, and with any delay.
        if (flight !== undefined) this.deliver(flight);
        return;
      case 5: {
        const [answer] = this.answers.splice((choice >>> 6) % Math.max(1, this.answers.length), 1);
        answer?.();
        return;
      }
      case 6:
        // No answer in time; the message may be delivered all the same, later.
        if (flight !== undefined && (choice >>> 12) % 4 === 0) flight.giveUp();
        return;
      default:
        if (this.flights[0] !== undefined) this.deliver(this.flights[0]);
        this.answers.shift()?.();
    }
  }

  deliver(flight: Flight): void {
    this.flights.splice(this.flights.indexOf(flight), 1);
    const outcome = this.log.store(flight.message, flight.lastSlot);
    this.answers.push(() => {
      if (!flight.settled) flight.answer?.(outcome);
      flight.settled = true;
    });
  }

  send(
    node: Node,
    message: LogMessage,
    lastSlot: number | undefined,
    answer: Flight['answer'],
    unknown: () => void,
  ): void {
    const flight: Flight = {
      message,
      lastSlot,
      node,
      answer,
      settled: false,
      giveUp: () => {
        if (flight.settled) return;
        flight.settled = true;
        unknown();
      },
    };
    this.flights.push(flight);
  }
}

class Node {
  readonly name: string;
  readonly #world: World;
  readonly #index: number;
  #follower = new ChainFollower(LOG_BEGIN);
  #candidacy: Candidacy;
  #primary: LogPrimary | undefined;
  /** End of what this node has sealed, while it leads. */
  #sealed: ChainPoint = genesisPoint(GENESIS);
  readonly #hashes = new Map<number, string>();
  #acknowledged = 0;
  terms = 0;

  constructor(world: World, name: string, index: number) {
    this.#world = world;
    this.name = name;
    this.#index = index;
    this.#candidacy = this.#newCandidacy();
  }

  get leads(): boolean {
    return this.#primary !== undefined;
  }

  #newCandidacy(): Candidacy {
    return new Candidacy({ node: this.name, leaseMs: LEASE_MS, delayMs: () => this.#index }, this.#world.nowMs);
  }

  readOne(): void {
    if (this.#primary !== undefined) return;
    const [next] = this.#world.log.from(this.#follower.slot + 1);
    if (next === undefined) return;
    const fed = this.#follower.feed(next.slot, next.message);
    this.#candidacy.fed(fed);
    if (this.#candidacy.state === 'won' && fed.kind === 'epoch') this.#lead(fed.record.epoch, next.slot);
  }

  #lead(epoch: number, slot: number): void {
    const last = this.#follower.last ?? genesisPoint(GENESIS);
    this.terms++;
    this.#sealed = last;
    this.#acknowledged = last.block;
    this.#primary = new LogPrimary({ epoch, slot, genesis: GENESIS, last, inFlightMax: IN_FLIGHT_MAX });
  }

  come(): void {
    if (this.#primary !== undefined) return;
    const { epoch, last } = this.#follower;
    const end = last ?? genesisPoint(GENESIS);
    const view = { epoch, journalEpoch: 0, block: end.block, isReady: true };
    const wanted = this.#candidacy.step(view, this.#world.nowMs);
    if (wanted === undefined) return;
    const record = recordOf(wanted, this.name, end);
    this.#candidacy.published(record, this.#world.nowMs);
    this.#world.send(this, { kind: 'record', record }, undefined, undefined, () => {});
  }

  work(): void {
    const primary = this.#primary;
    if (primary === undefined) return;
    if (primary.state === 'fenced') {
      // As a process does that ends and is started again.
      this.#primary = undefined;
      this.#follower = new ChainFollower(LOG_BEGIN);
      this.#candidacy = this.#newCandidacy();
      return;
    }
    const { readFrom } = primary;
    if (readFrom !== undefined) {
      for (const { slot, message } of this.#world.log.from(readFrom)) primary.read(slot, message);
      primary.readTo(this.#world.log.last);
    }
    if (primary.waiting < 2 * IN_FLIGHT_MAX) {
      const block = blockAfter(this.#sealed, this.#follower.epoch, this.#index);
      this.#sealed = pointOf(block);
      this.#hashes.set(block.block, block.hash.toString('hex'));
      primary.offer(block.block, block.bytes);
    }
    for (let publish = primary.next(); publish !== undefined; publish = primary.next()) {
      const { id, bytes, lastSlot } = publish;
      const message: LogMessage = { kind: 'block', envelopeEpoch: this.#follower.epoch, bytes };
      this.#world.send(
        this,
        message,
        lastSlot,
        (outcome) => {
          if (outcome.kind === 'stored') primary.stored(id, outcome.slot);
          else primary.rejected(id);
        },
        () => primary.unknown(id),
      );
    }
    while (this.#acknowledged < primary.replicated) {
      this.#acknowledged++;
      this.#world.acknowledge(this.#acknowledged, this.#hashes.get(this.#acknowledged) ?? 'missing');
    }
  }
}

/** Every reader accepts one chain, and it holds what was acknowledged. */
function check(world: World): void {
  const { blocks, fed } = world.log.read();
  // A node takes these for a sign that its own journal is wrong.
  const alarms = fed.filter((each) => each.kind === 'dropped' && ['fork', 'unannounced'].includes(each.why));
  expect(alarms).toEqual([]);
  const accepted = new Map(blocks.map((block) => [block.block, block.hash.toString('hex')]));
  for (const [block, hash] of world.acknowledged) expect([block, accepted.get(block)]).toEqual([block, hash]);
}

test('whatever primaries do not know of each other, one chain is accepted, and it holds every acknowledged block', () => {
  let acknowledged = 0;
  let terms = 0;
  fc.assert(
    fc.property(fc.array(fc.nat(2 ** 16 - 1), { minLength: 200, maxLength: 900, size: 'max' }), (choices) => {
      const world = new World(3);
      for (const choice of choices) world.step(choice);
      check(world);
      acknowledged += world.acknowledged.size;
      terms += world.nodes.reduce((sum, node) => sum + node.terms, 0);
    }),
    { numRuns: RUNS, interruptAfterTimeLimit: SHRINK_MS_MAX * (1 + RUNS / 150) },
  );
  // Otherwise nothing was tried.
  expect(acknowledged).toBeGreaterThan(RUNS);
  expect(terms).toBeGreaterThan(RUNS);
});

test('when the log answers again, a primary goes on by itself and everything that it was given is stored once', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2 ** 16 - 1), { minLength: 50, maxLength: 300, size: 'max' }), (choices) => {
      const world = new World(2);
      for (const choice of choices) world.step(choice);
      const before = world.acknowledged.size;
      // From here on everything arrives, in order, and is answered.
      for (let round = 0; round < 200; round++) {
        world.nowMs++;
        for (const node of world.nodes) {
          node.readOne();
          node.come();
          node.work();
        }
        for (const flight of [...world.flights]) world.deliver(flight);
        for (const answer of world.answers.splice(0)) answer();
      }
      check(world);
      expect(world.nodes.some((node) => node.leads)).toBe(true);
      expect(world.acknowledged.size).toBeGreaterThan(before);
    }),
    { numRuns: 25, interruptAfterTimeLimit: SHRINK_MS_MAX },
  );
});

test('a stale primary whose blocks line up again behind the record of the next one changes nothing', () => {
  const log = new ModelledLog();
  const begin = genesisPoint(GENESIS);
  log.store({ kind: 'record', record: recordOf(1, 'a', begin) }, undefined);
  const first = blockAfter(begin, 1, 1);
  const second = blockAfter(pointOf(first), 1, 1);
  log.store(blockMessage(1, first), 1);
  log.store({ kind: 'record', record: recordOf(2, 'b', begin) }, undefined);
  // Published before it knew, for the slot that the record took, and for the one after it.
  expect(log.store(blockMessage(1, second), 2).kind).toBe('rejected');
  const third = blockAfter(pointOf(second), 1, 1);
  expect(log.store(blockMessage(1, third), 3)).toEqual({ kind: 'stored', slot: 4 });
  const next = blockAfter(pointOf(first), 2, 2);
  log.store(blockMessage(2, next), 4);
  const { fed, blocks } = log.read();
  expect(fed.map((each) => (each.kind === 'dropped' ? each.why : each.kind))).toEqual([
    'epoch',
    'block',
    'epoch',
    'stale',
    'block',
  ]);
  expect(blocks.map((block) => block.hash)).toEqual([first.hash, next.hash]);
});
