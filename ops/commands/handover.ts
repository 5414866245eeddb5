import { connect, headers, type MsgHdrs, type NatsConnection, PermissionViolationError } from '@nats-io/transport-node';
import { type Command, Option } from 'commander';
import { listen } from '../../sequencer/guarded-messages.ts';
import { handoverSubject, primarySubject } from '../../sequencer/nats-gateway.ts';
import { inboxOf } from '../../sequencer/principals.ts';
import { TOKEN_HEADER } from '../../sequencer/request-intake.ts';
import { wholeNumber, withExamples } from '../cli/arguments.ts';
import { addNatsCredentials, type NatsCredentialOptions, natsJoin } from '../cli/nats-credentials.ts';
import { printResult } from '../cli/result.ts';
import { EnvironmentFault } from '../exit-codes.ts';
import type { HandoverReply, HandoverRequest } from '../venue/step-down.ts';

interface HandoverOptions extends NatsCredentialOptions {
  readonly nats: string;
  readonly shard: number;
  readonly token?: string;
  readonly stay?: boolean;
  readonly waitMs: number;
  readonly json?: boolean;
}

/** How a hand-over went. Times are measured by this command, on its own clock, from messages of the two servers. */
export interface HandoverResult {
  readonly fromEpoch: number;
  readonly toEpoch: number;
  /** The last sequence that the server before acknowledged. */
  readonly sequence: number;
  /** From the last acknowledgement of the one to the first possible one of the other. */
  readonly pauseMs: number;
  /** The longest that a request can have waited: from when the one took no more until the other served. */
  readonly heldMs: number;
}

const U32_MAX = 4_294_967_295;
const WAIT_MS_DEFAULT = 15_000;

export function registerHandover(program: Command): void {
  const command = program
    .command('handover')
    .description('have the server of a venue hand over to a standby, and print how long clients had to wait')
    .addOption(
      new Option('--nats <url>', 'NATS server that the venue has joined')
        .env('VERITAPE_NATS')
        .default('nats://127.0.0.1:4222'),
    )
    .addOption(
      new Option('--shard <number>', 'shard of the venue')
        .env('VERITAPE_SHARD')
        .default(0)
        .argParser(wholeNumber(0, U32_MAX)),
    )
    .addOption(new Option('--token <token>', "an administrator's, if the venue has tokens").env('VERITAPE_TOKEN'))
    .option('--stay', 'the server stands by afterwards; unless given, its process ends')
    .addOption(
      new Option('--wait-ms <milliseconds>', 'how long it may take until the standby serves')
        .default(WAIT_MS_DEFAULT)
        .argParser(wholeNumber(1, 3_600_000)),
    )
    .option('--json', 'print the result as one JSON object');
  addNatsCredentials(command).action((options: HandoverOptions) => handover(options));
  withExamples(command, 'veritape handover --nats nats://127.0.0.1:4222');
}

async function handover(options: HandoverOptions): Promise<void> {
  const connection = await connect(natsJoin(options.nats, options).connection).catch((error: unknown) => {
    throw new EnvironmentFault(`NATS at ${options.nats}: ${error instanceof Error ? error.message : String(error)}`);
  });
  try {
    const result = await askForHandover(connection, options);
    await printResult(result, options.json === true, () => {
      const { fromEpoch, toEpoch, sequence, pauseMs, heldMs } = result;
      return [
        `handed over from epoch ${fromEpoch} to epoch ${toEpoch} after sequence ${sequence}`,
        `no acknowledgement for ${pauseMs} ms; no request waited for more than ${heldMs} ms because of it`,
      ].join('\n');
    });
  } finally {
    await connection.close();
  }
}

/** Rejects with an EnvironmentFault if it is refused, or if nobody serves in time. */
function askForHandover(connection: NatsConnection, options: HandoverOptions): Promise<HandoverResult> {
  return new Promise((resolve, reject) => {
    let stoppingAt = 0;
    let drainedAt = 0;
    let sequence = 0;
    let fromEpoch = 0;
    const timer = setTimeout(() => {
      const rule = `in ${options.waitMs} ms`;
      if (stoppingAt === 0) reject(new EnvironmentFault(`no server of shard ${options.shard} answers ${rule}`));
      else
        reject(new EnvironmentFault(`the server of epoch ${fromEpoch} has stepped down, but no other serves ${rule}`));
    }, options.waitMs);
    const settle = (settled: () => void): void => {
      clearTimeout(timer);
      settled();
    };
    void refusedPublish(connection).then((why) => settle(() => reject(new EnvironmentFault(why))));
    listen(connection, primarySubject(options.shard), (message) => {
      const { epoch } = message.json() as { epoch: number };
      if (stoppingAt === 0 || epoch <= fromEpoch) return;
      const now = performance.now();
      const heldMs = rounded(now - stoppingAt);
      const pauseMs = rounded(now - (drainedAt === 0 ? stoppingAt : drainedAt));
      settle(() => resolve({ fromEpoch, toEpoch: epoch, sequence, pauseMs, heldMs }));
    });
    const inbox = inboxOf(connection);
    connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null || message.data.length === 0) {
          const why = `no server of shard ${options.shard} listens on ${handoverSubject(options.shard)}`;
          return settle(() => reject(new EnvironmentFault(why)));
        }
        const reply = message.json() as HandoverReply;
        if (reply.state === 'refused') settle(() => reject(new EnvironmentFault(`refused: ${reply.why}`)));
        else if (reply.state === 'stopping') {
          stoppingAt = performance.now();
          fromEpoch = reply.epoch;
        } else {
          drainedAt = performance.now();
          sequence = reply.sequence;
        }
      },
    });
    const request: HandoverRequest = { stay: options.stay === true };
    connection.publish(handoverSubject(options.shard), JSON.stringify(request), {
      reply: inbox,
      ...(options.token === undefined ? {} : { headers: carrying(options.token) }),
    });
  });
}

/** Resolves if the NATS server does not let this client ask. */
function refusedPublish(connection: NatsConnection): Promise<string> {
  return new Promise((resolve) => {
    void (async () => {
      for await (const status of connection.status()) {
        if (status.type !== 'error' || !(status.error instanceof PermissionViolationError)) continue;
        if (status.error.operation === 'publish')
          resolve(`the NATS server does not let this client publish on ${status.error.subject}`);
      }
    })();
  });
}

function carrying(token: string): MsgHdrs {
  const carried = headers();
  carried.set(TOKEN_HEADER, token);
  return carried;
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
