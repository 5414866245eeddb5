import type { Command } from 'commander';
import { Option } from 'commander';
import type { Logger } from 'pino';
import { VENUE_PREFIX } from '../../sequencer/reports.ts';
import { grouped, wholeNumber, withExamples } from '../cli/arguments.ts';
import { addListener, addVenuePlace, type GatewayOptions, listenerTls } from '../cli/gateway-options.ts';
import { Interruption } from '../cli/interruption.ts';
import { addNatsCredentials, natsJoin } from '../cli/nats-credentials.ts';
import { printResult } from '../cli/result.ts';
import { secretOption } from '../cli/secret-option.ts';
import { openLog } from '../cli/server-log.ts';
import { addTelemetryOptions, type TelemetryCommandOptions, telemetrySettingsOf } from '../cli/telemetry-options.ts';
import { UsageError } from '../exit-codes.ts';
import { isLoopback } from '../loopback.ts';
import { ProcessTelemetry } from '../telemetry/process-telemetry.ts';
import { ClientTokens } from '../websocket/client-tokens.ts';
import { ADMINISTRATOR } from '../websocket/venue-access.ts';
import { WebSocketGateway } from '../websocket/websocket-gateway.ts';

interface WebSocketOptions extends GatewayOptions, TelemetryCommandOptions {
  readonly account?: number;
  readonly token?: string;
  readonly tokens?: string;
  readonly create?: boolean;
  readonly marketDataFrom: string;
  readonly origin: readonly string[];
  readonly unprotected?: boolean;
  readonly rate: number;
}

const U32_MAX = 4_294_967_295;
const DEFAULTS = { port: 8_765, connections: 64 };
const RATE_DEFAULT = 100;
const RATE_MAX = 100_000;

export function registerWebSocket(program: Command): void {
  const command = program
    .command('websocket')
    .description(
      'Takes the commands of `veritape match` as JSON over WebSocket for a venue on NATS, one object a message, and tells ' +
        'answers, trades, best of book and what happens to orders and accounts. Without --tokens, who reaches it may act as it may.',
    );
  addVenuePlace(command)
    .addOption(
      new Option(
        '--account <number>',
        'account that everybody acts for; 0, the administrator, for every account (default: 0)',
      )
        .argParser(wholeNumber(0, U32_MAX))
        .conflicts('tokens'),
    )
    .addOption(
      new Option(
        '--tokens <file>',
        'let only clients of this file in, each for its account: veritape access token',
      ).env('VERITAPE_WEBSOCKET_TOKENS'),
    )
    .addOption(
      secretOption(new Option('--token <token>', 'what the venue knows this gateway by').env('VERITAPE_TOKEN')),
    )
    .addOption(new Option('--create', 'create instruments that the venue does not have (for clients of account 0)'))
    .addOption(
      new Option(
        '--market-data-from <prefix>',
        'how the subjects of the publisher of market data begin: of `serve --market-data`, or what `follow --publish` was given',
      ).default(VENUE_PREFIX),
    );
  addListener(command, DEFAULTS)
    .addOption(new Option('--unprotected', 'listen to other hosts although there is no --tls-cert, or are no --tokens'))
    .addOption(
      new Option(
        '--origin <url>',
        'web pages of this origin may connect, such as http://localhost:3000; may be repeated',
      )
        .default([])
        .argParser((origin: string, origins: string[]) => [...origins, origin]),
    )
    .addOption(
      new Option('--rate <messages>', 'messages a second of one connection; twice as many may come at once')
        .default(RATE_DEFAULT)
        .argParser(wholeNumber(1, RATE_MAX)),
    );
  addTelemetryOptions(addNatsCredentials(command)).action((options: WebSocketOptions) => serveWebSocket(options));
  withExamples(
    command,
    'veritape websocket --nats nats://127.0.0.1:4222 --port 8765 --create',
    'veritape websocket --nats nats://127.0.0.1:4222 --host 0.0.0.0 --tls-cert gate.pem --tls-key gate.key --tokens clients.json',
  );
}

async function serveWebSocket(options: WebSocketOptions): Promise<void> {
  const { host, port, shard, token, connectionsMax, rate } = options;
  const tls = listenerTls(options);
  const clients = options.tokens === undefined ? undefined : ClientTokens.read(options.tokens);
  const isProtected = tls !== undefined && clients !== undefined;
  if (!isLoopback(host) && !isProtected && options.unprotected !== true)
    throw new UsageError(
      'host',
      host,
      'other hosts are listened to with --tls-cert and --tokens, or with --unprotected',
    );
  const settings = telemetrySettingsOf(options);
  const telemetry = new ProcessTelemetry({ role: 'gateway', shard });
  const log = await openLog('veritape-websocket', () => telemetry.logFields());
  using interruption = new Interruption();
  const account = options.account ?? clients?.anyAccount ?? ADMINISTRATOR;
  if (!isLoopback(host) && !isProtected) {
    const why =
      clients === undefined ? 'whoever reaches this address may act for the account' : 'tokens can be read on the way';
    log.warn({ host, account }, why);
  }
  const { marketDataFrom: marketData, create = false } = options;
  const venue = { nats: natsJoin(options.nats, options), shard, account, token, create, marketData };
  await telemetry.open(settings, undefined, log);
  let gateway: WebSocketGateway;
  try {
    gateway = await WebSocketGateway.open({
      ...{ venue: { ...venue, signal: interruption.signal }, host, port, tls, clients },
      ...{ connectionsMax, rateMax: rate, origins: options.origin, log },
    });
  } catch (error) {
    await telemetry.close();
    if (!interruption.requested) throw error;
    return printResult({ opened: false }, options.json === true, () => 'closed before the venue was reached');
  }
  telemetry.watch({
    connection: gateway.connection,
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
  const { tokens: file } = options;
  if (file !== undefined) interruption.onHangUp(() => holdToFile(gateway, file, log));
  try {
    const ready = { pid: process.pid, host, port: gateway.port, ...(clients === undefined ? { account } : {}) };
    log.info({ ...ready, tls: tls !== undefined, tokens: clients !== undefined }, 'ready');
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

/** Who is not in the file any more is let in no more; a file that is wrong changes nothing. */
function holdToFile(gateway: WebSocketGateway, file: string, log: Logger): void {
  try {
    gateway.holdTo(ClientTokens.read(file));
    log.info({ file }, 'clients read again');
  } catch (error) {
    log.error({ file, why: error instanceof Error ? error.message : error }, 'clients not read again');
  }
}
