import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { connect } from '@nats-io/transport-node';
import { COMMAND_BYTES } from '../journal/commands.ts';
import type { SubmitResult } from '../ops/commands/submit.ts';
import { natsConnectionOptions, startNatsServer } from '../ops/nats-server.ts';
import { openVenue } from '../ops/venue/venue.ts';
import { MESSAGE_HEADER_BYTES } from '../sequencer/messages.ts';
import { check, type Figure } from './benchmark.ts';
import { encodeWorkload, generateWorkload } from './challenge-workload.ts';
import type { EchoData } from './nats-echo.ts';

/** Commands of a message that `veritape submit` sends, and messages under way in the echo beside it. */
export const NATS_BATCH = 256;
export const NATS_MESSAGES_IN_FLIGHT = 4;
const ECHO_SUBJECT = 'bench.echo';
const ECHO_MESSAGES = 4_000;
const SEGMENT_BYTES = 2 ** 28;
const CLIENT_MS_MAX = 200_000;

/** A venue on a nats-server of its own, and `veritape submit` in another process. */
export async function playSubmit(
  directory: string,
  newOrders: number,
): Promise<{ submitted: SubmitResult; echo: number }> {
  mkdirSync(directory, { recursive: true });
  const server = await startNatsServer();
  try {
    const venue = await openVenue({
      directory,
      segmentBytesMax: SEGMENT_BYTES,
      nats: { connection: natsConnectionOptions(server.url) },
    });
    let submitted: SubmitResult;
    try {
      const flow = join(directory, 'flow.bin');
      writeFileSync(flow, encodeWorkload(generateWorkload({ scenario: 'normal', newOrders })));
      const program = fileURLToPath(new URL('../ops/veritape.ts', import.meta.url));
      const args = [program, 'submit', flow, '--nats', server.url, '--create', '--json'];
      const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: CLIENT_MS_MAX });
      submitted = JSON.parse(stdout) as SubmitResult;
    } finally {
      const { stateHashes } = await venue.close();
      check(new Set(stateHashes).size === 1, 'the replicas differ');
    }
    const echo = await echoRate(server.url, Math.min(ECHO_MESSAGES, Math.ceil(submitted.commands / NATS_BATCH)));
    return { submitted, echo };
  } finally {
    await server.stop();
  }
}

/** Requests as large as a batch, answered by another thread with replies as large as the venue's. */
async function echoRate(url: string, messages: number): Promise<number> {
  const echo = new Worker(new URL('./nats-echo.ts', import.meta.url), {
    workerData: { url, subject: ECHO_SUBJECT } satisfies EchoData,
  });
  await once(echo, 'message');
  const connection = await connect(natsConnectionOptions(url));
  try {
    const request = new Uint8Array(MESSAGE_HEADER_BYTES + NATS_BATCH * COMMAND_BYTES);
    const send = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index++) await connection.request(ECHO_SUBJECT, request, { timeout: 10_000 });
    };
    const each = Math.ceil(messages / NATS_MESSAGES_IN_FLIGHT);
    await send(Math.ceil(each / 5));
    const started = performance.now();
    await Promise.all(Array.from({ length: NATS_MESSAGES_IN_FLIGHT }, () => send(each)));
    return (each * NATS_MESSAGES_IN_FLIGHT * NATS_BATCH * 1000) / (performance.now() - started);
  } finally {
    await connection.close();
    await echo.terminate();
  }
}

export function submittedFigures(name: string, { commandsPerSecond, ackMs }: SubmitResult): Figure[] {
  const { p50, p99, p999, max } = ackMs;
  return [
    { name, value: commandsPerSecond, unit: 'commands/s' },
    ...Object.entries({ p50, p99, 'p99.9': p999, max }).map(([label, value]) => ({
      name: `${name}: acknowledged, ${label}`,
      value,
      unit: 'ms',
    })),
  ];
}
