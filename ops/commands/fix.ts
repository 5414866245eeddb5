import type { TlsOptions } from 'node:tls';
import type { Command } from 'commander';
import { Option } from 'commander';
import { withExamples } from '../cli/arguments.ts';
import { addListener, addVenuePlace, type GatewayOptions, listenerTls } from '../cli/gateway-options.ts';
import { Interruption } from '../cli/interruption.ts';
import { snapshotEveryOption } from '../cli/journal-options.ts';
import { addNatsCredentials, natsJoin } from '../cli/nats-credentials.ts';
import { printResult } from '../cli/result.ts';
import { openLog } from '../cli/server-log.ts';
import { addTelemetryOptions, type TelemetryCommandOptions, telemetrySettingsOf } from '../cli/telemetry-options.ts';
import { ExitCode, UsageError } from '../exit-codes.ts';
import { FixGatewayConfig } from '../fix/fix-config.ts';
import { FixGateway } from '../fix/fix-gateway.ts';
import { isLoopback } from '../loopback.ts';
import { readCertificate } from '../named-file.ts';
import { ProcessTelemetry } from '../telemetry/process-telemetry.ts';
import { Disagreement, type FollowerEnd } from '../venue/venue-follower.ts';

interface FixOptions extends GatewayOptions, TelemetryCommandOptions {
  readonly dir: string;
  readonly config: string;
  readonly tlsCa?: string;
  readonly unprotected?: boolean;
  readonly snapshotEvery: number;
}

const DEFAULTS = { port: 9_878, connections: 256 };

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
    );
  addVenuePlace(command);
  addListener(command, DEFAULTS)
    .addOption(new Option('--tls-ca <file>', 'certificates that those of clients must be signed by (PEM)'))
    .addOption(new Option('--unprotected', 'listen to other hosts although there is no --tls-cert'))
    .addOption(snapshotEveryOption(' of the copy'));
  addTelemetryOptions(addNatsCredentials(command)).action((options: FixOptions) => fix(options));
  withExamples(command, 'veritape fix --dir fix --config fix.json --nats nats://127.0.0.1:4222 --port 9878');
}

async function fix(options: FixOptions): Promise<void> {
  const config = FixGatewayConfig.read(options.config);
  const tls = tlsOptionsOf(options, config);
  if (tls === undefined && !isLoopback(options.host) && options.unprotected !== true)
    throw new UsageError('host', options.host, 'other hosts are listened to with --tls-cert, or with --unprotected');
  const settings = telemetrySettingsOf(options);
  const telemetry = new ProcessTelemetry({ role: 'gateway', shard: options.shard });
  const log = await openLog('veritape-fix', () => telemetry.logFields());
  using interruption = new Interruption();
  if (tls === undefined && !isLoopback(options.host))
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
  const { tlsCa } = options;
  const tls = listenerTls(options);
  const wantsCertificates = config.clients.some(({ certificate }) => certificate !== undefined);
  if (tls === undefined) {
    if (tlsCa !== undefined) throw new UsageError('tls-ca', tlsCa, 'is of use only with --tls-cert');
    if (wantsCertificates) throw new UsageError('tls-cert', undefined, 'clients with a certificate need TLS');
    return undefined;
  }
  if (wantsCertificates && tlsCa === undefined)
    throw new UsageError('tls-ca', undefined, 'clients with a certificate need those that signed it');
  if (tlsCa === undefined) return tls;
  const rejectUnauthorized = wantsCertificates && config.clients.every(({ certificate }) => certificate !== undefined);
  return { ...tls, ca: readCertificate(tlsCa, 'tls-ca'), requestCert: true, rejectUnauthorized };
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
