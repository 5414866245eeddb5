import type { Command } from 'commander';
import { Option } from 'commander';
import { grouped, wholeNumber, withExamples } from './cli/arguments.ts';
import { Interruption } from './cli/interruption.ts';
import { addNatsCredentials, type NatsCredentialOptions, natsJoin } from './cli/nats-credentials.ts';
import { printResult } from './cli/result.ts';
import { secretOption } from './cli/secret-option.ts';
import { openLog } from './cli/server-log.ts';
import { addTelemetryOptions, type TelemetryCommandOptions, telemetrySettingsOf } from './cli/telemetry-options.ts';
import { ProcessTelemetry } from './telemetry/process-telemetry.ts';
import { WebSocketGateway } from './websocket/websocket-gateway.ts';

interface WebSocketOptions extends NatsCredentialOptions, TelemetryCommandOptions {
  readonly nats: string;
  readonly shard: number;
  readonly account: number;
  readonly token?: string;
  readonly create?: boolean;
  readonly host: string;
  readonly port: number;
  readonly origin: readonly string[];
  readonly connectionsMax: number;
  readonly rate: number;
  readonly json?: boolean;
}

const U32_MAX = 4_294_967_295;
const PORT_DEFAULT = 8_765;
const PORT_MAX = 65_535;
const CONNECTIONS_MAX_DEFAULT = 64;
const CONNECTIONS_MAX = 65_536;
const RATE_DEFAULT = 100;
const RATE_MAX = 100_000;

export function registerWebSocket(program: Command): void {
  const command = program
    .command('websocket')
    .description(
      'Takes the commands of `veritape match` as JSON over WebSocket for a venue on NATS, one object a message, and tells ' +
        'answers, trades, best of book and what happens to orders. For trying a venue out: who reaches it may act as it may.',
    )
    .addOption(new Option('--nats <url>', 'NATS server of the venue').env('VERITAPE_NATS').makeOptionMandatory())
    .addOption(
      new Option('--shard <number>', 'shard of the venue')
        .env('VERITAPE_SHARD')
        .default(0)
        .argParser(wholeNumber(0, U32_MAX)),
    )
    .addOption(
      new Option(
        '--account <number>',
        'account that clients act for; 0, the administrator, lets them act for every account',
      )
        .default(0)
        .argParser(wholeNumber(0, U32_MAX)),
    )
    .addOption(
      secretOption(new Option('--token <token>', 'what the venue knows this gateway by').env('VERITAPE_TOKEN')),
    )
    .addOption(new Option('--create', 'create instruments that the venue does not have (with account 0)'))
    .addOption(new Option('--host <address>', 'address to listen on; 0.0.0.0 for all').default('127.0.0.1'))
    .addOption(
      new Option('--port <number>', 'port to listen on; 0 for a free one, which the log tells')
        .default(PORT_DEFAULT)
        .argParser(wholeNumber(0, PORT_MAX)),
    )
    .addOption(
      new Option(
        '--origin <url>',
        'web pages of this origin may connect, such as http://localhost:3000; may be repeated',
      )
        .default([])
        .argParser((origin: string, origins: string[]) => [...origins, origin]),
    )
    .addOption(
      new Option('--connections-max <count>', 'connections at once; more are refused')
        .default(CONNECTIONS_MAX_DEFAULT)
        .argParser(wholeNumber(1, CONNECTIONS_MAX)),
    )
    .addOption(
      new Option('--rate <messages>', 'messages a second of one connection; twice as many may come at once')
        .default(RATE_DEFAULT)
        .argParser(wholeNumber(1, RATE_MAX)),
    )
    .option('--json', 'print the closing report as one JSON object');
  addTelemetryOptions(addNatsCredentials(command)).action((options: WebSocketOptions) => serveWebSocket(options));
  withExamples(command, 'veritape websocket --nats nats://127.0.0.1:4222 --port 8765 --create');
}

async function serveWebSocket(options: WebSocketOptions): Promise<void> {
  const settings = telemetrySettingsOf(options);
  const telemetry = new ProcessTelemetry({ role: 'gateway', shard: options.shard });
  const log = await openLog('veritape-websocket', () => telemetry.logFields());
  using interruption = new Interruption();
  const { host, port, account, shard, token, connectionsMax, rate } = options;
  if (host !== '127.0.0.1') log.warn({ host, account }, 'whoever reaches this address may act for the account');
  const venue = { nats: natsJoin(options.nats, options), shard, account, token, create: options.create === true };
  await telemetry.open(settings, undefined, log);
  let gateway: WebSocketGateway;
  try {
    gateway = await WebSocketGateway.open({
      ...{ venue: { ...venue, signal: interruption.signal }, host, port },
      ...{ connectionsMax, rateMax: rate, origins: options.origin, log },
    });
  } catch (error) {
    await telemetry.close();
    if (!interruption.requested) throw error;
    return printResult({ opened: false }, options.json === true, () => 'closed before the venue was reached');
  }
  telemetry.watch({
    gateway: (points) => {
      const { open, messages, commands, errors } = gateway.status();
      points.add('veritape.websocket.connections', open);
      points.add('veritape.websocket.messages', messages, { outcome: 'taken' });
      points.add('veritape.websocket.messages', commands, { outcome: 'command' });
      points.add('veritape.websocket.messages', errors, { outcome: 'refused' });
    },
  });
  const tell = (): void => log.info(gateway.status(), 'status');
  process.on('SIGUSR2', tell);
  try {
    log.info({ pid: process.pid, host, port: gateway.port, account }, 'ready');
    if (!interruption.requested)
      await new Promise((resolve) => interruption.signal.addEventListener('abort', resolve, { once: true }));
  } finally {
    process.off('SIGUSR2', tell);
    await gateway.close();
    await telemetry.close();
    log.info(gateway.status(), 'closed');
  }
  const status = gateway.status();
  await printResult(
    status,
    options.json === true,
    () => `closed after ${grouped(status.connections)} connections and ${grouped(status.commands)} commands`,
  );
}
