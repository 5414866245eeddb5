import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { COMMAND_WORDS, encodeCommand } from '../../../journal/commands.ts';
import { CommandPort } from '../../../sequencer/command-port.ts';
import { encodeRequest, MESSAGE_COMMANDS_MAX } from '../../../sequencer/messages.ts';
import { OpenSessions } from '../../../sequencer/open-sessions.ts';
import {
  allocatePipeline,
  appliedWord,
  BLOCK_SLOT_WORD,
  COMMAND_CONSUMER,
  STATUS,
} from '../../../sequencer/pipeline.ts';
import { Principals } from '../../../sequencer/principals.ts';
import { RequestIntake } from '../../../sequencer/request-intake.ts';
import { RingConsumer, RingProducer } from '../../../sequencer/rings.ts';
import { DEFAULT_BLOCK_BOUNDS, Sequencing } from '../../../sequencer/sequencing.ts';

/** How the probe is started: as JSON in its first argument. */
export interface IntakeProbeOptions {
  /** Requests come on the subject of an identity. */
  readonly bound: boolean;
  /** Makes a small object for each command, to show that it would be seen. */
  readonly control: boolean;
}

export interface IntakeProbeResult {
  readonly commands: number;
  readonly grownBytes: number;
  readonly collections: number;
}

/** What a message allocates whatever it carries, as its header and its sink, is spread over these. */
const ACCOUNT = 7;
const SESSION = 1;
const SUBJECT = `veritape.0.submit.alice.${ACCOUNT}`;
const WARM_UP_MESSAGES = 4_000;
const MEASURED_MESSAGES = 8_000;

const { bound, control } = JSON.parse(process.argv[2] ?? '') as IntakeProbeOptions;
const memory = allocatePipeline(1, 1, 0, 0);
const status = new Int32Array(memory.status);
const port = new CommandPort(memory, 0, 'disk');
const sequencing = new Sequencing(
  memory.inputs.map((input) => new RingConsumer(input, 0)),
  new RingProducer(memory.commands),
  new RingProducer(memory.blocks),
  { sequence: 0, block: 0 },
  DEFAULT_BLOCK_BOUNDS,
);
const consumers = [COMMAND_CONSUMER.journal, COMMAND_CONSUMER.leader].map(
  (one) => new RingConsumer(memory.commands, one),
);
const blocks = new RingConsumer(memory.blocks, 0);
const sessions = new OpenSessions([{ number: SESSION, account: ACCOUNT, lastRequest: 0 }]);
const intake = new RequestIntake(port, sessions, undefined, bound);
const principals = new Principals('veritape.0.submit');
const words = new Uint32Array(MESSAGE_COMMANDS_MAX * COMMAND_WORDS);
for (let index = 0; index < MESSAGE_COMMANDS_MAX; index++)
  encodeCommand(words, index * COMMAND_WORDS, { op: 'cancel', account: ACCOUNT, symbol: 0, id: index });
const bytes = encodeRequest(SESSION, 1, new Uint8Array(words.buffer));
const answered = { messages: 0 };
const sink = {
  done: () => {
    answered.messages++;
  },
  fail: (why: string) => {
    throw new Error(why);
  },
};
const held: object[] = [{}];

/** One message: taken, sequenced, flushed and answered. The request numbers stay, as of one that is sent again. */
function play(): void {
  const principal = bound ? principals.of(SUBJECT) : undefined;
  const refusal = intake.pass(bytes, undefined, sink, principal);
  if (refusal !== undefined) throw new Error(JSON.stringify(refusal));
  if (control) for (let index = 0; index < MESSAGE_COMMANDS_MAX; index++) held[0] = { index };
  sequencing.step(1, 1, 0, status[STATUS.durableBlock] as number);
  for (let left = blocks.available(); left > 0; left--) {
    const at = blocks.wordAt(0);
    const count = blocks.words[at + BLOCK_SLOT_WORD.count] as number;
    const last = (blocks.words[at + BLOCK_SLOT_WORD.firstSequence] as number) + count - 1;
    for (const consumer of consumers) {
      consumer.available();
      consumer.release(count);
    }
    blocks.release(1);
    status[appliedWord(0)] = last;
    status[STATUS.durableSequence] = last;
    status[STATUS.durableBlock] = (status[STATUS.durableBlock] as number) + 1;
  }
  port.pump();
}

let collections = 0;
new PerformanceObserver((list) => {
  collections += list.getEntries().length;
}).observe({ entryTypes: ['gc'] });
for (let message = 0; message < WARM_UP_MESSAGES; message++) play();
globalThis.gc?.();
// Lets the observer tell of what came before, and code that is being compiled beside this thread arrive.
await delay(100);
collections = 0;
const before = process.memoryUsage().heapUsed;
for (let message = 0; message < MEASURED_MESSAGES; message++) play();
const grownBytes = process.memoryUsage().heapUsed - before;
await delay(100);
if (answered.messages < WARM_UP_MESSAGES + MEASURED_MESSAGES - 2) throw new Error(`${answered.messages} were answered`);
const result: IntakeProbeResult = { commands: MEASURED_MESSAGES * MESSAGE_COMMANDS_MAX, grownBytes, collections };
process.stdout.write(JSON.stringify(result));
