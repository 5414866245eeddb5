import { readWide } from '../../journal/amounts.ts';
import { BLOCK_HEADER_WORDS, BlockView, checkBlock } from '../../journal/block.ts';
import { COMMAND_WORD, COMMAND_WORDS } from '../../journal/commands.ts';
import { EVENT_WORD, EVENT_WORDS, EventType, eventType } from '../../journal/events.ts';
import { type Genesis, genesisHash } from '../../journal/genesis.ts';
import { type Answer, decodeAnswers } from '../../sequencer/messages.ts';
import { SLOT_SHIFT } from '../../sequencer/rings.ts';
import type { DiskWatch } from './disk.ts';
import type { Kernel } from './kernel.ts';
import type { Process } from './process.ts';
import { Reference, sameAnswer } from './reference.ts';

/** What must hold at every step. */
export const INVARIANTS = {
  'acknowledged-is-durable': 'what was acknowledged outlives whatever the ack policy says it outlives',
  'one-chain': 'every block follows the one before it, and nothing is put in the place of what can not be lost',
  'one-primary-per-epoch': 'no two processes write or acknowledge in one epoch',
  'same-state': 'replicas that applied the same commands have the same state hash',
  'exactly-once': 'a request is handled once, and every answer to it is the same',
  'event-order': 'events go out in the order of the commands, whole, and only when the ack policy lets them',
  'own-command': 'what is in the sequence for a request is what its client sent',
  'answer-order': 'what is sent after an answer came has a later place in the sequence',
  'bounded-queues': 'no queue is longer than its bound',
  'time-order': 'times of blocks do not go back',
  'damage-is-found': 'nothing is served that comes from damaged bytes',
  liveness: 'when nothing goes wrong any more, every request is answered within a bound',
  'no-fault-inside': 'no part of the product throws what it does not say it throws',
} as const;
export type InvariantName = keyof typeof INVARIANTS;

export interface Violation {
  readonly invariant: InvariantName;
  readonly text: string;
  /** Microseconds since the simulation began. */
  readonly at: number;
}

interface BlockOnDisk {
  readonly view: BlockView;
  readonly writer: Process;
}

interface HashAt {
  readonly process: Process;
  readonly replica: string;
  readonly sequence: number;
  readonly hash: string;
}

/** The state after each so manieth block is compared with that of replicas that come by later. */
export const HASH_EVERY_BLOCKS = 8;
/** Words of a command record that a client decides. */
const CLIENT_WORDS = COMMAND_WORD.session;

/**
 * Sees everything that happens in a simulated venue and checks it against what must hold. The first violation ends the
 * simulation.
 */
export class Invariants implements DiskWatch {
  violation: Violation | undefined;
  /** Commands acknowledged, comparisons of state hashes, and events let out. */
  readonly counts = { acknowledged: 0, repeats: 0, hashes: 0, events: 0, blocks: 0, epochs: 0, ticks: 0 };
  readonly #kernel: Kernel;
  readonly #genesis: Buffer;
  readonly #reference: Reference;
  /** Blocks on disk, from block 1 on. */
  readonly #blocks: BlockOnDisk[] = [];
  #flushed = 0;
  #flushedSequence = 0;
  readonly #epochs = new Map<number, Process>();
  /** Hashes of sequences that the reference has not reached. */
  #hashes: HashAt[] = [];
  /** What clients sent, by session and request. */
  readonly #sent = new Map<string, { readonly words: Uint32Array; readonly intent: string }>();
  /** Under which number each of a client's intents was handled. */
  readonly #handled = new Map<string, string>();
  /** State hashes after some blocks, by the sequence that these end with. */
  readonly #hashAfter = new Map<number, string>();
  /** The last block on the own disk of a process, where acknowledgements promise that copy, too. */
  onDisk: ((process: Process) => number) | undefined;
  /** How far each process has let events out. */
  readonly #out = new Map<Process, { sequence: number; index: number }>();

  constructor(kernel: Kernel, genesis: Genesis) {
    this.#kernel = kernel;
    this.#genesis = genesisHash(genesis);
    this.#reference = new Reference(genesis.limits);
  }

  /** The last sequence that can not be lost. */
  get durableSequence(): number {
    return this.#flushedSequence;
  }

  violate(invariant: InvariantName, text: string): void {
    if (this.violation !== undefined) return;
    this.violation = { invariant, text, at: this.#kernel.now };
    this.#kernel.stop();
  }

  committed(writer: Process, bytes: Buffer, epoch: number): void {
    const view = checkBlock(bytes);
    if (!(view instanceof BlockView)) return this.violate('one-chain', `a damaged block was written: ${view.text}`);
    this.#own(view.epoch, writer, 'wrote');
    if (view.epoch < epoch) {
      const text = `${writer.name} wrote under epoch ${view.epoch}, and epoch ${epoch} is in force`;
      return this.violate('one-primary-per-epoch', text);
    }
    this.#extend(view, writer);
  }

  #extend(view: BlockView, writer: Process): void {
    const last = this.#blocks.at(-1)?.view;
    const number = this.#blocks.length + 1;
    const at = `${writer.name} wrote block ${view.block} of epoch ${view.epoch}`;
    if (view.block !== number) return this.violate('one-chain', `${at} where block ${number} is next`);
    if (!view.previousHash.equals(last?.hash ?? this.#genesis))
      return this.violate('one-chain', `${at}, which does not follow the block before it`);
    if (view.firstSequence !== (last?.lastSequence ?? 0) + 1)
      return this.violate('one-chain', `${at}, which begins at sequence ${view.firstSequence}`);
    if (view.epoch < (last?.epoch ?? 0))
      return this.violate('one-chain', `${at} after a block of epoch ${last?.epoch}`);
    if (last !== undefined && view.time < last.time)
      return this.violate('time-order', `${at} with a time before its last`);
    this.#blocks.push({ view, writer });
    this.counts.blocks++;
  }

  flushed(block: number): void {
    while (this.#flushed < block) {
      const stored = this.#blocks[this.#flushed];
      if (stored === undefined)
        return this.violate('one-chain', `block ${this.#flushed + 1} was flushed and never written`);
      this.#flushed++;
      this.#flushedSequence = stored.view.lastSequence;
      this.#apply(stored);
    }
  }

  /** The replicated log holds a block, by the rule of all its readers. `envelopeEpoch` is that of its publisher. */
  accepted(block: BlockView, sender: Process, envelopeEpoch: number): void {
    const writer = this.#epochs.get(block.epoch) ?? sender;
    this.#own(envelopeEpoch, sender, 'published');
    this.#extend(block, writer);
    this.flushed(block.block);
  }

  /** A block comes to the journal of a node, which must hold the log's chain and nothing else. */
  copied(process: Process, bytes: Buffer): void {
    const view = checkBlock(bytes);
    if (!(view instanceof BlockView)) return this.violate('one-chain', `a damaged block was written: ${view.text}`);
    const accepted = this.#blocks[view.block - 1]?.view;
    if (accepted === undefined)
      return this.violate('one-chain', `${process.name} has block ${view.block} on disk, which the log does not hold`);
    if (!accepted.hash.equals(view.hash))
      this.violate('one-chain', `block ${view.block} on the disk of ${process.name} is not the log's`);
  }

  lost(block: number): void {
    if (block < this.#flushed)
      return this.violate(
        'acknowledged-is-durable',
        `blocks after ${block} are gone, and ${this.#flushed} was flushed`,
      );
    this.#blocks.length = Math.min(this.#blocks.length, block);
  }

  /**
   * A client is about to send requests under these numbers for the first time. `intended` is the number under which it first
   * sent what it means by them.
   */
  sent(session: number, firstRequest: number, records: Uint32Array, intended: number): void {
    for (let index = 0; index * COMMAND_WORDS < records.length; index++) {
      const at = index * COMMAND_WORDS;
      const words = records.slice(at, at + CLIENT_WORDS);
      this.#sent.set(`${session}:${firstRequest + index}`, { words, intent: `${session}:${intended + index}` });
    }
  }

  /** A process lets answers go to a client. `epoch` is the one that the process writes under. */
  acknowledged(
    process: Process,
    epoch: number,
    session: number,
    firstRequest: number,
    words: Uint32Array,
    at: number,
    count: number,
  ): void {
    for (const [index, answer] of decodeAnswers(words, at, count).entries()) {
      const request = session === 0 ? answer.sequence : firstRequest + index;
      this.#acknowledge(process, epoch, session, request, answer);
    }
  }

  #acknowledge(process: Process, epoch: number, session: number, request: number, answer: Answer): void {
    this.counts.acknowledged++;
    const what = `${process.name} acknowledged ${session}:${request} at sequence ${answer.sequence}`;
    if (answer.sequence > this.#flushedSequence)
      return this.violate('acknowledged-is-durable', `${what}, but only ${this.#flushedSequence} is on disk`);
    this.#checkOwnDisk(process, answer.sequence, what);
    this.#own(epoch, process, 'acknowledged');
    // Told by the venue itself, not handled.
    if (answer.reason >= 32 && answer.reason <= 36 && session !== 0) return;
    const known = this.#reference.answerTo(session, request);
    if (known === undefined) return this.violate('exactly-once', `${what}, where it was not handled`);
    if (!sameAnswer(known, answer)) {
      const told = JSON.stringify(answer);
      return this.violate('exactly-once', `${what} with ${told}, but it was handled with ${JSON.stringify(known)}`);
    }
    if (answer.repeat) this.counts.repeats++;
    else if (this.#epochOf(answer.sequence) !== epoch)
      this.violate(
        'one-primary-per-epoch',
        `${what}, which is of epoch ${this.#epochOf(answer.sequence)}, not ${epoch}`,
      );
  }

  /** A gateway lets events out: `count` of a ring from the slot at cursor `from`. */
  events(process: Process, words: Uint32Array, mask: number, from: number, count: number): void {
    const out = this.#out.get(process) ?? { sequence: 0, index: 0 };
    this.#out.set(process, out);
    for (let index = 0; index < count && this.violation === undefined; index++) {
      const at = ((from + index) & mask) << SLOT_SHIFT;
      if (eventType(words, at) !== EventType.top) this.#eventOut(process, out, words, at);
    }
  }

  #eventOut(process: Process, out: { sequence: number; index: number }, words: Uint32Array, at: number): void {
    this.counts.events++;
    const sequence = readWide(words, at + EVENT_WORD.sequence);
    const what = `${process.name} let an event of sequence ${sequence} out`;
    if (sequence > this.#flushedSequence)
      return this.violate('acknowledged-is-durable', `${what}, but only ${this.#flushedSequence} is on disk`);
    this.#checkOwnDisk(process, sequence, what);
    if (sequence !== out.sequence) {
      if (out.sequence !== 0) {
        if (out.index !== (this.#reference.eventsOf(out.sequence)?.length ?? 0))
          return this.violate('event-order', `${what} before all of sequence ${out.sequence} were`);
        for (let between = out.sequence + 1; between < sequence; between++) {
          if ((this.#reference.eventsOf(between)?.length ?? 0) > 0)
            return this.violate('event-order', `${what} and none of sequence ${between}`);
        }
        if (sequence < out.sequence) return this.violate('event-order', `${what} after one of ${out.sequence}`);
      }
      out.sequence = sequence;
      out.index = 0;
    }
    const expected = this.#reference.eventsOf(sequence);
    for (let word = 0; word < EVENT_WORDS; word++) {
      if (expected?.[out.index + word] === words[at + word]) continue;
      return this.violate('event-order', `${what} that is not the ${out.index / EVENT_WORDS + 1}th of its command`);
    }
    out.index += EVENT_WORDS;
  }

  /** A replica of a process has applied everything up to a sequence, and this is the hash of its state. */
  stateHash(process: Process, replica: string, sequence: number, hash: string): void {
    if (sequence < this.#reference.sequence) return;
    this.#hashes.push({ process, replica, sequence, hash });
    const writer = this.#blocks[this.#flushed - 1]?.writer;
    if (sequence === this.#reference.sequence && writer === process) this.#compare(process);
  }

  /** Like {@link stateHash}, of a replica that follows a journal and comes by the end of a block. */
  followed(process: Process, replica: string, sequence: number, hash: string): void {
    const known = this.#hashAfter.get(sequence);
    if (known === undefined) return;
    this.counts.hashes++;
    if (known !== hash) this.violate('same-state', `${replica} of ${process.name} differs at sequence ${sequence}`);
  }

  /** Like {@link stateHash}, of a replica that has applied nothing but the journal. */
  recovered(process: Process, replica: string, sequence: number, hash: string): void {
    if (sequence !== this.#reference.sequence) return;
    this.counts.hashes++;
    if (hash === this.#reference.hash()) return;
    this.violate('same-state', `${replica} of ${process.name} has recovered another state at sequence ${sequence}`);
  }

  /** What a process knew and did not write is of no account. */
  ended(process: Process): void {
    this.#hashes = this.#hashes.filter((hash) => hash.process !== process);
    this.#out.delete(process);
  }

  /** A client got an answer, which it waited for. Everything it sends from here on comes later in the sequence. */
  answered(client: string, session: number, request: number, answer: Answer, notBefore: number): void {
    const known = this.#reference.answerTo(session, request);
    const what = `${client} has an answer to ${session}:${request} at sequence ${answer.sequence}`;
    if (known === undefined || !sameAnswer(known, answer))
      return this.violate('exactly-once', `${what}, but it was handled with ${JSON.stringify(known)}`);
    if (answer.sequence > notBefore) return;
    this.violate('answer-order', `${what}, but had seen ${notBefore} before it sent it`);
  }

  /** Everything on disk, read again from its beginning, is what was seen to be written. */
  audited(block: BlockView): void {
    const stored = this.#blocks[block.block - 1];
    if (stored?.view.hash.equals(block.hash) !== true)
      this.violate('one-chain', `block ${block.block} reads otherwise than it was written`);
  }

  /** The last block that can not be lost. */
  get flushedBlock(): number {
    return this.#flushed;
  }

  #apply({ view, writer }: BlockOnDisk): void {
    for (let index = 0; index < view.count && this.violation === undefined; index++) {
      const wrong = this.#reference.apply(view, index);
      if (wrong !== undefined) return this.violate('exactly-once', wrong);
      this.#checkSent(view, index);
      this.#compare(writer);
    }
    if (view.block % HASH_EVERY_BLOCKS === 0) this.#hashAfter.set(view.lastSequence, this.#reference.hash());
  }

  #checkSent(view: BlockView, index: number): void {
    const at = BLOCK_HEADER_WORDS + index * COMMAND_WORDS;
    const session = view.words[at + COMMAND_WORD.session] as number;
    if (session === 0) return;
    const name = `${session}:${view.words[at + COMMAND_WORD.request]}`;
    const sent = this.#sent.get(name);
    if (sent === undefined) return this.violate('own-command', `request ${name} is in the sequence and was never sent`);
    for (let word = 0; word < CLIENT_WORDS; word++) {
      if (view.words[at + word] === sent.words[word]) continue;
      return this.violate('own-command', `request ${name} is in the sequence otherwise than it was sent`);
    }
    const handled = this.#handled.get(sent.intent);
    if (handled === undefined) this.#handled.set(sent.intent, name);
    else if (handled !== name)
      this.violate('exactly-once', `what a client meant once was handled as request ${handled} and as ${name}`);
  }

  /** Compares the hashes of the sequence that the reference is at. Only who wrote the command had applied that one. */
  #compare(writer: Process): void {
    const { sequence } = this.#reference;
    let ours: string | undefined;
    const waiting: HashAt[] = [];
    for (const each of this.#hashes) {
      if (each.sequence > sequence) waiting.push(each);
      else if (each.sequence === sequence && each.process === writer) {
        ours ??= this.#reference.hash();
        this.counts.hashes++;
        if (each.hash !== ours)
          this.violate('same-state', `${each.replica} of ${each.process.name} differs at sequence ${sequence}`);
      }
    }
    this.#hashes = waiting;
  }

  #checkOwnDisk(process: Process, sequence: number, what: string): void {
    if (this.onDisk === undefined) return;
    const last = this.#blocks[this.onDisk(process) - 1]?.view.lastSequence ?? 0;
    if (sequence > last) this.violate('acknowledged-is-durable', `${what}, but its own disk holds ${last} only`);
  }

  #own(epoch: number, process: Process, did: string): void {
    const owner = this.#epochs.get(epoch);
    if (owner === undefined) {
      this.#epochs.set(epoch, process);
      this.counts.epochs++;
    } else if (owner !== process)
      this.violate('one-primary-per-epoch', `${process.name} ${did} in epoch ${epoch}, which is ${owner.name}'s`);
  }

  #epochOf(sequence: number): number | undefined {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const { view } = this.#blocks[middle] as BlockOnDisk;
      if (sequence < view.firstSequence) high = middle - 1;
      else if (sequence > view.lastSequence) low = middle + 1;
      else return view.epoch;
    }
    return undefined;
  }
}
