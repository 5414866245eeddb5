import { readFileSync } from 'node:fs';
import type { TlsOptions } from 'node:tls';
import type { Command } from 'commander';
import { Option } from 'commander';
import { wholeNumber, withExamples } from './cli/arguments.ts';
import { Interruption } from './cli/interruption.ts';
import { snapshotEveryOption } from './cli/journal-options.ts';
import { addNatsCredentials, type NatsCredentialOptions, natsJoin } from './cli/nats-credentials.ts';
import { printResult } from './cli/result.ts';
import { openLog } from './cli/server-log.ts';
import { addTelemetryOptions, type TelemetryCommandOptions, telemetrySettingsOf } from './cli/telemetry-options.ts';
import { ExitCode, UsageError } from './exit-codes.ts';
import { FixGatewayConfig } from './fix/fix-config.ts';
import { FixGateway } from './fix/fix-gateway.ts';
import { ProcessTelemetry } from './telemetry/process-telemetry.ts';
import { Disagreement, type FollowerEnd } from './venue-follower.ts';

interface FixOptions extends NatsCredentialOptions, TelemetryCommandOptions {
  readonly dir: string;
  readonly config: string;
  readonly nats: string;
  readonly shard: number;
  readonly host: string;
  readonly port: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
  readonly connectionsMax: number;
  readonly snapshotEvery: number;
  readonly json?: boolean;
}

const U32_MAX = 4_294_967_295;
const PORT_DEFAULT = 9_878;
const PORT_MAX = 65_535;
const CONNECTIONS_MAX_DEFAULT = 256;
const CONNECTIONS_MAX = 65_536;

export function registerFix(program: Command): void {
  const command = program
    .command('fix')
    .description(
      'Takes orders over FIX 4.4 and FIX 5.0 SP2 for a venue on NATS. A process of its own, which follows the venue: it keeps ' +
        'a copy of the journal, and reports are made from that, so that none is lost or doubled when something is killed.',
    )
    .addOption(
      new Option('--dir <folder>', "where the sessions and the copy of the venue's journal are, or will be")
        .env('VERITAPE_FIX_DIR')
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--config <file>', 'JSON: clients with their accounts and passwords or certificates, and ticks')
        .env('VERITAPE_FIX_CONFIG')
        .makeOptionMandatory(),
    )
    .addOption(new Option('--nats <url>', 'NATS server of the venue').env('VERITAPE_NATS').makeOptionMandatory())
    .addOption(
      new Option('--shard <number>', 'shard of the venue')
        .env('VERITAPE_SHARD')
        .default(0)
        .argParser(wholeNumber(0, U32_MAX)),
    )
    .addOption(new Option('--host <address>', 'address to listen on; 0.0.0.0 for all').default('127.0.0.1'))
    .addOption(
      new Option('--port <number>', 'port to listen on; 0 for a free one, which the log tells')
        .default(PORT_DEFAULT)
        .argParser(wholeNumber(0, PORT_MAX)),
    )
    .addOption(new Option('--tls-cert <file>', 'certificate of the gateway (PEM); peers must use TLS then'))
    .addOption(new Option('--tls-key <file>', 'its private key (PEM)'))
    .addOption(new Option('--tls-ca <file>', 'certificates that those of clients must be signed by (PEM)'))
    .addOption(
      new Option('--connections-max <count>', 'connections at once; more are closed')
        .default(CONNECTIONS_MAX_DEFAULT)
        .argParser(wholeNumber(1, CONNECTIONS_MAX)),
    )
    .addOption(snapshotEveryOption(' of the copy'))
    .option('--json', 'print the closing report as one JSON object');
  addTelemetryOptions(addNatsCredentials(command)).action((options: FixOptions) => fix(options));
  withExamples(command, 'veritape fix --dir fix --config fix.json --nats nats://127.0.0.1:4222 --port 9878');
}

async function fix(options: FixOptions): Promise<void> {
  const config = FixGatewayConfig.read(options.config);
  const tls = tlsOptionsOf(options, config);
  const settings = telemetrySettingsOf(options);
  const telemetry = new ProcessTelemetry({ role: 'gateway', shard: options.shard });
  const log = await openLog('veritape-fix', () => telemetry.logFields());
  using interruption = new Interruption();
  if (tls === undefined && options.host !== '127.0.0.1')
    log.warn({ host: options.host }, 'without TLS, orders and passwords can be read on the way');
  await telemetry.open(settings, options.dir, log);
  let gateway: FixGateway;
  try {
    gateway = await FixGateway.open({
      ...{ config, directory: options.dir, nats: natsJoin(options.nats, options), shard: options.shard, tls, log },
      ...{ host: options.host, port: options.port, connectionsMax: options.connectionsMax },
      ...{ snapshotEvery: options.snapshotEvery, signal: interruption.signal },
    });
  } catch (error) {
    await telemetry.close();
    if (error instanceof Disagreement) return printDisagreement(error.message, {}, options);
    if (!interruption.requested) throw error;
    return printResult({ opened: false }, options.json === true, () => 'closed before the venue was reached');
  }
  telemetry.watch({
    follower: gateway.follower,
    connection: gateway.connection,
    gateway: (points) => {
      const { clients, refused } = gateway.status();
      const loggedOn = clients.filter((client) => client.loggedOn).length;
      points.add('veritape.fix.clients', loggedOn, { state: 'loggedOn' });
      points.add('veritape.fix.clients', clients.length - loggedOn, { state: 'loggedOff' });
      points.add('veritape.fix.refusals', refused);
    },
  });
  const tell = (): void => log.info(gateway.status(), 'status');
  process.on('SIGUSR2', tell);
  let end: FollowerEnd | Error | undefined;
  try {
    log.info({ pid: process.pid, host: options.host, port: gateway.port, ...gateway.status() }, 'ready');
    end = await Promise.race([gateway.ended, aborted(interruption.signal)]);
  } finally {
    process.off('SIGUSR2', tell);
    await gateway.close();
    await telemetry.close();
    log.info(gateway.status(), 'closed');
  }
  if (end instanceof Error && !(end instanceof Disagreement)) throw end;
  const status = gateway.status();
  const disagreement = end instanceof Error ? end.message : end?.disagreement;
  if (disagreement !== undefined) return printDisagreement(disagreement, status, options);
  await printResult(status, options.json === true, () => describe(status));
}

/** The venue's journal is another one than the copy that the gateway has. */
async function printDisagreement(disagreement: string, status: object, options: FixOptions): Promise<void> {
  process.exitCode = ExitCode.false;
  const result = { ...status, disagreement };
  await printResult(result, options.json === true, () => `DISAGREEMENT: ${disagreement}`);
}

function describe({ sequence, clients }: ReturnType<FixGateway['status']>): string {
  const lines = clients.map(
    ({ peer, nextOut, expectedIn, liveOrders, pending }) =>
      `${peer}: next to send ${nextOut}, next to receive ${expectedIn}, ${liveOrders} live orders, ${pending} commands under way`,
  );
  return [...lines, `closed at sequence ${sequence}`].join('\n');
}

function tlsOptionsOf(options: FixOptions, config: FixGatewayConfig): TlsOptions | undefined {
  const { tlsCert, tlsKey, tlsCa } = options;
  const wantsCertificates = config.clients.some(({ certificate }) => certificate !== undefined);
  if (tlsCert === undefined) {
    for (const [field, value] of Object.entries({ 'tls-key': tlsKey, 'tls-ca': tlsCa }))
      if (value !== undefined) throw new UsageError(field, value, 'is of use only with --tls-cert');
    if (wantsCertificates) throw new UsageError('tls-cert', undefined, 'clients with a certificate need TLS');
    return undefined;
  }
  if (tlsKey === undefined) throw new UsageError('tls-key', undefined, 'goes with --tls-cert');
  if (wantsCertificates && tlsCa === undefined)
    throw new UsageError('tls-ca', undefined, 'clients with a certificate need those that signed it');
  return {
    cert: readFileSync(tlsCert),
    key: readFileSync(tlsKey),
    minVersion: 'TLSv1.2',
    ...(tlsCa === undefined
      ? {}
      : {
          ca: readFileSync(tlsCa),
          requestCert: true,
          rejectUnauthorized: wantsCertificates && config.clients.every(({ certificate }) => certificate !== undefined),
        }),
  };
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
